/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* No client is shown a UIDL before it is on the disk: the system calls that
   save it come in the right order, and what another process saved between our
   reading and our writing is what both of us show. */

#include "numbered.h"
#include "traced.h"
#include "uidl-list.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAIL_BYTES 300
#define CALLS "read,write,writev,pwrite64,sendto,sendmsg,fsync,fdatasync," \
	"rename,renameat,renameat2,openat,link"

static struct traced *the_traced;

static struct fixture *get_fixture(void)
{
	return the_traced->f;
}

static void reload(const char *format, gboolean guard)
{
	g_autofree char *config = uidl_settings("popinjay_uidl_format", format,
		guard ? "popinjay_uidl_drift_limit" : "popinjay_uidl_save",
		guard ? "20" : "yes", NULL);

	if (the_traced == NULL)
		the_traced = traced_new("pop3", config);
	else
		traced_reload(the_traced, config);
}

/* A user of whose mails so many were shown, then deleted, and came. */
static char *make_user(const char *storage, unsigned int shown,
		       unsigned int deleted, unsigned int new)
{
	struct fixture *f = get_fixture();
	char *user = fixture_user(f, storage);
	struct pop3 *pop3;

	if (shown > 0) {
		numbered_deliver(f, user, 1, shown, MAIL_BYTES);
		pop3 = pop3_session(f, POP3_CLEAR, user);
		g_strfreev(uidl_list_in(pop3));
		for (unsigned int i = 1; i <= deleted; i++) {
			pop3_send(pop3, "DELE %u", i);
			pop3_expect(pop3, "+OK Marked to be deleted.\r\n");
		}
		pop3_quit(pop3, deleted > 0 ?
			  "Logging out, messages deleted." : "Logging out.");
	}
	numbered_deliver(f, user, shown + 1, shown + new, MAIL_BYTES);
	return user;
}

/* --- The order of calls --- */

struct order {
	const char *name;
	unsigned int shown, deleted, new;
	gboolean guard;
	/* the file is written anew and put in place, not appended to */
	gboolean replaced;
};

static const struct order orders[] = {
	{ "create", 0, 0, 4, FALSE, TRUE },
	{ "append", 4, 0, 2, FALSE, FALSE },
	{ "rewrite", 80, 70, 2, FALSE, TRUE },
	{ "remember", 0, 0, 4, TRUE, TRUE }
};

static const char *const storages[] = { "maildir", "mbox", "sdbox", "mdbox" };

/* The last call of the trace, before the line number end, that is the named
   one and has the text in it. Returns 0 if there is none, else its number. */
static unsigned int
find_call(char *const *lines, unsigned int end, const char *name,
	  const char *text)
{
	for (unsigned int i = end; i > 0; i--) {
		if (g_str_has_prefix(lines[i - 1], name) &&
		    strstr(lines[i - 1], text) != NULL)
			return i;
	}
	return 0;
}

static void assert_order(const struct order *order, const char *trace)
{
	const char *file = order->guard ? "popinjay-uidl-shown" :
		"popinjay-uidl";
	g_autofree char *temp = g_strconcat("/", file, ".tmp.", NULL);
	g_autofree char *path = g_strconcat("/", file, ">", NULL);
	g_auto(GStrv) lines = g_strsplit(trace, "\n", -1);
	unsigned int end = g_strv_length(lines);
	unsigned int reply, sync, rename, dir_sync, write;
	g_autofree char *dir = NULL;
	const char *slash;

	reply = find_call(lines, end, "write(", "\"+OK\\r\\n1 ");
	g_assert_cmpuint(reply, >, 0);
	if (!order->replaced) {
		write = find_call(lines, end, "write(", path);
		sync = find_call(lines, end, "fdatasync(", path);
		g_assert_cmpuint(write, >, 0);
		g_assert_cmpuint(write, <, sync);
		g_assert_cmpuint(sync, <, reply);
		return;
	}
	write = find_call(lines, end, "write(", temp);
	sync = find_call(lines, end, "fdatasync(", temp);
	rename = find_call(lines, end, "rename", temp);
	g_assert_cmpuint(write, >, 0);
	g_assert_cmpuint(write, <, sync);
	g_assert_cmpuint(sync, <, rename);
	/* rename("DIR/FILE.tmp.…", … */
	slash = strstr(lines[rename - 1], temp);
	dir = g_strndup(strchr(lines[rename - 1], '"') + 1,
			(gsize)(slash - strchr(lines[rename - 1], '"')) - 1);
	g_free(g_steal_pointer(&temp));
	temp = g_strconcat(dir, ">", NULL);
	dir_sync = find_call(lines, end, "fdatasync(", temp);
	g_assert_cmpuint(rename, <, dir_sync);
	g_assert_cmpuint(dir_sync, <, reply);
}

static void test_order(gconstpointer data)
{
	const struct order *order = data;

	reload("u.%{uid}", order->guard);
	for (unsigned int i = 0; i < G_N_ELEMENTS(storages); i++) {
		g_autofree char *user = make_user(storages[i], order->shown,
						  order->deleted, order->new);
		g_autofree char *trace = NULL;
		gsize since = fixture_log_size(get_fixture());
		struct pop3 *pop3;

		g_test_message("%s", storages[i]);
		traced_set(the_traced, "-s 4096 -e trace=" CALLS);
		pop3 = pop3_session(get_fixture(), POP3_CLEAR, user);
		pop3_send(pop3, "UIDL");
		g_string_free(pop3_multiline(pop3), TRUE);
		pop3_quit(pop3, "Logging out.");
		traced_wait_end(the_traced, since, user);
		traced_set(the_traced, "");
		g_assert_true(g_file_get_contents(the_traced->trace_file,
						  &trace, NULL, NULL));
		assert_order(order, trace);
	}
}

/* --- Another process saves between our reading and our writing --- */

static char *saved_path(const char *user)
{
	g_autofree char *dir = fixture_mail_dir(get_fixture(), user);

	return g_build_filename(dir, "popinjay-uidl", NULL);
}

static gboolean is_ours(const char *line)
{
	return strstr(line, "/popinjay-uidl") != NULL;
}

/* Arguments for strace that stop the process behind the last call that reads
   the file before it is locked, by the last trace. */
static char *stop_after_reading(void)
{
	g_autoptr(GPtrArray) calls = traced_calls(the_traced, "UIDL", is_ours);
	const struct traced_call *last = NULL;

	for (unsigned int i = 0; i < calls->len; i++) {
		const struct traced_call *call = g_ptr_array_index(calls, i);

		if (strstr(call->line, "/popinjay-uidl.lock") != NULL)
			break;
		last = call;
	}
	g_assert_nonnull(last);
	g_test_message("%s", last->line);
	return g_strdup_printf("-e trace="CALLS" -e inject=%s:signal=STOP"
			       ":when=%u", last->name, last->when);
}

/* Run a session that shows UIDLs and is stopped by these arguments while
   another process saves text. Returns all that the client got, or NULL if it
   was not stopped. */
static GString *uidl_stopped(const char *user, const char *args,
			     const char *path, const char *text)
{
	struct fixture *f = get_fixture();
	gsize since = fixture_log_size(f);
	gboolean stopped;
	GString *reply;
	struct pop3 *pop3;

	traced_set(the_traced, args);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_send(pop3, "UIDL\r\nQUIT");
	stopped = traced_wait_stopped(the_traced, since, user);
	if (stopped) {
		g_assert_true(g_file_set_contents(path, text, -1, NULL));
		fixture_give(f, user, path);
		g_assert_cmpint(kill(fixture_session_pid(f, since, user),
				     SIGCONT), ==, 0);
	}
	reply = pop3_read_to_eof(pop3, NULL);
	g_assert_nonnull(reply);
	pop3_close(pop3);
	traced_wait_end(the_traced, since, user);
	if (!stopped) {
		g_string_free(reply, TRUE);
		return NULL;
	}
	return reply;
}

/* UIDLs are shown by a session that is stopped when it has read the file, while
   another saves others of the same messages. */
static void test_between(gconstpointer data)
{
	const struct order *order = data;
	struct fixture *f;
	g_autofree char *template = NULL, *theirs = NULL, *ours = NULL;
	g_autofree char *first = NULL;
	g_autofree char *theirs_path = NULL, *path = NULL, *args = NULL;
	g_autofree char *text = NULL, *now = NULL;
	g_autoptr(GString) reply = NULL;
	g_auto(GStrv) expected = NULL, shown = NULL;
	struct pop3 *pop3;
	gsize since;

	reload("u.%{uid}", FALSE);
	f = get_fixture();
	template = make_user("maildir", order->shown, order->deleted,
			     order->new);
	theirs = fixture_user(f, "maildir");
	fixture_user_copy(f, template, f, theirs);
	first = fixture_user(f, "maildir");
	fixture_user_copy(f, template, f, first);

	/* where the session reads */
	since = fixture_log_size(f);
	traced_set(the_traced, "-e trace=" CALLS);
	pop3 = pop3_session(f, POP3_CLEAR, template);
	pop3_send(pop3, "UIDL");
	g_string_free(pop3_multiline(pop3), TRUE);
	pop3_quit(pop3, "Logging out.");
	traced_wait_end(the_traced, since, template);
	args = stop_after_reading();
	traced_set(the_traced, "");

	/* what the other saves */
	reload("theirs.%{uid}", FALSE);
	expected = uidl_list(f, theirs);
	theirs_path = saved_path(theirs);
	g_assert_true(g_file_get_contents(theirs_path, &text, NULL, NULL));
	reload("u.%{uid}", FALSE);

	for (unsigned int tries = 0; reply == NULL; tries++) {
		g_assert_cmpuint(tries, <, TRACED_STOP_TRIES);
		g_free(ours);
		ours = fixture_user(f, "maildir");
		fixture_user_copy(f, first, f, ours);
		g_free(path);
		path = saved_path(ours);
		reply = uidl_stopped(ours, args, path, text);
		if (reply == NULL) {
			g_free(args);
			args = stop_after_reading();
		}
	}
	traced_set(the_traced, "");

	g_assert_nonnull(strstr(reply->str, " theirs."));
	g_assert_true(g_file_get_contents(path, &now, NULL, NULL));
	g_assert_cmpstr(now, ==, text);
	shown = uidl_list(f, ours);
	uidl_assert_same(shown, expected);
}

static void test_stop(void)
{
	g_clear_pointer(&the_traced, traced_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	for (unsigned int i = 0; i < G_N_ELEMENTS(orders); i++) {
		g_autofree char *path = g_strconcat("/uidl-durable/order/",
						    orders[i].name, NULL);

		g_test_add_data_func(path, &orders[i], test_order);
	}
	for (unsigned int i = 0; i < 2; i++) {
		g_autofree char *path = g_strconcat("/uidl-durable/between/",
						    orders[i].name, NULL);

		g_test_add_data_func(path, &orders[i], test_between);
	}
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/uidl-durable", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
