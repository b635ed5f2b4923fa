/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a server has to keep to because of how mail clients behave. Where the
   server can be made to break it (tests/plugin/feature-plugin.c), the client
   shows what comes of that. */

#include "model.h"
#include "numbered.h"
#include "uidl-list.h"

#include <sys/stat.h>

#define MAIL_BYTES 400

static struct fixture *the_fixture;

static struct fixture *get_fixture(void)
{
	static const char *const modules[] = {
		POPINJAY_BUILDDIR "/tests/plugin/"
		"lib30_popinjay_feature_plugin.so", NULL
	};
	static const char *const settings[] = {
		"popinjay_uidl_save", "yes", NULL
	};
	static const struct fixture_options options = {
		.plugins = "popinjay_feature",
		.modules = modules,
		.settings = settings
	};

	if (the_fixture == NULL) {
		the_fixture = fixture_new(&options);
		/* of messages that the test made unreadable */
		fixture_log_allow(the_fixture, "Permission denied|"
				  "popinjay: (RETR|TOP): Opening message UID");
	}
	return the_fixture;
}

/* --- Mailbox and client --- */

static void deliver(const char *user, unsigned int first, unsigned int last)
{
	numbered_deliver(get_fixture(), user, first, last, MAIL_BYTES);
}

/* A client of a new user with the mails 1 to count. */
static void new_client(struct client_account *account, const char *storage,
		       unsigned int count)
{
	g_autofree char *user = fixture_user(get_fixture(), storage);

	client_account_init(account, get_fixture(), user, POP3_CLEAR);
	deliver(user, 1, count);
}

/* Another client of the same user. */
static void another_client(struct client_account *account,
			   const struct client_account *other)
{
	client_account_init(account, get_fixture(), other->user, POP3_CLEAR);
}

/* Tell the plugin what to do in this user's sessions. */
static void set_words(const struct client_account *account, const char *words)
{
	g_autofree char *home = fixture_home(get_fixture(), account->user);
	g_autofree char *path = g_build_filename(home, "feature", NULL);
	g_autofree char *line = g_strconcat(words, "\n", NULL);

	g_assert_true(g_file_set_contents(path, line, -1, NULL));
}

static void set_mode(const struct client_account *account, unsigned int number,
		     mode_t mode)
{
	static char *path;

	if (mode == 0) {
		/* a first session gives a new file of a Maildir its name */
		g_strfreev(uidl_list(get_fixture(), account->user));
		path = numbered_find_file(get_fixture(), account->user, number);
	}
	g_assert_nonnull(path);
	g_assert_cmpint(chmod(path, mode), ==, 0);
	if (mode != 0)
		g_clear_pointer(&path, g_free);
}

/* The client must have fetched just these mails since it was asked last, in
   this order. Such as "1 3". */
#define check_fetched(account, numbers) \
	check_fetched_at(G_STRLOC, account, numbers)
static void
check_fetched_at(const char *where, const struct client_account *account,
		 const char *want)
{
	g_autoptr(GArray) numbers = client_take_numbers(account, MAIL_BYTES);
	g_autoptr(GString) got = g_string_new(NULL);

	for (unsigned int i = 0; i < numbers->len; i++) {
		g_string_append_printf(got, "%s%u", i == 0 ? "" : " ",
				       g_array_index(numbers, guint, i));
	}
	if (!g_str_equal(got->str, want))
		g_error("%s: fetched \"%s\", not \"%s\"", where, got->str,
			want);
}

/* The mails first to last must be in the INBOX, and no other. */
static void check_inbox(const struct client_account *account,
			unsigned int first, unsigned int last)
{
	g_autoptr(GArray) numbers = NULL;

	set_words(account, "nothing");
	numbers = numbered_read(get_fixture(), account->user, MAIL_BYTES);
	g_assert_cmpuint(numbers->len, ==, last - first + 1);
	for (unsigned int number = first; number <= last; number++)
		g_assert_true(numbered_has(numbers, number));
}

static void
expect_thunderbird(const struct client_account *account, gboolean del,
		   const char *numbers)
{
	g_autofree char *said = NULL;

	g_assert_cmpint(thunderbird_poll(account, del, &said), ==, MODEL_DONE);
	g_assert_null(said);
	check_fetched(account, numbers);
}

/* --- 1, 2: a session that is refused --- */

/* The password was right, so the client must be told so, and see the reason
   later. It must not be shown an empty mailbox. */
static void test_refused(gconstpointer data)
{
	const char *word = data;
	struct client_account account;
	g_autofree char *said = NULL;

	new_client(&account, "maildir", 5);
	expect_thunderbird(&account, FALSE, "1 2 3 4 5");

	set_words(&account, word);
	g_assert_cmpint(thunderbird_poll(&account, FALSE, &said), ==,
			MODEL_ERROR);
	g_assert_true(g_str_has_prefix(said, "-ERR [SYS/"));
	check_fetched(&account, "");
	g_assert_cmpuint(thunderbird_known(&account), ==, 5);

	set_words(&account, "nothing");
	deliver(account.user, 6, 6);
	expect_thunderbird(&account, FALSE, "6");
	client_account_deinit(&account);
}

/* The same where the UIDLs that were shown cannot be read any more. */
static void test_damaged(void)
{
	struct fixture *f = get_fixture();
	struct client_account account;
	g_autofree char *path = NULL, *dir = NULL, *text = NULL, *said = NULL;

	fixture_log_allow(f, "popinjay-uidl");
	new_client(&account, "maildir", 5);
	expect_thunderbird(&account, FALSE, "1 2 3 4 5");

	dir = fixture_mail_dir(f, account.user);
	path = g_build_filename(dir, "popinjay-uidl", NULL);
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_assert_true(g_file_set_contents(path, "no such file\n", -1, NULL));
	fixture_give(f, account.user, path);
	g_assert_cmpint(thunderbird_poll(&account, FALSE, &said), ==,
			MODEL_ERROR);
	g_assert_true(g_str_has_prefix(said, "-ERR [SYS/TEMP]"));
	g_assert_cmpuint(thunderbird_known(&account), ==, 5);

	g_assert_true(g_file_set_contents(path, text, -1, NULL));
	fixture_give(f, account.user, path);
	expect_thunderbird(&account, FALSE, "");
	client_account_deinit(&account);
}

/* The same where the mailbox cannot be opened. */
static void test_closed(gconstpointer storage)
{
	struct client_account account;
	g_autofree char *dir = NULL, *said = NULL;

	new_client(&account, storage, 5);
	expect_thunderbird(&account, FALSE, "1 2 3 4 5");
	dir = fixture_mail_dir(get_fixture(), account.user);
	g_assert_cmpint(chmod(dir, 0), ==, 0);
	g_assert_cmpint(thunderbird_poll(&account, FALSE, &said), ==,
			MODEL_ERROR);
	g_assert_true(g_str_has_prefix(said, "-ERR [SYS/"));
	g_assert_cmpuint(thunderbird_known(&account), ==, 5);

	g_assert_cmpint(chmod(dir, 0700), ==, 0);
	deliver(account.user, 6, 6);
	expect_thunderbird(&account, FALSE, "6");
	client_account_deinit(&account);
}

/* A wrong setting of ours is said in reply to PASS, which Thunderbird takes for
   a wrong password. At least it fetches nothing twice when that is mended. 2.4
   does not load such a setting. */
static void test_wrong_setting(void)
{
	struct fixture *f = get_fixture();
	struct client_account account;
	g_autofree char *config =
		uidl_settings("popinjay_order", "backwards", NULL);
	g_autofree char *said = NULL;

	fixture_log_allow(f, "popinjay_order");
	new_client(&account, "maildir", 5);
	expect_thunderbird(&account, FALSE, "1 2 3 4 5");
	fixture_reload(f, config);
	g_assert_cmpint(thunderbird_poll(&account, FALSE, &said), ==,
			MODEL_WRONG_PASSWORD);
	g_assert_null(said);
	g_assert_cmpuint(thunderbird_known(&account), ==, 5);
	fixture_reload(f, NULL);
	expect_thunderbird(&account, FALSE, "");
	client_account_deinit(&account);
}

/* An INBOX that is empty is another matter. */
static void test_empty(void)
{
	struct client_account account;

	new_client(&account, "maildir", 3);
	expect_thunderbird(&account, FALSE, "1 2 3");
	g_assert_cmpint(fixture_doveadm(get_fixture(), NULL, NULL, NULL,
		"expunge", "-u", account.user, "mailbox", "INBOX", "all", NULL),
		==, 0);
	expect_thunderbird(&account, FALSE, "");
	g_assert_cmpuint(thunderbird_known(&account), ==, 0);
	deliver(account.user, 4, 5);
	expect_thunderbird(&account, FALSE, "4 5");
	client_account_deinit(&account);
}

/* --- 3: what one listing lacks is forgotten --- */

static void test_hidden_once(void)
{
	struct client_account account;

	new_client(&account, "maildir", 3);
	expect_thunderbird(&account, FALSE, "1 2 3");
	set_words(&account, "hide-first");
	expect_thunderbird(&account, FALSE, "");
	set_words(&account, "nothing");
	/* so no feature may hide anything for a while */
	expect_thunderbird(&account, FALSE, "1");
	client_account_deinit(&account);
}

/* A message that cannot be read, or whose size cannot be found out, is listed
   all the same. */
static void test_unreadable_listed(gconstpointer storage)
{
	struct client_account account;

	new_client(&account, storage, 5);
	expect_thunderbird(&account, FALSE, "1 2 3 4 5");
	set_mode(&account, 3, 0);
	expect_thunderbird(&account, FALSE, "");
	g_assert_cmpuint(thunderbird_known(&account), ==, 5);
	set_mode(&account, 3, 0600);
	deliver(account.user, 6, 6);
	expect_thunderbird(&account, FALSE, "6");
	client_account_deinit(&account);
}

/* --- 4: -ERR to DELE --- */

/* Each poll fetches the first message again, and no other. */
static void test_refused_deletion(void)
{
	struct client_account account;

	new_client(&account, "maildir", 3);
	set_words(&account, "refuse-deletion-with-text");
	for (unsigned int i = 0; i < 3; i++) {
		g_autofree char *said = NULL;

		g_assert_cmpint(thunderbird_poll(&account, TRUE, &said), ==,
				MODEL_ERROR);
		g_assert_cmpstr(said, ==, "-ERR [SYS/PERM] Message 1 stays.");
		check_fetched(&account, "1");
	}
	check_inbox(&account, 1, 3);
	client_account_deinit(&account);
}

/* --- 5: -ERR to RETR --- */

/* mpop and Thunderbird stop at it. It stands last from then on, so that they
   have the others at the next poll. */
static void test_unreadable_stops(gconstpointer storage)
{
	static const char *const by_poll[] = { "1", "3 4 5", "6", "" };
	const struct client_program *mpop = client_program_find("mpop");
	struct client_account bird, program;

	new_client(&bird, storage, 5);
	another_client(&program, &bird);
	set_mode(&bird, 2, 0);
	for (unsigned int i = 0; i < G_N_ELEMENTS(by_poll); i++) {
		if (i == 2)
			deliver(bird.user, 6, 6);
		g_assert_false(client_fetch(mpop, &program, FALSE));
		check_fetched(&program, by_poll[i]);
	}
	g_assert_cmpint(thunderbird_poll(&bird, FALSE, NULL), ==, MODEL_ERROR);
	check_fetched(&bird, "1 3 4 5 6");
	g_assert_cmpint(thunderbird_poll(&bird, FALSE, NULL), ==, MODEL_ERROR);
	check_fetched(&bird, "");

	set_mode(&bird, 2, 0600);
	expect_thunderbird(&bird, FALSE, "2");
	g_assert_true(client_fetch(mpop, &program, FALSE));
	check_fetched(&program, "2");
	client_account_deinit(&program);
	client_account_deinit(&bird);
}

/* So does Thunderbird when it is the first to meet it. */
static void test_unreadable_stops_bird(void)
{
	struct client_account bird;

	new_client(&bird, "maildir", 5);
	set_mode(&bird, 2, 0);
	g_assert_cmpint(thunderbird_poll(&bird, FALSE, NULL), ==, MODEL_ERROR);
	check_fetched(&bird, "1");
	g_assert_cmpint(thunderbird_poll(&bird, FALSE, NULL), ==, MODEL_ERROR);
	check_fetched(&bird, "3 4 5");
	set_mode(&bird, 2, 0600);
	expect_thunderbird(&bird, FALSE, "2");
	client_account_deinit(&bird);
}

/* fetchmail goes on behind it. */
static void test_unreadable_skipped(void)
{
	const struct client_program *fetchmail =
		client_program_find("fetchmail");
	struct client_account account, program;

	new_client(&account, "maildir", 9);
	another_client(&program, &account);
	set_mode(&account, 2, 0);
	g_assert_cmpint(halving_poll(&account), ==, MODEL_ERROR);
	check_fetched(&account, "1 3 4 5 6 7 8 9");
	(void)client_fetch(fetchmail, &program, FALSE);
	check_fetched(&program, "1 3 4 5 6 7 8 9");
	set_mode(&account, 2, 0600);
	/* it looks at all, if it does not halve */
	(void)client_fetch(fetchmail, &program, FALSE);
	check_fetched(&program, "2");
	client_account_deinit(&program);
	client_account_deinit(&account);
}

/* A client that looks at no reply does not lose what it could not read. */
static void test_unreadable_blind(gconstpointer storage)
{
	struct client_account account;

	new_client(&account, storage, 5);
	set_mode(&account, 2, 0);
	g_assert_cmpint(blind_poll(&account, 5, TRUE), ==, MODEL_DONE);
	check_fetched(&account, "1 3 4 5");
	set_mode(&account, 2, 0600);
	check_inbox(&account, 2, 2);
	g_assert_cmpint(blind_poll(&account, 5, TRUE), ==, MODEL_DONE);
	check_fetched(&account, "2");
	check_inbox(&account, 1, 0);
	client_account_deinit(&account);
}

/* --- 6: QUIT --- */

/* Thunderbird does not wait for long. What it deleted is deleted without
   it. */
static void test_leaves(gconstpointer storage)
{
	struct fixture *f = get_fixture();
	struct client_account account;
	struct pop3 *pop3;
	gsize since;

	new_client(&account, storage, 3);
	since = fixture_log_size(f);
	pop3 = pop3_session(f, POP3_CLEAR, account.user);
	pop3_check(pop3, "DELE 1", "+OK Marked to be deleted.");
	pop3_check(pop3, "DELE 2", "+OK Marked to be deleted.");
	pop3_send(pop3, "QUIT");
	pop3_close(pop3);
	g_free(fixture_log_wait(f, since, "popinjay_feature: end of"));
	check_inbox(&account, 3, 3);
	client_account_deinit(&account);
}

/* --- 7: CAPA --- */

/* What is said after login was said before. */
static void test_capabilities(void)
{
	struct client_account account;
	struct model model;
	g_autofree char *before = NULL, *after = NULL;
	g_auto(GStrv) early = NULL, late = NULL;

	new_client(&account, "maildir", 0);
	g_assert_true(model_open(&model, &account));
	before = model_ask_lines(&model, "CAPA");
	g_assert_true(model_login(&model));
	after = model_ask_lines(&model, "CAPA");
	g_assert_cmpint(model_close(&model), ==, MODEL_DONE);
	early = g_strsplit(before, "\n", -1);
	late = g_strsplit(after, "\n", -1);
	g_assert_cmpuint(g_strv_length(late), >, 3);
	for (char **line = late; *line != NULL; line++) {
		if (!g_strv_contains((const char *const *)early, *line))
			g_test_fail_printf("%s only after login", *line);
	}
	client_account_deinit(&account);
}

/* --- 8: fetch in one session, delete in the next --- */

static void test_deleted_later(gconstpointer storage)
{
	struct client_account account;

	new_client(&account, storage, 3);
	expect_thunderbird(&account, FALSE, "1 2 3");
	thunderbird_delete_all(&account);
	deliver(account.user, 4, 5);
	expect_thunderbird(&account, FALSE, "4 5");
	check_inbox(&account, 4, 5);
	expect_thunderbird(&account, FALSE, "");
	/* its user sets it to leave nothing on the server */
	expect_thunderbird(&account, TRUE, "");
	check_inbox(&account, 1, 0);
	client_account_deinit(&account);
}

/* --- 9: halving --- */

struct halvers {
	struct client_account model, program;
};

static void new_halvers(struct halvers *halvers, const char *storage)
{
	new_client(&halvers->model, storage, 10);
	another_client(&halvers->program, &halvers->model);
	halvers->program.options = "fastuidl 1";
}

static void check_halvers(const struct halvers *halvers, const char *numbers)
{
	const struct client_program *fetchmail =
		client_program_find("fetchmail");

	g_assert_cmpint(halving_poll(&halvers->model), ==, MODEL_DONE);
	check_fetched(&halvers->model, numbers);
	g_assert_true(client_fetch(fetchmail, &halvers->program, FALSE));
	check_fetched(&halvers->program, numbers);
}

static void halvers_deinit(struct halvers *halvers)
{
	client_account_deinit(&halvers->program);
	client_account_deinit(&halvers->model);
}

static void test_halving(gconstpointer storage)
{
	struct halvers halvers;

	new_halvers(&halvers, storage);
	check_halvers(&halvers, "1 2 3 4 5 6 7 8 9 10");
	check_halvers(&halvers, "");
	deliver(halvers.model.user, 11, 13);
	check_halvers(&halvers, "11 12 13");
	g_assert_cmpint(fixture_doveadm(get_fixture(), NULL, NULL, NULL,
		"expunge", "-u", halvers.model.user, "mailbox", "INBOX", "uid",
		"3:5,13", NULL), ==, 0);
	deliver(halvers.model.user, 14, 14);
	check_halvers(&halvers, "14");
	halvers_deinit(&halvers);
}

/* A message in trouble stands behind new ones, but what they have seen never
   does: they miss nothing. */
static void test_halving_trouble(gconstpointer storage)
{
	struct client_account account;

	new_client(&account, storage, 10);
	set_mode(&account, 4, 0);
	g_assert_cmpint(halving_poll(&account), ==, MODEL_ERROR);
	check_fetched(&account, "1 2 3 5 6 7 8 9 10");
	deliver(account.user, 11, 12);
	(void)halving_poll(&account);
	check_fetched(&account, "11 12");
	set_mode(&account, 4, 0600);
	deliver(account.user, 13, 13);
	g_assert_cmpint(halving_poll(&account), ==, MODEL_DONE);
	check_fetched(&account, "13 4");
	deliver(account.user, 14, 14);
	g_assert_cmpint(halving_poll(&account), ==, MODEL_DONE);
	check_fetched(&account, "14");
	client_account_deinit(&account);
}

/* A new message before one that they have seen is never fetched. So no order
   may put it there. */
static void test_halving_misses(void)
{
	struct halvers halvers;

	new_halvers(&halvers, "maildir");
	set_words(&halvers.model, "reverse");
	check_halvers(&halvers, "10 9 8 7 6 5 4 3 2 1");
	deliver(halvers.model.user, 11, 11);
	check_halvers(&halvers, "");
	halvers_deinit(&halvers);
}

static void test_stop(void)
{
	g_clear_pointer(&the_fixture, fixture_free);
}

/* Add a test on these storages, separated by spaces. */
static void
add_tests(const char *name, const char *storages, GTestDataFunc func)
{
	char **list = g_strsplit(storages, " ", -1);

	for (char **p = list; *p != NULL; p++) {
		g_autofree char *path = g_strdup_printf("/laws/%s/%s", name,
							*p);

		g_test_add_data_func_full(path, g_strdup(*p), func, g_free);
	}
	g_strfreev(list);
}

int main(int argc, char *argv[])
{
	static const char all[] = "maildir mbox sdbox mdbox";
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/laws/1/session", "refuse-session",
			     test_refused);
	g_test_add_data_func("/laws/1/view", "refuse-view", test_refused);
	if (fixture_is_2_3())
		g_test_add_func("/laws/1/setting", test_wrong_setting);
	add_tests("1/closed", all, test_closed);
	g_test_add_func("/laws/2/damaged", test_damaged);
	g_test_add_func("/laws/2/empty", test_empty);
	g_test_add_func("/laws/3/hidden-once", test_hidden_once);
	/* other storages have no file for each message */
	add_tests("3/unreadable", "maildir sdbox", test_unreadable_listed);
	g_test_add_func("/laws/4/refused", test_refused_deletion);
	add_tests("5/stops", "maildir sdbox", test_unreadable_stops);
	g_test_add_func("/laws/5/stops/thunderbird",
			test_unreadable_stops_bird);
	g_test_add_func("/laws/5/skipped", test_unreadable_skipped);
	add_tests("5/blind", "maildir sdbox", test_unreadable_blind);
	add_tests("6/leaves", all, test_leaves);
	g_test_add_func("/laws/7/capabilities", test_capabilities);
	add_tests("8/later", all, test_deleted_later);
	add_tests("9/halving", all, test_halving);
	add_tests("9/trouble", "maildir sdbox", test_halving_trouble);
	g_test_add_func("/laws/9/misses", test_halving_misses);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/laws", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
