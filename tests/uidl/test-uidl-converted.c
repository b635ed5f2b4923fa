/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A mailbox of 1,000 messages goes by doveadm backup from each storage to each
   other one, and every message keeps the UIDL that was shown of it first. */

#include "numbered.h"
#include "uidl-list.h"

#define MAIL_COUNT 1000
#define MAIL_BYTES 300

static struct fixture *the_fixture;
/* what was shown first, and where the mail is now */
static char **shown;
static char *at;

static void reload(const char *format)
{
	g_autofree char *config = uidl_settings("popinjay_uidl_save", "yes",
						"popinjay_uidl_format", format,
						NULL);

	fixture_reload(the_fixture, config);
}

static void test_start(void)
{
	if (the_fixture != NULL)
		return;
	the_fixture = fixture_new(NULL);
	reload("first.%{uid}");
	at = fixture_user(the_fixture, "maildir");
	numbered_deliver(the_fixture, at, 1, MAIL_COUNT, MAIL_BYTES);
	shown = uidl_list(the_fixture, at);
	g_assert_cmpuint(g_strv_length(shown), ==, MAIL_COUNT);
	g_assert_cmpstr(shown[999], ==, "first.1000");
	reload("other.%{uid}");
}

static void test_convert(gconstpointer to_storage)
{
	g_autofree char *to = NULL;
	g_auto(GStrv) uidls = NULL;
	struct fixture *f;
	GString *err = NULL;

	/* a step that is run alone begins with Maildir */
	test_start();
	f = the_fixture;
	to = fixture_user(f, to_storage);
	if (fixture_doveadm(f, NULL, NULL, &err, "backup", "-u", at, "doveadm",
			    "-c", f->config_file, "dsync-server", "-u", to,
			    NULL) != 0)
		g_error("doveadm backup: %s", err->str);
	g_string_free(err, TRUE);
	uidls = uidl_list(f, to);
	uidl_assert_same(uidls, shown);
	g_free(at);
	at = g_steal_pointer(&to);
}

static void test_stop(void)
{
	g_clear_pointer(&the_fixture, fixture_free);
	g_clear_pointer(&shown, g_strfreev);
	g_clear_pointer(&at, g_free);
}

int main(int argc, char *argv[])
{
	/* each way from one to another once */
	static const char *const way[] = {
		"maildir", "mbox", "maildir", "sdbox", "maildir", "mdbox",
		"mbox", "sdbox", "mbox", "mdbox", "sdbox", "mdbox", "maildir"
	};
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/uidl-converted/start", test_start);
	for (unsigned int i = 1; i < G_N_ELEMENTS(way); i++) {
		g_autofree char *path = g_strdup_printf(
			"/uidl-converted/%02u-%s-to-%s", i, way[i - 1],
			way[i]);

		g_test_add_data_func(path, way[i], test_convert);
	}
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/uidl-converted", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
