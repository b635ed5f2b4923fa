/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The page of doveadm popinjay log report --html in a real browser, on a phone,
   on a desk and on paper: it draws, runs nothing that is not its own, and asks
   nobody for anything. tests/browser/look looks.

   Pictures of it are left in build/check-pictures. */

#include "access-record.h"

#include <glib/gstdio.h>
#include <string.h>

#define USERS 12
#define SESSIONS 20
/* sections with a chart, of which the first has two */
#define CANVASES 9
/* as look prints it */
#define PAPER 718

static const char *const users[USERS] = {
	"alice@example.org", "bob@example.org", "carol", "dave",
	"</script><script>alert(1)</script>",
	"<img src=x onerror=alert(1)>", "<!--<script>",
	"\" onmouseover=\"alert(1)", "'-alert(1)-'",
	"\xe2\x80\xaegro.elpmaxe@ecila",
	"a-very-long-user-name-without-any-space-in-it-at-all-that-no-phone-"
		"has-room-for@a-very-long-domain-name.example.org",
	"\xe7\x94\xa8\xe6\x88\xb7@\xe4\xbe\x8b\xe5\xad\x90.example",
};

static struct fixture *f;
static char *dir, *page;

static void append_json_str(GString *str, const char *text)
{
	g_autoptr(JsonNode) node = json_node_init_string(json_node_alloc(),
							 text);
	g_autofree char *json = json_to_string(node, FALSE);

	g_string_append(str, json);
}

/* A log in which everything is in the report. */
static char *make_log(void)
{
	GString *log = g_string_new(NULL);

	for (unsigned int i = 0; i < USERS * SESSIONS; i++) {
		g_string_append_printf(log, "{\"event\":"
			"\"popinjay_session_finished\",\"time\":"
			"\"2024-02-29T%02u:%02u:%02uZ\",\"user\":",
			i / 60, i % 60, i % USERS);
		append_json_str(log, users[i % USERS]);
		g_string_append_printf(log, ",\"remote_ip\":\"192.0.2.%u\","
			"\"tls\":%s,\"mechanism\":\"%s\",\"messages\":9,"
			"\"retr_count\":%u,\"refetch_count\":%u,"
			"\"refetch_bytes\":900,\"bytes_out\":%u,"
			"\"end\":\"%s\"}\n", i % USERS,
			i % 3 == 0 ? "false" : "true",
			i % 2 == 0 ? "PLAIN" : "APOP", i % 7, i % 5,
			(i + 1) * 100000, i % 4 == 0 ? "lost" : "quit");
		g_string_append_printf(log, "{\"event\":"
			"\"popinjay_login_finished\",\"time\":"
			"\"2024-02-29T%02u:%02u:00Z\",\"user\":\"eve\","
			"\"remote_ip\":\"198.51.100.%u\",\"result\":"
			"\"refused\",\"reason\":\"%s\"}\n", i / 60, i % 60,
			i % 9, i % 2 == 0 ? "tls_required" :
			"authentication_failed");
	}
	return g_string_free(log, FALSE);
}

static void make_page(void)
{
	g_autofree char *log = g_build_filename(dir, "page.log", NULL);
	g_autofree char *text = make_log();
	g_autoptr(GString) err = NULL;

	g_assert_true(g_file_set_contents(log, text, -1, NULL));
	page = g_build_filename(dir, "page.html", NULL);
	if (fixture_doveadm(f, NULL, NULL, &err, "popinjay", "log", "report",
			    "--top", "15", "--poll-secs", "800", "--html",
			    page, log, NULL) != 0)
		g_error("%s", err->str);
}

static JsonObject *look(const char *width, const char *height,
			const char *picture)
{
	g_autofree char *path = g_build_filename(POPINJAY_BUILDDIR,
						 "check-pictures", NULL);
	g_autofree char *file = g_build_filename(path, picture, NULL);
	const char *argv[] = {
		POPINJAY_SRCDIR "/tests/browser/look", page, width, height,
		file, NULL
	};
	g_autofree char *out = NULL, *err = NULL;
	g_autoptr(GError) error = NULL;
	int status;

	g_assert_cmpint(g_mkdir_with_parents(path, 0755), ==, 0);
	if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL,
			  NULL, &out, &err, &status, &error))
		g_error("%s", error->message);
	if (status != 0)
		g_error("look: %s", err);
	return fixture_record_parse(out);
}

static unsigned int count_cells(JsonObject *seen, const char *text)
{
	JsonArray *cells = json_object_get_array_member(seen, "cells");
	unsigned int count = 0;

	for (guint i = 0; i < json_array_get_length(cells); i++) {
		if (strcmp(json_array_get_string_element(cells, i),
			   text) == 0)
			count++;
	}
	return count;
}

static void expect_none(JsonObject *seen, const char *name)
{
	JsonArray *array = json_object_get_array_member(seen, name);

	if (json_array_get_length(array) > 0) {
		g_error("%s: %s", name,
			json_array_get_string_element(array, 0));
	}
}

static void check(JsonObject *seen, gint64 width)
{
	expect_none(seen, "console");
	expect_none(seen, "requests");
	g_assert_true(json_object_get_null_member(seen, "alert"));
	record_expect(seen, { "scripts", 3 }, { "canvases", CANVASES },
		      { "painted", CANVASES }, { "window", width },
		      { "width", width }, { "scrolled", 0 },
		      { "paper", PAPER }, { "cut", 0 });
	/* there is something on it, and no section takes a page for a line */
	g_assert_cmpint(json_object_get_int_member(seen, "pages"), >=, 2);
	g_assert_cmpint(json_object_get_int_member(seen, "pages"), <=, 12);
	/* as they are, in the tables */
	for (unsigned int i = 0; i < USERS; i++) {
		/* but for what turns the direction of the text */
		const char *text = i == 9 ? "\xef\xbf\xbdgro.elpmaxe@ecila" :
			users[i];

		g_assert_cmpuint(count_cells(seen, text), >=, 1);
	}
}

static gboolean have_browser(void)
{
	g_autofree char *os = NULL;

	if (g_strcmp0(g_getenv("POPINJAY_TEST_BROWSER"), "no") == 0) {
		g_test_skip("POPINJAY_TEST_BROWSER=no");
		return FALSE;
	}
	if (g_file_test("/usr/bin/chromedriver", G_FILE_TEST_EXISTS))
		return TRUE;
	if (g_file_get_contents("/etc/os-release", &os, NULL, NULL) &&
	    g_regex_match_simple("^ID=debian$", os, G_REGEX_MULTILINE, 0))
		g_error("no chromedriver; tests/prepare installs it");
	g_test_skip("chromium-driver is a package of Debian alone");
	return FALSE;
}

static void test_phone(void)
{
	g_autoptr(JsonObject) seen = NULL;

	if (!have_browser())
		return;
	seen = look("375", "740", "report-phone.png");
	check(seen, 375);
}

static void test_desk(void)
{
	g_autoptr(JsonObject) seen = NULL;

	if (!have_browser())
		return;
	seen = look("1280", "900", "report-desk.png");
	check(seen, 1280);
}

int main(int argc, char *argv[])
{
	g_autofree char *rm = NULL;
	int ret, status;

	g_test_init(&argc, &argv, NULL);
	dir = g_dir_make_tmp("popinjay-page-XXXXXX", NULL);
	f = fixture_new(NULL);
	make_page();
	g_test_add_func("/log-page/phone", test_phone);
	g_test_add_func("/log-page/desk", test_desk);
	ret = g_test_run();
	fixture_free(f);
	rm = g_strdup_printf("rm -r %s", dir);
	g_assert_true(g_spawn_command_line_sync(rm, NULL, NULL, &status,
						NULL));
	g_assert_cmpint(status, ==, 0);
	g_free(page);
	return ret;
}
