/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* RETR and TOP send the bytes that stock Dovecot sends for the same message:
   of every storage, also where it is compressed or encrypted, and with the
   workarounds for clients. */

#include "pop3.h"

#include <glib/gstdio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#define HEADER "From: a@example.com\nSubject: test\n"

struct variant {
	const char *name;
	/* the plugin in Dovecot 2.3 and in 2.4, NULL for none */
	const char *old_plugin, *new_plugin;
	/* the setting that makes it write so; %s is a directory with keys */
	const char *old_settings[7], *new_settings[3];
	const char *new_config;
	/* it can be appended to, so that mail in it is not compressed */
	gboolean skip_mbox;
	const char *workarounds;
};

static const struct variant variants[] = {
	{ .name = "plain" },
	{ .name = "workarounds",
	  .workarounds =
		"pop3_client_workarounds = outlook-no-nuls oe-ns-eoh" },
	{ .name = "compressed", .old_plugin = "zlib",
	  .new_plugin = "mail_compress", .skip_mbox = TRUE,
	  .old_settings = { "zlib_save", "gz" },
	  .new_settings = { "mail_compress_write_method", "gz" } },
	{ .name = "encrypted", .old_plugin = "mail_crypt",
	  .new_plugin = "mail_crypt", .skip_mbox = TRUE,
	  .old_settings = { "mail_crypt_global_private_key", "<%s/private",
			    "mail_crypt_global_public_key", "<%s/public",
			    "mail_crypt_save_version", "2" },
	  .new_settings = { "crypt_global_public_key_file", "%s/public" },
	  .new_config = "crypt_global_private_key main {\n"
		"  crypt_private_key_file = %s/private\n"
		"}" }
};

static char *key_dir;

/* --- the messages --- */

static void add(GPtrArray *mails, const char *mail, gsize size)
{
	g_ptr_array_add(mails, g_bytes_new(mail, size));
}

/* Lines of a dot and something, so that wherever a piece ends a line begins
   with a dot, and dots stand at each place of a piece's end. */
static void add_dots(GPtrArray *mails, unsigned int header_len)
{
	GString *mail = g_string_new(HEADER "X-Fill: ");
	unsigned int i;

	for (i = 0; i < header_len; i++)
		g_string_append_c(mail, 'x');
	g_string_append(mail, "\n\n");
	for (i = 0; mail->len < 150 * 1000; i++)
		g_string_append(mail, i % 100 == 0 ? "..\n" : ".\n");
	add(mails, mail->str, mail->len);
	g_string_free(mail, TRUE);
}

static void add_long_line(GPtrArray *mails, char byte)
{
	GString *mail = g_string_new(HEADER "\n");
	gsize len = mail->len;

	g_string_set_size(mail, len + 200 * 1000);
	memset(mail->str + len, byte, 200 * 1000);
	add(mails, mail->str, mail->len);
	g_string_free(mail, TRUE);
}

static GPtrArray *make_mails(void)
{
	static const char nuls[] = HEADER "\n\0a\0\n\0\0\n.\0\n";
	GPtrArray *mails = g_ptr_array_new_with_free_func(
		(GDestroyNotify)g_bytes_unref);
	static const char *const texts[] = {
		HEADER "\nline\n",
		HEADER "\nno final newline",
		HEADER "\n",
		HEADER,
		"Subject: header without newline",
		HEADER "\n\n\n\n",
		HEADER "\n.\n..\n...\n.a\na.\n",
		HEADER "\n.",
		HEADER "\r\nb\rc\r\rd\n\re\n",
		"Subject: a\r\n\r\nCRLF\r\n.dot\r\n\r\n",
		"Subject: a\r\n folded\n\nmixed\r\nline ends\n",
		"\nbody without header\n",
		HEADER "\n8-bit \xe4\xf6\xfc\xff\n",
	};
	unsigned int i;

	for (i = 0; i < G_N_ELEMENTS(texts); i++)
		add(mails, texts[i], strlen(texts[i]));
	add(mails, nuls, sizeof(nuls) - 1);
	for (i = 0; i < 4; i++)
		add_dots(mails, i);
	add_long_line(mails, 'x');
	add_long_line(mails, '\n');
	add_long_line(mails, '\r');
	return mails;
}

/* --- the comparison --- */

/* The status of the mailbox, and all that can be said of each message. */
static GByteArray *ask_all(struct fixture *f, const char *user)
{
	static const char *const commands[] = {
		"RETR %u", "TOP %u 0", "TOP %u 1", "TOP %u 3", "TOP %u 9999999"
	};
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	GByteArray *all = g_byte_array_new();
	g_autofree char *stat = pop3_ask(pop3, "STAT");
	unsigned int count, msn, i;

	g_assert_cmpint(sscanf(stat, "+OK %u ", &count), ==, 1);
	g_byte_array_append(all, (const guint8 *)stat, strlen(stat));
	for (msn = 1; msn <= count; msn++) {
		for (i = 0; i < G_N_ELEMENTS(commands); i++) {
			g_autoptr(GString) command = g_string_new(NULL);
			GString *reply;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			g_string_printf(command, commands[i], msn);
#pragma GCC diagnostic pop
			pop3_send(pop3, "%s", command->str);
			reply = pop3_multiline(pop3);
			g_byte_array_append(all, (const guint8 *)command->str,
					    command->len);
			g_byte_array_append(all, (const guint8 *)reply->str,
					    reply->len);
			g_string_free(reply, TRUE);
		}
	}
	pop3_quit(pop3, "Logging out.");
	return all;
}

static void assert_same(const GByteArray *got, const GByteArray *expected)
{
	guint i, len = MIN(got->len, expected->len), from;

	for (i = 0; i < len && got->data[i] == expected->data[i]; i++) ;
	if (i == got->len && i == expected->len)
		return;
	from = i > 60 ? i - 60 : 0;
	g_error("byte %u differs:\n  ours:  %s\n  stock: %s", i,
		pop3_printable(got->data + from, MIN(got->len - from, 120)),
		pop3_printable(expected->data + from,
			       MIN(expected->len - from, 120)));
}

/* No file of the user has a mail as it came; the cache has headers. */
static void check_not_readable(struct fixture *f, const char *user)
{
	g_autofree char *dir = fixture_mail_dir(f, user);
	const char *const argv[] = { "grep", "-rq", "--exclude=dovecot.*",
				     "Subject: test", dir, NULL };

	g_assert_cmpint(fixture_run(f, argv, NULL, NULL, NULL), ==, 1);
}

static void check_storage(struct fixture *ours, struct fixture *stock,
			  const char *storage, gboolean save)
{
	g_autofree char *user = fixture_user(ours, storage);
	g_autoptr(GPtrArray) mails = make_mails();
	g_autoptr(GByteArray) got = NULL, expected = NULL;
	unsigned int i;

	for (i = 0; i < mails->len; i++) {
		GBytes *mail = g_ptr_array_index(mails, i);
		GString *err = NULL;

		if (!save) {
			fixture_deliver_all(ours, user, &mail, 1);
			continue;
		}
		/* through the plugin */
		if (fixture_doveadm(ours, mail, NULL, &err, "save", "-u", user,
				    NULL) != 0)
			g_error("doveadm save: %s", err->str);
		g_string_free(err, TRUE);
	}
	if (save)
		check_not_readable(ours, user);
	fixture_user_add(stock, user);
	fixture_user_copy(ours, user, stock, user);
	expected = ask_all(stock, user);
	got = ask_all(ours, user);
	assert_same(got, expected);
	g_assert_cmpuint(got->len, >, 1000 * 1000);
}

/* --- the servers --- */

static void make_keys(void)
{
	g_autofree char *private_file = NULL, *public_file = NULL;
	EVP_PKEY *key = EVP_EC_gen("prime256v1");
	FILE *file;

	key_dir = g_dir_make_tmp("popinjay-bytes-XXXXXX", NULL);
	g_assert_nonnull(key_dir);
	private_file = g_build_filename(key_dir, "private", NULL);
	public_file = g_build_filename(key_dir, "public", NULL);
	file = fopen(private_file, "w");
	g_assert_true(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL,
					   NULL));
	fclose(file);
	file = fopen(public_file, "w");
	g_assert_true(PEM_write_PUBKEY(file, key));
	fclose(file);
	EVP_PKEY_free(key);
	/* the mail user reads them too */
	g_assert_cmpint(g_chmod(key_dir, 0755), ==, 0);
	g_assert_cmpint(g_chmod(private_file, 0644), ==, 0);
}

static char *with_key_dir(const char *text)
{
	g_auto(GStrv) parts = NULL;

	if (text == NULL)
		return NULL;
	parts = g_strsplit(text, "%s", -1);
	return g_strjoinv(key_dir, parts);
}

static void test_variant(const void *data)
{
	const struct variant *v = data;
	gboolean old = fixture_dovecot_version() < 20400;
	const char *const *templates = old ? v->old_settings : v->new_settings;
	g_autoptr(GPtrArray) settings = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *config = old || v->new_config == NULL ?
		g_strdup(v->workarounds) : with_key_dir(v->new_config);
	struct fixture_options options = {
		.plugins = old ? v->old_plugin : v->new_plugin,
		.config = config, .fast_logins = TRUE
	};
	struct fixture *ours, *stock;
	unsigned int i;

	for (; *templates != NULL; templates++)
		g_ptr_array_add(settings, with_key_dir(*templates));
	g_ptr_array_add(settings, NULL);
	options.settings = (const char *const *)settings->pdata;

	ours = fixture_new(&options);
	options.stock = TRUE;
	stock = fixture_new(&options);
	for (i = 0; fixture_storages[i] != NULL; i++) {
		if (v->skip_mbox && g_str_equal(fixture_storages[i], "mbox"))
			continue;
		check_storage(ours, stock, fixture_storages[i],
			      v->old_plugin != NULL);
	}
	fixture_stop_begin(stock);
	fixture_free(ours);
	fixture_free(stock);
}

int main(int argc, char *argv[])
{
	unsigned int i;
	int ret;

	g_test_init(&argc, &argv, NULL);
	for (i = 0; i < G_N_ELEMENTS(variants); i++) {
		g_autofree char *path = g_strdup_printf("/bytes/%s",
							variants[i].name);
		g_test_add_data_func(path, &variants[i], test_variant);
	}
	make_keys();
	ret = g_test_run();
	{
		const char *const argv_rm[] = { "rm", "-rf", key_dir, NULL };

		g_spawn_sync(NULL, (char **)argv_rm, NULL,
			     G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL,
			     NULL);
	}
	return ret;
}
