/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An mbox whose messages moved and of which size and time say that nothing
   changed, as a killed rewrite or another program leaves it: Dovecot takes the
   old places of the messages from its index. No session may crash, no message
   may come as another or in part with the final ".", and a next session gets
   them all. */

#include "pop3.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define MAIL_COUNT 3
#define MOVED_BYTES 20

static struct fixture *the_fixture;

static struct fixture *get_fixture(void)
{
	if (the_fixture != NULL)
		return the_fixture;
	the_fixture = fixture_new(NULL);
	/* the storage's own complaints, and ours */
	fixture_log_allow(the_fixture, "Next message unexpectedly |"
			  "Cached message offset |Unexpectedly lost From-line|"
			  "Deleting corrupted cache record|read\\(.*\\) failed|"
			  "Couldn't (get|find)|mbox sync |"
			  "popinjay: (RETR|TOP)( of|: Opening|: Reading) "
			  "message");
	return the_fixture;
}

struct moved {
	unsigned int header_lines, body_lines;
	/* and what follows the message's number */
	const char *command, *argument;
};

/* Move some of the body of the second mail into the first. */
static void move_bytes(const char *user)
{
	g_autofree char *dir = fixture_mail_dir(get_fixture(), user);
	g_autofree char *path = g_build_filename(dir, "inbox", NULL);
	g_autofree char *file = NULL;
	char *from, *to;
	struct timespec times[2];
	struct stat st;
	gsize size;

	g_assert_cmpint(stat(path, &st), ==, 0);
	g_assert_true(g_file_get_contents(path, &file, &size, NULL));
	to = strstr(file, "Line 1 of mail 1:");
	from = strstr(file, "Line 1 of mail 2:");
	g_assert_nonnull(to);
	g_assert_nonnull(from);
	{
		g_autofree char *moved = g_memdup2(from, MOVED_BYTES);

		memmove(to + MOVED_BYTES, to, (gsize)(from - to));
		memcpy(to, moved, MOVED_BYTES);
	}
	/* in place, as it belongs to its user */
	{
		FILE *out = fopen(path, "r+");

		g_assert_nonnull(out);
		g_assert_cmpuint(fwrite(file, 1, size, out), ==, size);
		g_assert_cmpint(fclose(out), ==, 0);
	}
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	g_assert_cmpint(utimensat(AT_FDCWD, path, times, 0), ==, 0);
}

static void deliver(const char *user, unsigned int number,
		    const struct moved *moved)
{
	g_autoptr(GString) mail = g_string_new(NULL);

	g_string_append_printf(mail, "From: sender@example.com\n"
			       "X-Number: %u\nMessage-ID: <%u>\n",
			       number, number);
	for (unsigned int line = 1; line <= moved->header_lines; line++)
		g_string_append_printf(mail, "X-Line: %u of %u\n", line,
				       number);
	g_string_append_c(mail, '\n');
	for (unsigned int line = 1; line <= moved->body_lines; line++) {
		g_string_append_printf(mail, "Line %u of mail %u: a line\n",
				       line, number);
	}
	fixture_deliver(get_fixture(), user, mail->str, mail->len);
}

/* A client that begins anew after each lost connection, or message that cannot
   be read, gets them all. One whose size was wrong may cost it a session. */
static void assert_healed(const char *user)
{
	unsigned int sessions = 0, msn = 1;

	while (msn <= MAIL_COUNT) {
		struct pop3 *pop3 =
			pop3_session(get_fixture(), POP3_CLEAR, user);
		GString *reply = NULL;

		g_assert_cmpuint(++sessions, <=, MAIL_COUNT);
		for (msn = 1; msn <= MAIL_COUNT; msn++) {
			g_autofree char *header = g_strdup_printf(
				"\r\nX-Number: %u\r\n", msn);

			pop3_send(pop3, "RETR %u", msn);
			reply = pop3_read_multiline(pop3, NULL);
			if (reply == NULL)
				break;
			if (g_str_has_prefix(reply->str, "-ERR [SYS/TEMP] ")) {
				g_string_free(reply, TRUE);
				break;
			}
			g_assert_true(g_str_has_prefix(reply->str, "+OK"));
			g_assert_nonnull(strstr(reply->str, header));
			g_string_free(reply, TRUE);
		}
		pop3_close(pop3);
	}
}

static char *user_with_mails(const struct moved *moved)
{
	char *user = fixture_user(get_fixture(), "mbox");

	for (unsigned int number = 1; number <= MAIL_COUNT; number++)
		deliver(user, number, moved);
	/* now the index knows their sizes and places */
	assert_healed(user);
	return user;
}

static void test_moved(gconstpointer data)
{
	const struct moved *moved = data;

	for (unsigned int msn = 1; msn <= MAIL_COUNT; msn++) {
		g_autofree char *user = user_with_mails(moved);
		g_autofree char *command = g_strdup_printf("%s %u%s",
			moved->command, msn, moved->argument);
		g_autofree char *header = g_strdup_printf(
			"\r\nX-Number: %u\r\n", msn);
		g_autoptr(GString) reply = NULL;
		struct pop3 *pop3;

		move_bytes(user);
		pop3 = pop3_session(get_fixture(), POP3_CLEAR, user);
		pop3_send(pop3, "%s\r\nQUIT", command);
		reply = pop3_read_to_eof(pop3, NULL);
		g_assert_nonnull(reply);
		pop3_close(pop3);
		g_assert_true(g_str_has_prefix(reply->str, "+OK") ||
			      g_str_has_prefix(reply->str, "-ERR "));
		if (strstr(reply->str, "\r\n.\r\n") != NULL)
			g_assert_nonnull(strstr(reply->str, header));
		assert_healed(user);
	}
}

static void test_stop(void)
{
	g_clear_pointer(&the_fixture, fixture_free);
}

int main(int argc, char *argv[])
{
	static const struct {
		const char *name;
		struct moved moved;
	} tests[] = {
		{ "retr", { 0, 10, "RETR", "" } },
		{ "retr-header", { 1000, 10, "RETR", "" } },
		{ "retr-large-header", { 6000, 10, "RETR", "" } },
		{ "retr-large", { 0, 5000, "RETR", "" } },
		{ "top", { 0, 10, "TOP", " 1" } },
		{ "top-header", { 1000, 10, "TOP", " 1" } },
		{ "top-large", { 0, 5000, "TOP", " 1000000" } }
	};
	int ret;

	g_test_init(&argc, &argv, NULL);
	for (unsigned int i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *path = g_strconcat("/mbox-moved/",
						    tests[i].name, NULL);

		g_test_add_data_func(path, &tests[i].moved, test_moved);
	}
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/mbox-moved", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
