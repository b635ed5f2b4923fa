/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Headers and templates that give UIDLs which a client must not be shown: too
   long, with other characters, none, or double. Each message gets a valid and
   unique one all the same, and keeps it when another message is deleted. */

#include "numbered.h"
#include "uidl-list.h"

#include <stdio.h>
#include <sys/stat.h>

#define X10 "0123456789"
#define X70 X10 X10 X10 X10 X10 X10 X10
#define X490 X70 X70 X70 X70 X70 X70 X70
#define MAIL_BYTES 400
#define KEY "a key of 22 characters"

static struct fixture *the_fixture;

static struct fixture *get_fixture(void)
{
	if (the_fixture == NULL)
		the_fixture = fixture_new(NULL);
	return the_fixture;
}

static void reload(const char *format, const char *reuse_xuidl,
		   const char *more)
{
	struct fixture *f = get_fixture();
	g_autofree char *key_file = g_build_filename(f->dir, "key", NULL);
	g_autofree char *config = uidl_config(format, key_file, reuse_xuidl);
	g_autofree char *all = g_strconcat(config, more, NULL);

	g_assert_true(g_file_set_contents(key_file, KEY, -1, NULL));
	fixture_reload(f, all);
}

static gboolean is_fallback(const char *uidl)
{
	return g_regex_match_simple("^pj-[0-9a-f]{32}$", uidl, 0, 0);
}

/* What clients see and what doveadm sees. */
static char **list(const char *user)
{
	char **uidls = uidl_list(get_fixture(), user);
	g_auto(GStrv) fetched = uidl_fetch(get_fixture(), user, "pop3.uidl");
	g_auto(GStrv) again = uidl_list(get_fixture(), user);

	uidl_assert_same(uidls, fetched);
	uidl_assert_same(uidls, again);
	return uidls;
}

static void delete(const char *user, unsigned int msn)
{
	struct pop3 *pop3 = pop3_session(get_fixture(), POP3_CLEAR, user);

	pop3_send(pop3, "DELE %u", msn);
	pop3_expect(pop3, "+OK Marked to be deleted.\r\n");
	pop3_quit(pop3, "Logging out, messages deleted.");
}

/* The list without one message. */
static char **without(char *const *uidls, unsigned int msn)
{
	GPtrArray *rest = g_ptr_array_new();

	for (unsigned int i = 0; uidls[i] != NULL; i++) {
		if (i != msn - 1)
			g_ptr_array_add(rest, g_strdup(uidls[i]));
	}
	g_ptr_array_add(rest, NULL);
	return (char **)g_ptr_array_free(rest, FALSE);
}

/* Delete messages one by one: all others keep their UIDLs. Returns what is
   left, and frees uidls. */
static char **delete_some(const char *user, char **uidls,
			  const unsigned int *msns)
{
	for (; *msns != 0; msns++) {
		char **expected = without(uidls, *msns), **now;

		delete(user, *msns);
		now = list(user);
		uidl_assert_same(now, expected);
		g_strfreev(expected);
		g_strfreev(uidls);
		uidls = now;
	}
	return uidls;
}

/* --- X-UIDL --- */

struct xuidl_mail {
	const char *header;
	/* NULL: one from the template, "": a replacement */
	const char *expected;
};

static const struct xuidl_mail xuidl_mails[] = {
	{ "X-UIDL: good.1\n", "good.1" },
	{ "Subject: none\n", NULL },
	{ "X-UIDL: double\n", "" },
	{ "x-uidl: double\n", "" },
	{ "X-UIDL: double\n", "" },
	{ "X-UIDL: with space\n", NULL },
	{ "X-UIDL: " X490 "12345\n", X490 "12345" },
	{ "X-UIDL: " X490 "123456\n", NULL },
	{ "X-UIDL: h\xc3\xa9\n", NULL },
	{ "X-UIDL: a\x01\x62\n", NULL },
	{ "X-UIDL: a\x7f\x62\n", NULL },
	{ "X-UIDL: a\tb\n", NULL },
	{ "X-UIDL:\n", NULL },
	{ "X-UIDL:    \n", NULL },
	{ "X-UIDL: fold\n ed\n", NULL },
	{ "X-UIDL: first\nX-UIDL: second\n", "first" },
	{ "X-UIDL: !~\n", "!~" },
	{ "X-UIDL: .\n", "." },
	{ "X-UIDL: %u%v%{hmac}\n", "%u%v%{hmac}" }
};

static void deliver_header(const char *user, const char *header)
{
	g_autofree char *mail = g_strconcat("From: a@example.com\n", header,
					    "\nText.\n", NULL);

	fixture_deliver(get_fixture(), user, mail, strlen(mail));
}

/* In this test's template a UIDL is "t" and the uid. */
static void assert_xuidls(char *const *uidls)
{
	g_assert_cmpuint(g_strv_length((char **)uidls), ==,
			 G_N_ELEMENTS(xuidl_mails));
	for (unsigned int i = 0; i < G_N_ELEMENTS(xuidl_mails); i++) {
		const char *expected = xuidl_mails[i].expected;
		g_autofree char *by_template = g_strdup_printf("t%u", i + 1);

		if (expected == NULL)
			g_assert_cmpstr(uidls[i], ==, by_template);
		else if (*expected != '\0')
			g_assert_cmpstr(uidls[i], ==, expected);
		else
			g_assert_true(is_fallback(uidls[i]));
	}
}

static void test_xuidl(gconstpointer storage)
{
	static const unsigned int deleted[] = { 9, 1, 2, 0 };
	static const unsigned int double_deleted[] = { 1, 0 };
	g_autofree char *user = fixture_user(get_fixture(), storage);
	g_autoptr(GString) forged = g_string_new(NULL);
	char **uidls;

	reload("t%{uid}", "yes", "pop3_reuse_xuidl = yes\n");
	for (unsigned int i = 0; i < G_N_ELEMENTS(xuidl_mails); i++)
		deliver_header(user, xuidl_mails[i].header);
	uidls = list(user);
	assert_xuidls(uidls);
	uidls = delete_some(user, uidls, deleted);
	/* now the three doubles come first: without one of them they are
	   still double */
	uidls = delete_some(user, uidls, double_deleted);

	/* A sender who knows a replacement, or what the template gives, takes
	   none away: nobody is shown the same twice. */
	g_assert_true(is_fallback(uidls[0]));
	g_string_printf(forged, "X-UIDL: %s\n", uidls[0]);
	deliver_header(user, forged->str);
	g_string_assign(forged, "X-UIDL: t6\n");
	deliver_header(user, forged->str);
	g_strfreev(uidls);
	uidls = list(user);
	g_strfreev(uidls);
}

static void test_duplicates_setting(void)
{
	g_autofree char *user = fixture_user(get_fixture(), "maildir");
	g_auto(GStrv) allowed = NULL, renamed = NULL;

	for (unsigned int i = 0; i < G_N_ELEMENTS(xuidl_mails); i++)
		deliver_header(user, xuidl_mails[i].header);
	reload("t%{uid}", "yes", "pop3_reuse_xuidl = yes\n"
	       "pop3_uidl_duplicates = allow\n");
	allowed = list(user);
	assert_xuidls(allowed);
	reload("t%{uid}", "yes", "pop3_reuse_xuidl = yes\n"
	       "pop3_uidl_duplicates = rename\n");
	renamed = list(user);
	uidl_assert_same(allowed, renamed);
}

/* --- Templates --- */

struct template_test {
	const char *name, *storage, *format;
	/* a mailbox of these; NULL: of four different mails */
	void (*make)(const char *user);
};

/* Four mails whose headers are the same, which in mbox is a GUID. */
static void make_same_header(const char *user)
{
	for (unsigned int i = 0; i < 4; i++) {
		g_autofree char *mail = g_strdup_printf(
			"From: a@example.com\nMessage-ID: <1@example.com>\n\n"
			"Mail %u.\n", i);

		fixture_deliver(get_fixture(), user, mail, strlen(mail));
	}
}

/* A mail and three copies of it, which in mdbox have its GUID. */
static void make_copies(const char *user)
{
	numbered_deliver(get_fixture(), user, 1, 1, MAIL_BYTES);
	for (unsigned int i = 0; i < 3; i++) {
		g_assert_cmpint(fixture_doveadm(get_fixture(), NULL, NULL,
			NULL, "copy", "-u", user, "INBOX", "mailbox", "INBOX",
			"uid", "1", NULL), ==, 0);
	}
}

/* Rename the files of a Maildir. */
static void make_names(const char *user, const char *format)
{
	numbered_deliver(get_fixture(), user, 1, 4, MAIL_BYTES);
	for (unsigned int number = 1; number <= 4; number++) {
		g_autofree char *path = numbered_find_file(get_fixture(), user,
							   number);
		g_autofree char *dir = g_path_get_dirname(path);
		g_auto(GStrv) parts = g_strsplit(format, "#", 2);
		g_autofree char *name = g_strdup_printf("%s%u%s", parts[0],
							number, parts[1]);
		g_autofree char *new_path = g_build_filename(dir, name, NULL);

		g_assert_cmpint(rename(path, new_path), ==, 0);
	}
}

static void make_long_names(const char *user)
{
	make_names(user, X70 ".#");
}

static void make_invalid_names(const char *user)
{
	make_names(user, "a name h\xc3\xa9 .#");
}

static const struct template_test template_tests[] = {
	{ "long-names", "maildir", "%{filename}%{filename}%{filename}"
	  "%{filename}%{filename}%{filename}%{filename}", make_long_names },
	{ "invalid-names", "maildir", "%{filename}", make_invalid_names },
	{ "too-long", "maildir", "%{guid}" X490, NULL },
	{ "too-long", "mdbox", "%{guid}" X70 X70 X70 X70 X70 X70 X70, NULL },
	{ "space", "sdbox", "%{uid} x", NULL },
	{ "no-file-name", "mbox", "%{filename}", NULL },
	{ "no-file-name", "sdbox", "%{filename}", NULL },
	{ "no-file-name", "mdbox", "%{filename}", NULL },
	{ "no-md5", "maildir", "%{md5}", NULL },
	{ "no-md5", "sdbox", "%{md5}", NULL },
	{ "no-md5", "mdbox", "%{md5}", NULL },
	{ "same-md5", "mbox", "%{md5}", make_same_header },
	{ "same-guid", "mbox", "%{guid}", make_same_header },
	{ "same-hmac", "mbox", "%{hmac}", make_same_header },
	{ "same-guid", "mdbox", "%{guid}", make_copies },
	{ "same-hmac", "mdbox", "%{hmac}", make_copies },
	/* the GUID of a message that has no GUID of its own is missing too */
	{ "missing", "mdbox", "%{filename}", make_copies }
};

static void test_template(gconstpointer data)
{
	static const unsigned int deleted[] = { 2, 1, 0 };
	const struct template_test *test = data;
	g_autofree char *user = fixture_user(get_fixture(), test->storage);
	char **uidls;

	reload(test->format, NULL, NULL);
	if (test->make != NULL)
		test->make(user);
	else
		numbered_deliver(get_fixture(), user, 1, 4, MAIL_BYTES);
	uidls = list(user);
	g_assert_cmpuint(g_strv_length(uidls), ==, 4);
	for (char **p = uidls; *p != NULL; p++)
		g_assert_true(is_fallback(*p));
	uidls = delete_some(user, uidls, deleted);
	g_strfreev(uidls);
}

/* A template that fits most messages but not all. */
static void test_one_of_many(void)
{
	g_autofree char *user = fixture_user(get_fixture(), "maildir");
	g_auto(GStrv) uidls = NULL;

	numbered_deliver(get_fixture(), user, 1, 2, MAIL_BYTES);
	{
		g_autofree char *path = numbered_find_file(get_fixture(), user,
							   2);
		g_autofree char *bad_path = g_strconcat(path, " b", NULL);

		g_assert_cmpint(rename(path, bad_path), ==, 0);
	}
	reload("%{filename}", NULL, NULL);
	uidls = list(user);
	g_assert_true(g_str_has_suffix(uidls[0], ".popinjay"));
	g_assert_true(is_fallback(uidls[1]));
	g_assert_cmpuint(g_strv_length(uidls), ==, 2);
}

/* A message of which another session removed the file. */
static void test_vanished(void)
{
	g_autofree char *user = fixture_user(get_fixture(), "maildir");
	g_autofree char *path = NULL;
	g_auto(GStrv) before = NULL, after = NULL;
	struct pop3 *pop3;

	numbered_deliver(get_fixture(), user, 1, 4, MAIL_BYTES);
	reload("%{guid}", NULL, NULL);
	before = list(user);
	path = numbered_find_file(get_fixture(), user, 2);
	pop3 = pop3_session(get_fixture(), POP3_CLEAR, user);
	pop3_send(pop3, "NOOP");
	pop3_expect(pop3, "+OK\r\n");
	g_assert_cmpint(remove(path), ==, 0);
	after = uidl_list_in(pop3);
	pop3_quit(pop3, "Logging out.");
	uidl_assert_same(before, after);
}

static void test_stop(void)
{
	g_clear_pointer(&the_fixture, fixture_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	fixture_add_storage_tests("/uidl-unique/xuidl", test_xuidl);
	g_test_add_func("/uidl-unique/xuidl/duplicates-setting",
			test_duplicates_setting);
	for (unsigned int i = 0; i < G_N_ELEMENTS(template_tests); i++) {
		const struct template_test *test = &template_tests[i];
		g_autofree char *path = g_strdup_printf(
			"/uidl-unique/template/%s/%s", test->storage,
			test->name);

		g_test_add_data_func(path, test, test_template);
	}
	g_test_add_func("/uidl-unique/one-of-many", test_one_of_many);
	g_test_add_func("/uidl-unique/vanished", test_vanished);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/uidl-unique", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
