/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Saving UIDLs, and remembering what was shown, when things go wrong: a process
   that is killed or a system call that fails at any step of it, a damaged file,
   and a directory nobody can write to. */

#include "numbered.h"
#include "traced.h"
#include "uidl-list.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAIL_BYTES 300
#define CALLS "read,write,pwrite64,ftruncate,fsync,fdatasync,rename,renameat," \
	"renameat2,unlink,unlinkat,link,linkat,openat"

/* what the log says of either file */
#define NOT_SAVED "(UIDLs are shown that couldn't be saved|" \
	"What UIDLs are shown couldn't be remembered)"

static struct traced *the_traced;
/* the file that sessions write */
static const char *file_name;

static struct fixture *get_fixture(void)
{
	return the_traced->f;
}

/* Let sessions save UIDLs, or guard them and save none. */
static void reload_to(gboolean guard, const char *format)
{
	g_autofree char *config = uidl_settings("popinjay_uidl_format", format,
		guard ? "popinjay_uidl_drift_limit" : "popinjay_uidl_save",
		guard ? "20" : "yes", NULL);

	file_name = guard ? "popinjay-uidl-shown" : "popinjay-uidl";
	if (the_traced == NULL)
		the_traced = traced_new("pop3", config);
	else
		traced_reload(the_traced, config);
}

static void reload(const char *format)
{
	reload_to(FALSE, format);
}

static char *saved_path(const char *user)
{
	g_autofree char *dir = fixture_mail_dir(get_fixture(), user);

	if (g_str_equal(fixture_user_storage(user), "maildir"))
		return g_build_filename(dir, file_name, NULL);
	return g_build_filename(dir, "mailboxes", "INBOX", "dbox-Mails",
				file_name, NULL);
}

/* The file's text, with the times at which messages were missed all the same;
   "" if there is no file. */
static char *saved_text(const char *user)
{
	g_autofree char *path = saved_path(user);
	g_autoptr(GRegex) regex = g_regex_new(" [0-9]{10}\n", 0, 0, NULL);
	g_autofree char *text = NULL;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return g_strdup("");
	return g_regex_replace_literal(regex, text, -1, 0, " GONE\n", 0, NULL);
}

static void delete_all(const char *user, unsigned int count)
{
	struct pop3 *pop3 = pop3_session(get_fixture(), POP3_CLEAR, user);

	for (unsigned int i = 1; i <= count; i++) {
		pop3_send(pop3, "DELE %u", i);
		pop3_expect(pop3, "+OK Marked to be deleted.\r\n");
	}
	pop3_quit(pop3, "Logging out, messages deleted.");
}

/* --- Killed, and calls that fail --- */

struct step {
	const char *name, *storage;
	/* shown and saved; deleted of these; new */
	unsigned int shown, deleted, new;
	/* what was shown is remembered, and nothing saved */
	gboolean guard;
};

static const struct step steps[] = {
	{ "create", "maildir", 0, 0, 4, FALSE },
	{ "create", "mdbox", 0, 0, 4, FALSE },
	{ "append", "maildir", 4, 0, 2, FALSE },
	{ "append", "sdbox", 4, 0, 2, FALSE },
	{ "rewrite", "maildir", 80, 70, 2, FALSE },
	{ "remember", "maildir", 0, 0, 4, TRUE },
	{ "remember-more", "sdbox", 4, 0, 2, TRUE }
};

static char *step_user(const struct step *step)
{
	char *user = fixture_user(get_fixture(), step->storage);

	if (step->shown > 0) {
		numbered_deliver(get_fixture(), user, 1, step->shown,
				 MAIL_BYTES);
		g_strfreev(uidl_list(get_fixture(), user));
	}
	if (step->deleted > 0)
		delete_all(user, step->deleted);
	numbered_deliver(get_fixture(), user, step->shown + 1,
			 step->shown + step->new, MAIL_BYTES);
	return user;
}

static gboolean is_saving(const char *line)
{
	return strstr(line, "popinjay-uidl") != NULL;
}

/* Run a session that asks for all UIDLs. Where the injection stops it, another
   writer puts that text there, if it is not NULL. Returns all that the client
   got, or NULL if the session was not stopped. */
static GString *
uidl_until_end_with(const char *user, const char *others_text)
{
	gsize since = fixture_log_size(get_fixture());
	struct pop3 *pop3 = pop3_session(get_fixture(), POP3_CLEAR, user);
	gboolean stopped = others_text != NULL;
	GString *reply;

	pop3_send(pop3, "UIDL\r\nQUIT");
	if (stopped)
		stopped = traced_wait_stopped(the_traced, since, user);
	if (stopped) {
		g_autofree char *path = saved_path(user);
		g_autofree char *lock = g_strconcat(path, ".lock", NULL);

		g_assert_true(g_file_set_contents(lock, "", -1, NULL));
		fixture_give(get_fixture(), user, lock);
		g_assert_true(g_file_set_contents(path, others_text, -1,
						  NULL));
		fixture_give(get_fixture(), user, path);
		g_assert_cmpint(kill(fixture_session_pid(get_fixture(), since,
							 user), SIGCONT), ==,
				0);
	}
	reply = pop3_read_to_eof(pop3, NULL);
	g_assert_nonnull(reply);
	pop3_close(pop3);
	traced_wait_end(the_traced, since, user);
	if (others_text != NULL && !stopped) {
		g_string_free(reply, TRUE);
		return NULL;
	}
	return reply;
}

static GString *uidl_until_end(const char *user)
{
	return uidl_until_end_with(user, NULL);
}

/* What the last session logged may come after its end. */
static void assert_logged_once(gsize since, const char *pattern)
{
	g_free(fixture_log_wait(get_fixture(), since, pattern));
	g_assert_cmpuint(fixture_log_count(get_fixture(), since, pattern), ==,
			 1);
}

/* Another writer takes the lock and replaces the file by the old one while we
   write: what it made stays, and we know that we have not saved. */
static void
try_other_writer(const char *template, const struct traced_call *call,
		 char *const *expected, const char *new_text)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = NULL, *path = NULL, *lock = NULL;
	g_autofree char *args = g_strdup_printf(
		"-e trace=%s -e inject=%s:signal=STOP:when=%u", CALLS,
		call->name, call->when);
	g_autofree char *others = NULL, *now = NULL, *text = NULL;
	g_autoptr(GString) reply = NULL;
	g_auto(GStrv) uidls = NULL;
	gsize since = 0;

	g_test_message("another writer: %s", call->line);
	for (unsigned int tries = 0; reply == NULL; tries++) {
		g_assert_cmpuint(tries, <, TRACED_STOP_TRIES);
		g_free(user);
		user = fixture_user(f, fixture_user_storage(template));
		g_free(path);
		path = saved_path(user);
		g_free(others);
		fixture_user_copy(f, template, f, user);
		if (!g_file_get_contents(path, &others, NULL, NULL))
			others = g_strdup_printf("%s 1 0\n", file_name);
		since = fixture_log_size(f);
		traced_set(the_traced, args);
		reply = uidl_until_end_with(user, others);
	}
	traced_set(the_traced, "");
	lock = g_strconcat(path, ".lock", NULL);
	g_assert_true(g_str_has_prefix(reply->str, "+OK\r\n1 "));
	assert_logged_once(since, NOT_SAVED": (The lock .* was lost|"
			   "Another process wrote .* at the same time)");
	g_assert_true(g_file_get_contents(path, &now, NULL, NULL));
	g_assert_cmpstr(now, ==, others);
	g_assert_cmpint(unlink(lock), ==, 0);
	uidls = uidl_list(f, user);
	uidl_assert_same(uidls, expected);
	text = saved_text(user);
	g_assert_nonnull(strstr(text, strchr(new_text, '\n')));
}

/* Try a step with strace's injection at a call; kill says that it kills. */
static void
try_call(const char *template, const struct traced_call *call,
	 const char *injection, gboolean kill, char *const *expected,
	 const char *old_text, const char *new_text)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = fixture_user(f, fixture_user_storage(template));
	g_autofree char *args = g_strdup_printf(
		"-e trace=%s -e inject=%s:%s:when=%u", CALLS, call->name,
		injection, call->when);
	g_autofree char *path = NULL, *lock = NULL, *text = NULL;
	g_autoptr(GString) reply = NULL;
	g_auto(GStrv) uidls = NULL;
	gsize since;

	g_test_message("%s: %s", injection, call->line);
	fixture_user_copy(f, template, f, user);
	since = fixture_log_size(f);
	traced_set(the_traced, args);
	reply = uidl_until_end(user);
	traced_set(the_traced, "");
	text = saved_text(user);

	/* the old state or the new one, and the new one if it was shown */
	if (!g_str_equal(text, old_text))
		g_assert_cmpstr(text, ==, new_text);
	if (kill) {
		g_free(fixture_log_wait(f, since, "killed with signal 9"));
		if (reply->len > 0)
			g_assert_cmpstr(text, ==, new_text);
	} else {
		/* mail goes on when the disk is full */
		g_assert_true(g_str_has_prefix(reply->str, "+OK\r\n1 "));
		if (!g_str_equal(text, new_text))
			assert_logged_once(since, NOT_SAVED);
	}
	/* a lock of a dead process costs some seconds: see test_stale_lock() */
	path = saved_path(user);
	lock = g_strconcat(path, ".lock", NULL);
	(void)unlink(lock);
	uidls = uidl_list(f, user);
	uidl_assert_same(uidls, expected);
	g_free(text);
	text = saved_text(user);
	g_assert_cmpstr(text, ==, new_text);
}

static void test_step(gconstpointer data)
{
	const struct step *step = data;
	g_autofree char *template = NULL, *user = NULL;
	g_autofree char *old_text = NULL, *new_text = NULL;
	g_autoptr(GPtrArray) calls = NULL;
	g_autoptr(GString) reply = NULL;
	g_auto(GStrv) expected = NULL;

	reload_to(step->guard, "u.%{uid}");
	fixture_log_allow(get_fixture(), "killed with signal 9|"
			  "file_dotlock_delete\\(\\)|dotlock|"
			  "popinjay: .*"NOT_SAVED"|"
			  "popinjay-uidl[^ ]*\\) failed");
	template = step_user(step);
	user = fixture_user(get_fixture(), step->storage);
	fixture_user_copy(get_fixture(), template, get_fixture(), user);
	old_text = saved_text(user);
	traced_set(the_traced, "-e trace=" CALLS);
	reply = uidl_until_end(user);
	traced_set(the_traced, "");
	new_text = saved_text(user);
	g_assert_cmpstr(old_text, !=, new_text);
	expected = uidl_list(get_fixture(), user);
	g_assert_cmpuint(g_strv_length(expected), ==,
			 step->shown - step->deleted + step->new);

	calls = traced_calls(the_traced, "UIDL", is_saving);
	g_test_message("%u calls", calls->len);
	g_assert_cmpuint(calls->len, >=, 5);
	for (unsigned int i = 0; i < calls->len; i++) {
		const struct traced_call *call = g_ptr_array_index(calls, i);

		if (g_str_equal(call->name, "read"))
			continue;
		try_call(template, call, "signal=KILL", TRUE, expected,
			 old_text, new_text);
		/* reading before the lock is taken is another matter */
		if (strstr(call->line, "O_RDONLY") != NULL)
			continue;
		try_call(template, call, "error=ENOSPC", FALSE, expected,
			 old_text, new_text);
		if (g_str_equal(call->name, "fdatasync"))
			try_other_writer(template, call, expected, new_text);
	}
}

/* The lock of a process that was killed is no lock, and what it was writing
   goes with it. */
static void test_stale_lock(void)
{
	const struct step step = { "append", "maildir", 4, 0, 2, FALSE };
	g_autofree char *user = NULL, *path = NULL, *lock = NULL, *text = NULL;
	g_autofree char *pid = NULL, *temp = NULL, *other = NULL;
	g_auto(GStrv) uidls = NULL;
	char host[256];
	GPid child;
	char *argv[] = { (char *)"true", NULL };

	reload("u.%{uid}");
	user = step_user(&step);
	path = saved_path(user);
	lock = g_strconcat(path, ".lock", NULL);
	g_assert_true(g_spawn_async(NULL, argv, NULL,
		G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
		&child, NULL));
	g_assert_cmpint(waitpid(child, NULL, 0), ==, child);
	g_assert_cmpint(gethostname(host, sizeof(host)), ==, 0);
	pid = g_strdup_printf("%d:%s", child, host);
	g_assert_true(g_file_set_contents(lock, pid, -1, NULL));
	fixture_give(get_fixture(), user, lock);
	temp = g_strconcat(path, ".tmp.host.1.0123456789abcdef", NULL);
	other = g_strconcat(path, ".template", NULL);
	g_assert_true(g_file_set_contents(temp, "popinjay", -1, NULL));
	g_assert_true(g_file_set_contents(other, "popinjay", -1, NULL));
	uidls = uidl_list(get_fixture(), user);
	g_assert_cmpuint(g_strv_length(uidls), ==, 6);
	text = saved_text(user);
	g_assert_nonnull(strstr(text, " u.6\n"));
	g_assert_cmpint(access(lock, F_OK), ==, -1);
	g_assert_cmpint(access(temp, F_OK), ==, -1);
	g_assert_cmpint(access(other, F_OK), ==, 0);
}

/* --- Damaged files --- */

struct damage {
	const char *name;
	/* the file's text is cut here (0: not), and this is appended; NULL: a
	   file that cannot be opened */
	unsigned int size;
	const char *append;
	/* in the error log; NULL if it is no damage */
	const char *error;
};

static const struct damage damages[] = {
	{ "line", 0, "garbage\n", "Line 6 is not" },
	{ "cut-to-entries", 60, "\n", "is damaged" },
	{ "too-few", 29, "", "It has 0 entries of at least 4" },
	{ "first-line", 5, "\n", "The first line is not" },
	{ "unreadable", 0, NULL, "Permission denied" },
	{ "cut-line", 0, "7 abc u.", NULL },
	{ "cut-line-without-lf", 0, "7 abc u.7", NULL }
};

static void test_damage(gconstpointer data)
{
	const struct damage *damage = data;
	const struct step step = { "append", "maildir", 4, 0, 1, FALSE };
	struct fixture *f;
	g_autofree char *user = NULL, *path = NULL, *text = NULL;
	g_autofree char *reply = NULL, *now = NULL, *bad = NULL;
	g_auto(GStrv) uidls = NULL;
	struct pop3 *pop3;
	gsize since;

	reload("u.%{uid}");
	f = get_fixture();
	user = step_user(&step);
	path = saved_path(user);
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	bad = g_strdup_printf("%.*s%s", damage->size > 0 ? (int)damage->size :
		(int)strlen(text), text, damage->append == NULL ? "" :
		damage->append);
	g_assert_true(g_file_set_contents(path, bad, -1, NULL));
	fixture_give(f, user, path);
	if (damage->append == NULL)
		g_assert_cmpint(chmod(path, 0), ==, 0);
	reload("other.%{uid}");

	if (damage->error == NULL) {
		uidls = uidl_list(f, user);
		g_assert_cmpstr(uidls[3], ==, "u.4");
		g_assert_cmpstr(uidls[4], ==, "other.5");
		g_assert_true(g_file_get_contents(path, &now, NULL, NULL));
		g_assert_true(g_str_has_prefix(now, text));
		g_assert_true(g_str_has_suffix(now, " other.5\n"));
		g_assert_null(strstr(now, "abc"));
		return;
	}

	since = fixture_log_size(f);
	fixture_log_allow(f, "popinjay: Looking up the UIDLs failed: |"
			  "popinjay-uidl is damaged|popinjay: open\\(");
	pop3 = pop3_session(f, POP3_CLEAR, user);
	reply = pop3_ask(pop3, "UIDL");
	g_assert_cmpstr(reply, ==,
			"-ERR [SYS/TEMP] The UIDLs can't be listed now.");
	g_free(reply);
	reply = pop3_ask(pop3, "UIDL 1");
	g_assert_cmpstr(reply, ==,
			"-ERR [SYS/TEMP] The UIDLs can't be listed now.");
	g_free(reply);
	/* all else goes on */
	reply = pop3_ask(pop3, "STAT");
	g_assert_true(g_str_has_prefix(reply, "+OK 5 "));
	pop3_quit(pop3, "Logging out.");
	g_free(fixture_log_wait(f, since, damage->error));
	g_assert_cmpint(chmod(path, 0600), ==, 0);
	g_assert_true(g_file_get_contents(path, &now, NULL, NULL));
	g_assert_cmpstr(now, ==, bad);

	/* mended by hand */
	g_assert_true(g_file_set_contents(path, text, -1, NULL));
	fixture_give(f, user, path);
	uidls = uidl_list(f, user);
	g_assert_cmpstr(uidls[0], ==, "u.1");
	g_assert_cmpstr(uidls[4], ==, "other.5");
}

/* What is no file of ours is not read, however it got there. */
static void test_no_file(gconstpointer kind)
{
	const struct step step = { "append", "maildir", 4, 0, 0, FALSE };
	g_autofree char *user = NULL, *path = NULL;
	struct pop3 *pop3;
	gsize since;

	reload("u.%{uid}");
	path = saved_path(user = step_user(&step));
	g_assert_cmpint(unlink(path), ==, 0);
	if (g_str_equal(kind, "fifo"))
		g_assert_cmpint(mkfifo(path, 0600), ==, 0);
	else if (g_str_equal(kind, "device"))
		g_assert_cmpint(symlink("/dev/zero", path), ==, 0);
	else {
		g_assert_true(g_file_set_contents(path, "popinjay-uidl 1 0\n",
						  -1, NULL));
		g_assert_cmpint(truncate(path, 300 << 20), ==, 0);
	}
	if (!g_str_equal(kind, "device"))
		fixture_give(get_fixture(), user, path);
	since = fixture_log_size(get_fixture());
	fixture_log_allow(get_fixture(), "popinjay: Looking up the UIDLs|"
			  "popinjay-uidl is (no regular file|larger than)");
	pop3 = pop3_session(get_fixture(), POP3_CLEAR, user);
	pop3_check(pop3, "UIDL",
		   "-ERR [SYS/TEMP] The UIDLs can't be listed now.");
	pop3_quit(pop3, "Logging out.");
	g_free(fixture_log_wait(get_fixture(), since,
				"is larger than 256 MB|is no regular file"));
}

/* A directory that nobody can write to: the UIDLs are shown, saved ones too. */
static void test_read_only(void)
{
	const struct step step = { "append", "maildir", 4, 0, 1, FALSE };
	g_autofree char *user = NULL, *dir = NULL, *old_text = NULL;
	g_autofree char *text = NULL;
	g_auto(GStrv) uidls = NULL;
	gsize since;

	reload("u.%{uid}");
	user = step_user(&step);
	/* Dovecot has to know the new message by now */
	g_strfreev(uidl_fetch(get_fixture(), user, "uid"));
	dir = fixture_mail_dir(get_fixture(), user);
	reload("other.%{uid}");
	old_text = saved_text(user);
	since = fixture_log_size(get_fixture());
	fixture_log_allow(get_fixture(), "popinjay: 1 UIDLs are shown that|"
			  "Permission denied");
	g_assert_cmpint(chmod(dir, 0500), ==, 0);
	uidls = uidl_list(get_fixture(), user);
	g_assert_cmpint(chmod(dir, 0700), ==, 0);
	g_assert_cmpstr(uidls[3], ==, "u.4");
	g_assert_cmpstr(uidls[4], ==, "other.5");
	g_free(fixture_log_wait(get_fixture(), since,
		"popinjay: 1 UIDLs are shown that couldn't be saved: "
		".*Permission denied"));
	text = saved_text(user);
	g_assert_cmpstr(text, ==, old_text);
}

static void test_stop(void)
{
	g_clear_pointer(&the_traced, traced_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	for (unsigned int i = 0; i < G_N_ELEMENTS(steps); i++) {
		g_autofree char *path = g_strdup_printf(
			"/uidl-faults/steps/%s/%s", steps[i].name,
			steps[i].storage);

		g_test_add_data_func(path, &steps[i], test_step);
	}
	g_test_add_func("/uidl-faults/stale-lock", test_stale_lock);
	g_test_add_data_func("/uidl-faults/no-file/fifo", "fifo",
			     test_no_file);
	g_test_add_data_func("/uidl-faults/no-file/device", "device",
			     test_no_file);
	g_test_add_data_func("/uidl-faults/no-file/large", "large",
			     test_no_file);
	for (unsigned int i = 0; i < G_N_ELEMENTS(damages); i++) {
		g_autofree char *path = g_strconcat("/uidl-faults/damage/",
						    damages[i].name, NULL);

		g_test_add_data_func(path, &damages[i], test_damage);
	}
	g_test_add_func("/uidl-faults/read-only", test_read_only);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/uidl-faults", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
