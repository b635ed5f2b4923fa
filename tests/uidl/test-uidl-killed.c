/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm backup into an mbox, which keeps no UIDLs itself, is killed or finds
   the disk full at any step of its writing: no message ever shows another UIDL
   than its own, and the next run brings what is missing. */

#include "numbered.h"
#include "traced.h"
#include "uidl-list.h"
#include "uidl-tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* not rename: Dovecot waits minutes for the lock of an index that a killed
   process was about to put in place */
#define CALLS "write,writev,pwrite64,ftruncate,fsync,fdatasync"
#define HOW_KILLED "signal=KILL"
#define HOW_DISK_FULL "error=ENOSPC"
/* a run may find that it has to begin anew, and leaves that to the next one */
#define BACKUP_MAX_RUNS 3
/* two runs do not always make the same calls */
#define BACKUP_MAX_TRIES 20

static struct fixture *the_fixture;
/* from whom all is brought, what that user is shown, and the numbers of these
   mails; one is there twice */
static char *the_source;
static char **shown;
static const unsigned int shown_numbers[] = { 1, 3, 3, 5 };

static void reload(const char *format)
{
	g_autofree char *config = uidl_settings("popinjay_uidl_save", "yes",
						"popinjay_uidl_format", format,
						NULL);

	fixture_reload(the_fixture, config);
}

/* Deliver a mail. That of number 1 and 5 ends with an empty line, which is not
   the one that an mbox has between mails. */
static void deliver(const char *user, unsigned int number)
{
	g_autoptr(GBytes) bytes = numbered_mail(number, 5000 * MIN(number, 3));
	g_autoptr(GString) mail = g_string_new_len(
		g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));

	if (number == 1 || number == 5)
		g_string_append_c(mail, '\n');
	fixture_deliver(the_fixture, user, mail->str, mail->len);
}

/* There is a gap in the uids, so that those in a file which a killed process
   leaves are not just the next ones. */
static void test_start(void)
{
	const struct fixture_options options = { .fast_logins = TRUE };
	static const unsigned int numbers[] = { 1, 2, 3, 3, 5 };
	struct pop3 *pop3;

	if (the_fixture != NULL)
		return;
	the_fixture = fixture_new(&options);
	reload("first.%{uid}");
	the_source = fixture_user(the_fixture, "maildir");
	for (unsigned int i = 0; i < G_N_ELEMENTS(numbers); i++)
		deliver(the_source, numbers[i]);
	pop3 = pop3_session(the_fixture, POP3_CLEAR, the_source);
	pop3_check(pop3, "DELE 2", "+OK Marked to be deleted.");
	pop3_quit(pop3, "Logging out, messages deleted.");
	shown = uidl_list(the_fixture, the_source);
	g_assert_cmpuint(g_strv_length(shown), ==,
			 G_N_ELEMENTS(shown_numbers));
	reload("other.%{uid}");
}

/* --- Backups --- */

/* A file that saving into an mbox writes. */
static char *written_file(const char *user, const char *name)
{
	g_autofree char *dir = fixture_mail_dir(the_fixture, user);

	return g_build_filename(dir, name, NULL);
}

/* Run doveadm backup to the user under strace with this injection, or without
   if it is NULL. What is written is traced. Returns its exit status. */
static int traced_backup(const char *to, const char *injection)
{
	static const char *const names[] = {
		"inbox", ".imap/INBOX/popinjay-uidl",
		".imap/INBOX/dovecot.index.log"
	};
	struct fixture *f = the_fixture;
	g_autofree char *trace = g_build_filename(f->dir, "trace", NULL);
	g_autofree char *inject = g_strconcat("inject=", injection, NULL);
	g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
	const char *const strace[] = {
		"strace", "-qq", "-y", "-o", trace, "-e", "trace=" CALLS, "-e",
		injection == NULL ? "trace=" CALLS : inject
	};
	const char *const doveadm[] = {
		"doveadm", "-c", f->config_file, "backup", "-R", "-u", to,
		"doveadm", "-c", f->config_file, "dsync-server", "-u",
		the_source
	};
	g_autofree char *text = NULL;
	GString *err = NULL;
	int status;

	for (unsigned int i = 0; i < G_N_ELEMENTS(strace); i++)
		g_ptr_array_add(argv, g_strdup(strace[i]));
	for (unsigned int i = 0; i < G_N_ELEMENTS(names); i++) {
		g_ptr_array_add(argv, g_strdup("-P"));
		g_ptr_array_add(argv, written_file(to, names[i]));
	}
	for (unsigned int i = 0; i < G_N_ELEMENTS(doveadm); i++)
		g_ptr_array_add(argv, g_strdup(doveadm[i]));
	g_ptr_array_add(argv, NULL);
	status = fixture_run(f, (const char *const *)argv->pdata, NULL, NULL,
			     &err);
	text = g_string_free(err, FALSE);
	if (status != 0)
		g_test_message("status %d: %s", status, text);
	return status;
}

static void backup(const char *to)
{
	struct fixture *f = the_fixture;
	int status = -1;

	for (unsigned int i = 0; status != 0 && i < BACKUP_MAX_RUNS; i++) {
		GString *err = NULL;

		status = fixture_doveadm(f, NULL, NULL, &err, "backup", "-R",
			"-u", to, "doveadm", "-c", f->config_file,
			"dsync-server", "-u", the_source, NULL);
		if (status != 0)
			g_test_message("status %d: %s", status, err->str);
		g_string_free(err, TRUE);
	}
	g_assert_cmpint(status, ==, 0);
}

/* --- What is shown --- */

static unsigned int number_of(struct pop3 *pop3, unsigned int msn)
{
	g_autoptr(GString) reply = NULL;
	const char *header;

	pop3_send(pop3, "TOP %u 0", msn);
	reply = pop3_multiline(pop3);
	header = strstr(reply->str, "X-Number: ");
	g_assert_nonnull(header);
	return (unsigned int)strtoul(header + strlen("X-Number: "), NULL, 10);
}

static gboolean is_uidl_of(const char *uidl, unsigned int number)
{
	for (unsigned int i = 0; i < G_N_ELEMENTS(shown_numbers); i++) {
		if (shown_numbers[i] == number && g_str_equal(shown[i], uidl))
			return TRUE;
	}
	return FALSE;
}

/* Each message that is there has the UIDL of its own. */
static void assert_own_uidls(const char *user)
{
	struct pop3 *pop3 = pop3_session(the_fixture, POP3_CLEAR, user);
	g_auto(GStrv) uidls = uidl_list_in(pop3);

	for (unsigned int i = 0; uidls[i] != NULL; i++) {
		unsigned int number = number_of(pop3, i + 1);

		g_test_message("%u: mail %u has %s", i + 1, number, uidls[i]);
		g_assert_true(is_uidl_of(uidls[i], number));
	}
	pop3_quit(pop3, "Logging out.");
}

static void remove_locks(const char *user)
{
	static const char *const names[] = {
		"inbox.lock", ".imap/INBOX/popinjay-uidl.lock"
	};

	/* waiting until they are stale costs some seconds */
	for (unsigned int i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = written_file(user, names[i]);

		(void)unlink(path);
	}
}

/* Returns FALSE if this backup made fewer calls of that name than the one in
   which call was seen: how the mail is cut into pieces depends on how fast it
   comes. */
static gboolean try_call(const struct traced_call *call, const char *how)
{
	g_autofree char *injection = g_strdup_printf("%s:%s:when=%u",
		call->name, how, call->when);
	g_autofree char *user = fixture_user(the_fixture, "mbox");
	g_autofree char *trace = g_build_filename(the_fixture->dir, "trace",
						  NULL);
	g_autofree char *saved = NULL, *text = NULL;
	g_auto(GStrv) uidls = NULL;
	gboolean reached;
	int status;

	g_test_message("%s: %s", how, call->line);
	status = traced_backup(user, injection);
	reached = traced_was_reached(trace, call);
	remove_locks(user);
	assert_own_uidls(user);
	if (g_str_equal(how, HOW_KILLED) && reached) {
		g_assert_cmpint(status, !=, 0);
		/* what the first session found may be otherwise now */
		assert_own_uidls(user);
	}
	backup(user);
	uidls = uidl_list(the_fixture, user);
	uidl_assert_same(uidls, shown);
	/* each was known by its key at once */
	saved = uidl_tool_saved_file(the_fixture, user);
	g_assert_true(g_file_get_contents(saved, &text, NULL, NULL));
	g_assert_null(strstr(text, " :"));
	return reached;
}

static gboolean is_write(const char *line)
{
	return strchr(line, '(') != NULL;
}

/* Dovecot works without its index. */
static gboolean is_write_that_counts(const char *line)
{
	return strstr(line, "/dovecot.index") == NULL;
}

static void test_each_call(gconstpointer how)
{
	g_autofree char *user = NULL, *trace = NULL;
	g_autoptr(GPtrArray) calls = NULL;
	g_auto(GStrv) uidls = NULL;
	unsigned int reached = 0;

	test_start();
	user = fixture_user(the_fixture, "mbox");
	trace = g_build_filename(the_fixture->dir, "trace", NULL);
	g_assert_cmpint(traced_backup(user, NULL), ==, 0);
	calls = traced_read_calls(trace, NULL,
		g_str_equal(how, HOW_KILLED) ? is_write :
		is_write_that_counts);
	uidls = uidl_list(the_fixture, user);
	uidl_assert_same(uidls, shown);
	for (unsigned int i = 0; i < calls->len; i++)
		reached += try_call(g_ptr_array_index(calls, i), how);
	g_test_message("%u of %u calls", reached, calls->len);
	g_assert_cmpuint(reached, >, calls->len / 2);
}

/* --- What others bring --- */

static gboolean is_body(const char *line)
{
	return strstr(line, "/inbox>, \"Line 1 of mail 3") != NULL;
}

/* not the one of the message that makes the file an mbox */
static gboolean is_from(const char *line)
{
	return strstr(line, "/inbox>, \"From ") != NULL &&
		strstr(line, "MAILER_DAEMON") == NULL;
}

/* Have a backup to a new user killed at the call of its kind that comes so many
   after the first wanted one. Returns the user, or NULL if this run made other
   calls than the one before it. */
static char *
backup_killed(gboolean (*wanted)(const char *line), unsigned int after)
{
	g_autofree char *other = fixture_user(the_fixture, "mbox");
	g_autofree char *user = fixture_user(the_fixture, "mbox");
	g_autofree char *trace = g_build_filename(the_fixture->dir, "trace",
						  NULL);
	g_autofree char *injection = NULL;
	g_autoptr(GPtrArray) calls = NULL, killed_calls = NULL;
	struct traced_call at;
	const struct traced_call *first;

	g_assert_cmpint(traced_backup(other, NULL), ==, 0);
	calls = traced_read_calls(trace, NULL, wanted);
	g_assert_cmpuint(calls->len, >, 0);
	first = g_ptr_array_index(calls, 0);
	at = *first;
	at.when += after;
	injection = g_strdup_printf("%s:"HOW_KILLED":when=%u", at.name,
				    at.when);
	(void)traced_backup(user, injection);
	killed_calls = traced_read_calls(trace, NULL, wanted);
	if (killed_calls->len == 0 || !traced_was_reached(trace, &at))
		return NULL;
	first = g_ptr_array_index(killed_calls, 0);
	return first->when + after == at.when ? g_steal_pointer(&user) : NULL;
}

/* Let another program put a mail behind what a killed backup left. Returns the
   user. */
static char *
backup_and_deliver(gboolean (*wanted)(const char *line), unsigned int after,
		   const void *mail, gsize mail_size)
{
	g_autofree char *inbox = NULL;
	char *user = NULL;
	FILE *file;

	for (unsigned int i = 0; user == NULL && i < BACKUP_MAX_TRIES; i++)
		user = backup_killed(wanted, after);
	g_assert_nonnull(user);
	remove_locks(user);
	inbox = written_file(user, "inbox");
	file = fopen(inbox, "a");
	g_assert_nonnull(file);
	g_assert_cmpuint(fwrite(mail, 1, mail_size, file), ==, mail_size);
	g_assert_cmpint(fclose(file), ==, 0);
	return user;
}

static gboolean is_length(const char *line)
{
	return strstr(line, "/inbox>, \"\\nContent-Length: ") != NULL;
}

/* All of the message is there but its length: it is none that is cut. */
static void test_whole(void)
{
	g_autofree char *user = NULL;
	g_auto(GStrv) uidls = NULL;

	test_start();
	user = backup_and_deliver(is_length, 0, "", 0);
	uidls = uidl_list(the_fixture, user);
	g_assert_cmpuint(g_strv_length(uidls), ==, 1);
	g_assert_cmpstr(uidls[0], ==, shown[0]);
}

#define OTHER_MAIL \
	"From other@example.com  Mon Jan  5 10:00:00 2026\n" \
	"Message-ID: <number-9@example.com>\nX-Number: 9\n\nhello\n\n"

/* Only a part of a message is in the file, and no line end, when another
   program puts a mail behind it: that is not removed with the part. */
static void test_delivered_behind(void)
{
	static const char mail[] = "\n" OTHER_MAIL;
	g_autofree char *user = NULL;
	g_auto(GStrv) uidls = NULL;
	struct pop3 *pop3;

	test_start();
	/* the next one: a part of the body is there */
	user = backup_and_deliver(is_body, 1, mail, strlen(mail));
	pop3 = pop3_session(the_fixture, POP3_CLEAR, user);
	uidls = uidl_list_in(pop3);
	g_assert_cmpuint(g_strv_length(uidls), ==, 3);
	g_assert_cmpstr(uidls[0], ==, shown[0]);
	g_assert_cmpuint(number_of(pop3, 2), ==, 3);
	g_assert_false(is_uidl_of(uidls[1], 3));
	g_assert_cmpuint(number_of(pop3, 3), ==, 9);
	pop3_quit(pop3, "Logging out.");
}

/* The same where the part ends with NULs, as after a crash of the machine, and
   the program puts the mail into the same line. */
static void test_delivered_behind_nul(void)
{
	static const char mail[] = "\0\0" OTHER_MAIL;
	g_autofree char *user = NULL, *inbox = NULL, *text = NULL;
	gsize size;

	test_start();
	user = backup_and_deliver(is_body, 1, mail, sizeof(mail) - 1);
	g_strfreev(uidl_list(the_fixture, user));
	inbox = written_file(user, "inbox");
	g_assert_true(g_file_get_contents(inbox, &text, &size, NULL));
	for (gsize i = 0; i < size; i++) {
		if (text[i] == '\0')
			text[i] = ' ';
	}
	g_assert_nonnull(strstr(text, "X-Number: 9\n"));
}

/* Its sender says that the mail is so long that an offset behind it is one
   before it. */
static void test_delivered_length(void)
{
	static const char header[] =
		"From other@example.com  Mon Jan  5 10:00:00 2026\n"
		"Message-ID: <number-9@example.com>\nX-Number: 9\n"
		"Content-Length: 18446744073709551000\n\n";
	guint64 back = G_MAXUINT64 - strlen(header) + 1;
	g_autofree char *length = g_strdup_printf("%" G_GUINT64_FORMAT, back);
	g_autoptr(GString) mail = g_string_new(header);
	g_autofree char *user = NULL;
	struct pop3 *pop3;

	test_start();
	g_string_replace(mail, "18446744073709551000", length, 1);
	g_assert_cmpuint(mail->len, ==, strlen(header));
	g_string_append(mail, "hello\n\n");
	/* the UIDL is saved, and no message is there */
	user = backup_and_deliver(is_from, 0, mail->str, mail->len);
	pop3 = pop3_session(the_fixture, POP3_CLEAR, user);
	g_assert_cmpuint(number_of(pop3, 1), ==, 9);
	pop3_quit(pop3, "Logging out.");
}

static void test_stop(void)
{
	g_clear_pointer(&the_fixture, fixture_free);
	g_clear_pointer(&shown, g_strfreev);
	g_clear_pointer(&the_source, g_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/uidl-killed/killed", HOW_KILLED,
			     test_each_call);
	g_test_add_data_func("/uidl-killed/disk-full", HOW_DISK_FULL,
			     test_each_call);
	g_test_add_func("/uidl-killed/whole", test_whole);
	g_test_add_func("/uidl-killed/delivered-behind",
			test_delivered_behind);
	g_test_add_func("/uidl-killed/delivered-behind-nul",
			test_delivered_behind_nul);
	g_test_add_func("/uidl-killed/delivered-length",
			test_delivered_length);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/uidl-killed", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
