/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a template makes of a message: without one of ours the same as stock
   Dovecot, with ours what the test computes itself; and doveadm says the same
   as UIDL. */

#include "numbered.h"
#include "uidl-list.h"

#include <stdlib.h>
#include <time.h>

#define MAIL_COUNT 5
#define MAIL_BYTES 500
#define KEY "a key of 22 characters"

struct format {
	const char *name;
	/* the template in Dovecot 2.3, and in 2.4 */
	const char *text_2_3, *text;
	/* the storages that have what it needs */
	const char *storages;
	/* what it should give, for the UIDLs that the test makes: u and v are
	   numbers in decimal, U and V in hexadecimal, g the GUID, f the file
	   name, s a part of the GUID's SHA-256, h the HMAC, d the date, others
	   stand for themselves */
	const char *expected;
};

static const struct format native_formats[] = {
	{ "default", NULL, NULL, "maildir mbox sdbox mdbox", NULL },
	{ "numbers", "%v.%u", "%{uidvalidity}.%{uid}",
	  "maildir mbox sdbox mdbox", NULL },
	{ "guid", "%g", "%{guid}", "maildir mbox sdbox mdbox", NULL },
	{ "file-name", "%f", "%{filename}", "maildir", NULL },
	{ "file-name-hash", "%Mf", "%{filename | md5 | hexlify}", "maildir",
	  NULL },
	{ "md5", "%m", "%{md5}", "mbox", NULL }
};

static const struct format our_formats[] = {
	{ "letters", "%08Xv%08Xu", "%{uidvalidity | hex(8)}%{uid | hex(8)}",
	  "maildir mbox sdbox mdbox", "VU" },
	{ "decimal", "%v.%u", "%{uidvalidity}.%{uid}",
	  "maildir mbox sdbox mdbox", "v.u" },
	{ "long-names", "%{uidvalidity}.%{uid}", "%{uidvalidity}.%{uid}",
	  "maildir mbox sdbox mdbox", "v.u" },
	{ "guid", "%g", "%{guid}", "maildir mbox sdbox mdbox", "g" },
	{ "long-guid", "(%{guid})", "(%{guid})", "maildir mbox sdbox mdbox",
	  "(g)" },
	{ "file-name", "%f", "%{filename}", "maildir", "f" },
	{ "hash", "%{sha256;truncate=128:guid}",
	  "%{guid | sha256 | truncate(bits=128) | hexlify}",
	  "maildir mbox sdbox mdbox", "s" },
	{ "hmac", "%{hmac}", "%{hmac}", "maildir mbox sdbox mdbox", "h" },
	{ "hmac-and-uid", "%{hmac}/%u", "%{hmac}/%{uid}",
	  "maildir mbox sdbox mdbox", "h/u" },
	{ "braces", "{hmac}", "{hmac}", "maildir mbox sdbox mdbox", "h" },
	{ "braces-several", "({uidvalidity}.{uid})", "({uidvalidity}.{uid})",
	  "maildir mbox sdbox mdbox", "(v.u)" },
	{ "braces-and-percent", "%u/{guid}/%08Xu",
	  "%{uid}/{guid}/%{uid | hex(8)}", "maildir mbox sdbox mdbox",
	  "u/g/U" },
	{ "braces-function", "{sha256;truncate=128:guid}",
	  "{guid | sha256 | truncate(bits=128) | hexlify}",
	  "maildir mbox sdbox mdbox", "s" },
	{ "date", "%{date}-%u", "%{date}-%{uid}", "maildir mbox sdbox mdbox",
	  "d-u" }
};

static struct fixture *ours, *stock;
static char *key_file;
/* storage -> users with the same mailbox */
static GHashTable *our_users, *stock_users;

static void start(void)
{
	const struct fixture_options stock_options = { .stock = TRUE };
	g_autoptr(GError) error = NULL;

	if (ours != NULL)
		return;
	ours = fixture_new(NULL);
	stock = fixture_new(&stock_options);
	key_file = g_build_filename(ours->dir, "key", NULL);
	if (!g_file_set_contents(key_file, KEY "\n", -1, &error))
		g_error("%s", error->message);
	our_users = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
					  g_free);
	stock_users = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
					    g_free);
	for (const char *const *p = fixture_storages; *p != NULL; p++) {
		char *our_user = fixture_user(ours, *p);
		char *stock_user = fixture_user(stock, *p);
		g_auto(GStrv) uidls = NULL;

		numbered_deliver(stock, stock_user, 1, MAIL_COUNT, MAIL_BYTES);
		/* gives the mailbox its UIDVALIDITY */
		uidls = uidl_list(stock, stock_user);
		g_assert_cmpuint(g_strv_length(uidls), ==, MAIL_COUNT);
		fixture_user_copy(stock, stock_user, ours, our_user);
		g_hash_table_insert(our_users, (char *)*p, our_user);
		g_hash_table_insert(stock_users, (char *)*p, stock_user);
	}
}

static const char *text_of(const struct format *format)
{
	return fixture_dovecot_version() < 20400 ? format->text_2_3 :
		format->text;
}

static void test_native(gconstpointer data)
{
	const struct format *format = data;
	g_auto(GStrv) storages = g_strsplit(format->storages, " ", -1);
	g_autofree char *config = NULL;

	start();
	if (text_of(format) != NULL) {
		config = g_strdup_printf("pop3_uidl_format = %s\n",
					 text_of(format));
	}
	fixture_reload(ours, config);
	fixture_reload(stock, config);
	for (char **p = storages; *p != NULL; p++) {
		const char *user = g_hash_table_lookup(our_users, *p);
		g_auto(GStrv) our_uidls = uidl_list(ours, user);
		g_auto(GStrv) stock_uidls = uidl_list(stock,
			g_hash_table_lookup(stock_users, *p));
		g_auto(GStrv) fetched = uidl_fetch(ours, user, "pop3.uidl");

		g_assert_cmpuint(g_strv_length(our_uidls), ==, MAIL_COUNT);
		uidl_assert_same(our_uidls, stock_uidls);
		uidl_assert_same(our_uidls, fetched);
	}
}

/* The start of the mail's file name, which is the template's. */
static char *file_name(const char *user, unsigned int number)
{
	g_autofree char *path = numbered_find_file(ours, user, number);
	char *name = g_path_get_basename(path);

	name[strcspn(name, ":")] = '\0';
	return name;
}

static char *hmac(const char *guid)
{
	char *hex = g_compute_hmac_for_string(G_CHECKSUM_SHA256,
		(const guchar *)KEY, strlen(KEY), guid, -1);

	hex[32] = '\0';
	return hex;
}

static char *hash(const char *guid)
{
	char *hex = g_compute_checksum_for_string(G_CHECKSUM_SHA256, guid, -1);

	hex[32] = '\0';
	return hex;
}

static char *date(const char *unixtime)
{
	time_t t = (time_t)g_ascii_strtoll(unixtime, NULL, 10);
	char buffer[32];
	struct tm tm;

	g_assert_cmpint(t, >, 0);
	g_assert_nonnull(gmtime_r(&t, &tm));
	g_assert_cmpuint(strftime(buffer, sizeof(buffer), "%Y%m%d%H%M%S", &tm),
			 ==, 14);
	return g_strdup(buffer);
}

/* What the template should give for the messages of the user. */
static char **make_expected(const struct format *format, const char *user)
{
	g_auto(GStrv) uids = uidl_fetch(ours, user, "uid");
	g_auto(GStrv) guids = uidl_fetch(ours, user, "guid");
	g_auto(GStrv) dates = uidl_fetch(ours, user, "date.received.unixtime");
	unsigned int validity = uidl_validity(ours, user);
	GPtrArray *all = g_ptr_array_new();

	for (unsigned int i = 0; uids[i] != NULL; i++) {
		unsigned int uid = (unsigned int)strtoul(uids[i], NULL, 10);
		GString *s = g_string_new(NULL);

		for (const char *p = format->expected; *p != '\0'; p++) {
			g_autofree char *value = NULL;

			switch (*p) {
			case 'u':
				value = g_strdup_printf("%u", uid);
				break;
			case 'v':
				value = g_strdup_printf("%u", validity);
				break;
			case 'U':
				value = g_strdup_printf("%08x", uid);
				break;
			case 'V':
				value = g_strdup_printf("%08x", validity);
				break;
			case 'g':
				value = g_strdup(guids[i]);
				break;
			case 'f':
				value = file_name(user, i + 1);
				break;
			case 's':
				value = hash(guids[i]);
				break;
			case 'h':
				value = hmac(guids[i]);
				break;
			case 'd':
				value = date(dates[i]);
				break;
			default:
				value = g_strndup(p, 1);
			}
			g_string_append(s, value);
		}
		g_ptr_array_add(all, g_string_free(s, FALSE));
	}
	g_ptr_array_add(all, NULL);
	return (char **)g_ptr_array_free(all, FALSE);
}

static void test_ours(gconstpointer data)
{
	const struct format *format = data;
	g_auto(GStrv) storages = g_strsplit(format->storages, " ", -1);
	g_autofree char *config = NULL;

	start();
	config = uidl_config(text_of(format), key_file, NULL);
	fixture_reload(ours, config);
	for (char **p = storages; *p != NULL; p++) {
		const char *user = g_hash_table_lookup(our_users, *p);
		g_auto(GStrv) uidls = uidl_list(ours, user);
		g_auto(GStrv) fetched = uidl_fetch(ours, user, "pop3.uidl");
		g_auto(GStrv) expected = make_expected(format, user);

		g_assert_cmpuint(g_strv_length(uidls), ==, MAIL_COUNT);
		uidl_assert_same(uidls, expected);
		uidl_assert_same(uidls, fetched);
	}
}

static void test_stop(void)
{
	g_clear_pointer(&ours, fixture_free);
	g_clear_pointer(&stock, fixture_free);
	g_clear_pointer(&our_users, g_hash_table_unref);
	g_clear_pointer(&stock_users, g_hash_table_unref);
	g_clear_pointer(&key_file, g_free);
}

static void
add_tests(const char *suite, const struct format *formats, unsigned int count,
	  GTestDataFunc func)
{
	for (unsigned int i = 0; i < count; i++) {
		g_autofree char *path = g_strdup_printf("/uidl-format/%s/%s",
			suite, formats[i].name);

		g_test_add_data_func(path, &formats[i], func);
	}
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	add_tests("native", native_formats, G_N_ELEMENTS(native_formats),
		  test_native);
	add_tests("ours", our_formats, G_N_ELEMENTS(our_formats), test_ours);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/uidl-format", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
