/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Real mail clients fetch a whole mailbox in clear, after STLS and over POP3S,
   first keeping mail on the server, then deleting it. What they have in the end
   is compared with the stored mail, byte by byte. */

#include "clients/clients.h"
#include "records.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char new_mail[] = "Subject: new\n\n.one that came later\n";

struct test_case {
	const struct client_program *program;
	enum pop3_security security;
};

static struct fixture *f;
/* of struct client_mail */
static GPtrArray *mails;
/* signed no certificate of this server */
static char *other_ca_file;

/* --- Accounts --- */

static gboolean
is_fit(const struct client_mail *mail, const struct client_program *program)
{
	g_auto(GStrv) unfit = NULL;

	if (mail->unfit == NULL)
		return TRUE;
	unfit = g_strsplit(mail->unfit, " ", -1);
	return !g_strv_contains((const char *const *)unfit, program->name);
}

/* A user with all mails that the program can fetch; they are added to stored,
   of GBytes. */
static void
account_init(struct client_account *account, const struct test_case *test,
	     GPtrArray *stored)
{
	g_autofree char *user = fixture_user(f, "maildir");

	client_account_init(account, f, user, test->security);
	for (unsigned int i = 0; i < mails->len; i++) {
		struct client_mail *mail = g_ptr_array_index(mails, i);

		if (is_fit(mail, test->program))
			g_ptr_array_add(stored, mail->bytes);
	}
	fixture_deliver_all(f, account->user, (GBytes **)stored->pdata,
			    stored->len);
	account->messages = stored->len;
}

/* --- What the client got --- */

static const char *mail_name(GBytes *mail)
{
	for (unsigned int i = 0; i < mails->len; i++) {
		struct client_mail *known = g_ptr_array_index(mails, i);

		if (known->bytes == mail)
			return known->name;
	}
	return "the new one";
}

static void
compare_mail(const struct client_program *program, GBytes *mail, GBytes *got)
{
	g_autoptr(GString) want = program->form(mail, got);
	g_autofree char *want_text = NULL, *got_text = NULL;
	gsize size, same = 0, from;
	const char *data = g_bytes_get_data(got, &size);

	if (size == want->len &&
	    (size == 0 || memcmp(data, want->str, size) == 0))
		return;
	while (same < size && same < want->len && data[same] == want->str[same])
		same++;
	from = same < 20 ? 0 : same - 20;
	want_text = pop3_printable(want->str + from,
				   MIN(want->len - from, 60));
	got_text = pop3_printable(data + from, MIN(size - from, 60));
	g_test_fail();
	g_test_message("mail \"%s\": %" G_GSIZE_FORMAT " bytes, not %"
		G_GSIZE_FORMAT "; from byte %" G_GSIZE_FORMAT " on: \"%s\", "
		"not \"%s\"", mail_name(mail), size, want->len, from, got_text,
		want_text);
}

/* The client must have fetched just count of the stored mails, first on. */
static void
check_fetched(const struct client_program *program,
	      const struct client_account *account, const GPtrArray *stored,
	      unsigned int first, unsigned int count)
{
	g_autoptr(GPtrArray) fetched = client_take_mails(account);

	if (fetched->len != count) {
		g_test_fail_printf("%u mails were fetched, not %u",
				   fetched->len, count);
		return;
	}
	for (unsigned int i = 0; i < count; i++) {
		compare_mail(program, stored->pdata[first + i],
			     fetched->pdata[i]);
	}
}

/* The access log must tell the same. To keep mail unread, fetchmail gets it by
   TOP. */
static void
check_logged(const struct client_account *account, gsize since,
	     unsigned int count)
{
	g_autofree char *regex = g_strdup_printf(
		"\"user\":\"%s\",.*\"tls\":%s,.*\"messages\":%u,.*"
		"\"(retr|top)_count\":%u,.*\"end\":\"quit\"",
		account->user,
		account->security == POP3_CLEAR ? "false" : "true",
		account->messages, count);

	g_free(fixture_log_wait(f, since, regex));
}

static void check_all_deleted(const struct client_account *account)
{
	static const char *const subdirs[] = { "cur", "new" };
	g_autofree char *mail_dir = fixture_mail_dir(f, account->user);

	for (unsigned int i = 0; i < G_N_ELEMENTS(subdirs); i++) {
		g_autofree char *path = g_build_filename(mail_dir, subdirs[i],
							 NULL);
		GDir *dir = g_dir_open(path, 0, NULL);

		g_assert_nonnull(dir);
		if (g_dir_read_name(dir) != NULL)
			g_test_fail_printf("there is mail left in %s", path);
		g_dir_close(dir);
	}
}

/* --- Tests --- */

/* Fetch and expect count of the stored mails, first on. */
static void
fetch(const struct test_case *test, const struct client_account *account,
      gboolean del, const GPtrArray *stored, unsigned int first,
      unsigned int count)
{
	gsize since = fixture_log_size(f);

	if (!test->program->fetch(account, del))
		g_test_fail_printf("%s failed", test->program->name);
	check_fetched(test->program, account, stored, first, count);
	check_logged(account, since, count);
}

static void test_client(gconstpointer data)
{
	const struct test_case *test = data;
	g_autoptr(GPtrArray) stored = g_ptr_array_new();
	g_autoptr(GBytes) bytes =
		g_bytes_new_static(new_mail, strlen(new_mail));
	struct client_account account;

	account_init(&account, test, stored);
	g_assert_cmpuint(stored->len, >=, 30);
	fetch(test, &account, FALSE, stored, 0, stored->len);
	if (test->program->remembers)
		fetch(test, &account, FALSE, stored, 0, 0);
	fixture_deliver(f, account.user, new_mail, strlen(new_mail));
	g_ptr_array_add(stored, bytes);
	account.messages++;
	if (test->program->remembers)
		fetch(test, &account, FALSE, stored, stored->len - 1, 1);

	fetch(test, &account, TRUE, stored, 0, stored->len);
	check_all_deleted(&account);
	client_account_deinit(&account);
}

/* A server whose certificate the client cannot verify gets no password. */
static void test_other_ca(gconstpointer data)
{
	const struct test_case *test = data;
	g_autoptr(GPtrArray) stored = g_ptr_array_new();
	struct client_account account;
	gsize since = fixture_log_size(f);

	account_init(&account, test, stored);
	account.ca_file = other_ca_file;
	g_assert_false(test->program->fetch(&account, FALSE));
	check_fetched(test->program, &account, stored, 0, 0);
	g_assert_cmpuint(fixture_log_count(f, since, ": (Login|Logged in): "),
			 ==, 0);
	client_account_deinit(&account);
}

static void test_curl_list(gconstpointer data)
{
	g_autoptr(GPtrArray) stored = g_ptr_array_new();
	g_autoptr(GString) want = g_string_new(NULL);
	struct client_account account;
	g_autofree char *list = NULL;

	account_init(&account, data, stored);
	for (unsigned int i = 0; i < stored->len; i++) {
		GBytes *mail = stored->pdata[i];
		gsize size;
		const char *text = g_bytes_get_data(mail, &size);
		g_autoptr(GString) lines = client_mail_lines(mail, "\r\n");

		/* what is stored without its last line end counts so */
		if (size == 0 || text[size - 1] != '\n')
			g_string_truncate(lines, lines->len - 2);
		g_string_append_printf(want, "%u %" G_GSIZE_FORMAT "\r\n",
				       i + 1, lines->len);
	}
	list = client_curl(&account, "", "LIST");
	g_assert_cmpstr(list, ==, want->str);
	client_account_deinit(&account);
}

static void test_curl_uidl(gconstpointer data)
{
	g_autoptr(GPtrArray) stored = g_ptr_array_new();
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	struct client_account account;
	g_autofree char *reply = NULL, *again = NULL;
	g_auto(GStrv) lines = NULL;

	account_init(&account, data, stored);
	reply = client_curl(&account, "", "UIDL");
	again = client_curl(&account, "", "UIDL");
	g_assert_cmpstr(reply, ==, again);
	lines = g_strsplit(reply, "\r\n", -1);
	g_assert_cmpuint(g_strv_length(lines), ==, stored->len + 1);
	for (unsigned int i = 0; i < stored->len; i++) {
		char *uidl;

		g_assert_cmpuint(strtoul(lines[i], &uidl, 10), ==, i + 1);
		g_assert_true(g_regex_match_simple("^ [!-~]{1,70}$", uidl, 0,
						   0));
		g_assert_true(g_hash_table_add(seen, uidl));
	}
	g_assert_cmpstr(lines[stored->len], ==, "");
	client_account_deinit(&account);
}

/* The access log, asked for everything, tells of each message that it was sent
   and then removed, and of each command. */
static void test_records(gconstpointer data)
{
	static const char settings[] =
		"popinjay_access_log_events = session message command\n";
	const struct test_case *test = data;
	g_autofree char *config = g_strdup_printf(fixture_is_2_3() ?
		"plugin {\n%s}\n" : "%s", settings);
	g_autoptr(GPtrArray) stored = g_ptr_array_new();
	g_autoptr(GPtrArray) records = NULL;
	g_autofree unsigned int *retr = NULL, *expunge = NULL;
	struct client_account account;
	unsigned int commands = 0;
	gsize since;

	fixture_reload(f, config);
	account_init(&account, test, stored);
	since = fixture_log_size(f);
	g_assert_true(test->program->fetch(&account, TRUE));
	records = records_of_session(f, since, account.user);
	retr = g_new0(unsigned int, stored->len + 1);
	expunge = g_new0(unsigned int, stored->len + 1);
	for (unsigned int i = 0; i < records->len; i++) {
		JsonObject *record = g_ptr_array_index(records, i);
		const char *action;
		gint64 uid;

		if (json_object_has_member(record, "outcome"))
			commands++;
		if (!json_object_has_member(record, "action"))
			continue;
		action = json_object_get_string_member(record, "action");
		uid = json_object_get_int_member(record, "uid");
		g_assert_cmpint(uid, >=, 1);
		g_assert_cmpint(uid, <=, stored->len);
		if (strcmp(action, "retr") == 0) {
			g_assert_true(json_object_get_boolean_member(record,
				"complete"));
			retr[uid]++;
		} else if (strcmp(action, "expunge") == 0) {
			g_assert_cmpuint(retr[uid], ==, 1);
			expunge[uid]++;
		}
	}
	for (unsigned int uid = 1; uid <= stored->len; uid++)
		g_assert_cmpuint(expunge[uid], ==, 1);
	record_expect((JsonObject *)g_ptr_array_index(records,
						      records->len - 1),
		      { "commands", commands },
		      { "retr_count", stored->len },
		      { "expunged_count", stored->len });
	check_all_deleted(&account);
	client_account_deinit(&account);
}

/* The log of all the tests before must be without errors. */
static void test_stop(void)
{
	g_clear_pointer(&f, fixture_free);
}

/* --- The whole --- */

static void make_other_ca(void)
{
	const char *argv[] = {
		"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
		"ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
		"/CN=Some other CA", "-keyout", "/dev/null", "-out", NULL, NULL
	};
	g_autoptr(GError) error = NULL;
	int status;

	other_ca_file = g_build_filename(f->dir, "other-ca.pem", NULL);
	argv[G_N_ELEMENTS(argv) - 2] = other_ca_file;
	if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH |
			  G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL, NULL,
			  &status, &error) ||
	    !g_spawn_check_wait_status(status, &error))
		g_error("openssl: %s", error->message);
}

static void
add_test(const struct client_program *program, enum pop3_security security,
	 const char *name, GTestDataFunc func)
{
	struct test_case *test = g_new0(struct test_case, 1);
	g_autofree char *path = g_strdup_printf("/clients/%s/%s",
						program->name, name);

	test->program = program;
	test->security = security;
	g_test_add_data_func_full(path, test, func, g_free);
}

int main(int argc, char **argv)
{
	const struct client_program *program = client_programs;
	int ret;

	g_test_init(&argc, &argv, NULL);
	for (; program->name != NULL; program++) {
		add_test(program, POP3_CLEAR, "clear", test_client);
		if (program->has_stls) {
			add_test(program, POP3_STLS, "stls", test_client);
			add_test(program, POP3_STLS, "stls-other-ca",
				 test_other_ca);
		}
		add_test(program, POP3_TLS, "pop3s", test_client);
		add_test(program, POP3_TLS, "pop3s-other-ca", test_other_ca);
	}
	/* it gets what it deletes by RETR, as the others do */
	for (program = client_programs; program->name != NULL; program++) {
		if (strcmp(program->name, "fetchmail") == 0)
			add_test(program, POP3_STLS, "records", test_records);
	}
	add_test(client_programs, POP3_STLS, "list", test_curl_list);
	add_test(client_programs, POP3_STLS, "uidl", test_curl_uidl);

	mails = client_mails_new();
	f = fixture_new(NULL);
	make_other_ca();
	g_test_add_func("/clients/all/log", test_stop);
	ret = g_test_run();
	g_clear_pointer(&f, fixture_free);
	g_ptr_array_unref(mails);
	g_free(other_ca_file);
	return ret;
}
