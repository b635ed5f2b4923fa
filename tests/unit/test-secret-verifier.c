/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* -text, secret-verifier, secret-key, secret-config: the parts that
   records of secrets are made of, with the vectors of the RFCs. */

#include "lib.h"
#include "base64.h"
#include "buffer.h"
#include "hash-method.h"
#include "hmac.h"
#include "sha1.h"
#include "sha2.h"
#include "str.h"
#include "secret-config.h"
#include "secret-key.h"
#include "secret-text.h"
#include "secret-verifier.h"
#include "cases.h"

#include <glib.h>
#include <glib/gstdio.h>

#define ALPHABET "abcdefghjkmnpqrstuvwxyz23456789"
#define KEY_HEX \
	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

/* --- text --- */

static void test_text_generate(void)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(
		g_str_hash, g_str_equal, g_free, NULL);
	unsigned int counts[256] = { 0 };

	for (unsigned int i = 0; i < 2000; i++) T_BEGIN {
		const char *text = popinjay_secret_text_generate();

		g_assert_cmpuint(strlen(text), ==, POPINJAY_SECRET_TEXT_LEN);
		g_assert_true(popinjay_secret_text_is_valid(text));
		g_assert_true(g_hash_table_add(seen, g_strdup(text)));
		for (const char *p = text; *p != '\0'; p++)
			counts[(unsigned char)*p]++;
	} T_END;
	g_assert_cmpuint(counts['-'], ==, 2000 * 6);
	/* 2000 * 28 / 31 of each are 1806; 6 sigma are 250 */
	for (const char *p = ALPHABET; *p != '\0'; p++) {
		g_assert_cmpuint(counts[(unsigned char)*p], >, 1556);
		g_assert_cmpuint(counts[(unsigned char)*p], <, 2056);
	}
}

static void test_text_single_change(void)
{
	const char *text = popinjay_secret_text_generate();

	for (unsigned int i = 0; text[i] != '\0'; i++) {
		for (const char *p = ALPHABET"-0il!"; *p != '\0'; p++) T_BEGIN {
			char *changed = t_strdup_noconst(text);

			changed[i] = *p;
			g_assert_true(popinjay_secret_text_is_valid(changed) ==
				      (*p == text[i]));
		} T_END;
	}
}

static void test_text_exchange(void)
{
	const char *text = popinjay_secret_text_generate();

	for (unsigned int i = 0; text[i] != '\0'; i++) {
		for (unsigned int j = 0; j < i; j++) T_BEGIN {
			char *changed = t_strdup_noconst(text);

			changed[i] = text[j];
			changed[j] = text[i];
			g_assert_true(popinjay_secret_text_is_valid(changed) ==
				      (text[i] == text[j]));
		} T_END;
	}
}

static void test_text_normalize(void)
{
	const char *text = popinjay_secret_text_generate();
	g_autofree char *upper = g_ascii_strup(text, -1);
	g_auto(GStrv) groups = g_strsplit(text, "-", -1);
	g_autofree char *joined = g_strjoinv("", groups);
	g_autofree char *spaced = g_strjoinv(" ", groups);

	g_assert_cmpuint(g_strv_length(groups), ==, 7);
	g_assert_cmpstr(popinjay_secret_text_normalize(upper), ==, text);
	g_assert_cmpstr(popinjay_secret_text_normalize(joined), ==, text);
	g_assert_cmpstr(popinjay_secret_text_normalize(spaced), ==, text);
	g_assert_false(popinjay_secret_text_is_valid(joined));
	/* what is no secret of ours stays as it is */
	g_assert_cmpstr(popinjay_secret_text_normalize("My Pass-Word"), ==,
			"My Pass-Word");
	joined[0] = joined[0] == 'a' ? 'b' : 'a';
	g_assert_cmpstr(popinjay_secret_text_normalize(joined), ==, joined);
}

/* --- verifiers --- */

struct scram_case {
	const char *path;
	enum popinjay_scram_hash hash;
	const char *salt;
	/* AuthMessage, ClientProof and ServerSignature of the RFC's example */
	const char *message, *proof, *signature;
};

static const struct scram_case scram_cases[] = {
	{ "rfc5802", POPINJAY_SCRAM_SHA1, "QSXCR+Q6sek8bf92",
	  "n=user,r=fyko+d2lbbFgONRv9qkxdawL,"
	  "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
	  "s=QSXCR+Q6sek8bf92,i=4096,"
	  "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
	  "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ=" },
	{ "rfc7677", POPINJAY_SCRAM_SHA256, "W22ZaJ0SNY7soEsUEjb6gQ==",
	  "n=user,r=rOprNGfwEbeRWgbNEkqO,"
	  "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	  "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
	  "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
	  "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	  "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" },
};

/* The server's side of the RFC's example, with our keys. */
static void test_scram_vector(gconstpointer data)
{
	const struct scram_case *c = data;
	const struct hash_method *method = c->hash == POPINJAY_SCRAM_SHA1 ?
		&hash_method_sha1 : &hash_method_sha256;
	unsigned char digest[SHA256_RESULTLEN], key[SHA256_RESULTLEN];
	const buffer_t *salt = t_base64_decode_str(c->salt);
	const buffer_t *proof = t_base64_decode_str(c->proof);
	const unsigned char *proof_data = proof->data;
	const char *const *parts;
	const buffer_t *stored, *server;
	struct hmac_context ctx;

	parts = t_strsplit(popinjay_verifier_scram_create_with(
		c->hash, "pencil", 4096, salt->data, salt->used), ",");
	g_assert_cmpstr(parts[0], ==, "4096");
	g_assert_cmpstr(parts[1], ==, c->salt);
	stored = t_base64_decode_str(parts[2]);
	server = t_base64_decode_str(parts[3]);
	g_assert_cmpuint(stored->used, ==, method->digest_size);
	g_assert_cmpuint(proof->used, ==, method->digest_size);

	hmac_init(&ctx, stored->data, stored->used, method);
	hmac_update(&ctx, c->message, strlen(c->message));
	hmac_final(&ctx, digest);
	for (unsigned int i = 0; i < method->digest_size; i++)
		key[i] = digest[i] ^ proof_data[i];
	hash_method_get_digest(method, key, method->digest_size, digest);
	g_assert_cmpmem(digest, method->digest_size, stored->data,
			stored->used);

	hmac_init(&ctx, server->data, server->used, method);
	hmac_update(&ctx, c->message, strlen(c->message));
	hmac_final(&ctx, digest);
	g_assert_cmpstr(str_c(t_base64_encode(0, 0, digest,
					      method->digest_size)),
			==, c->signature);
}

static void test_scram_check(gconstpointer data)
{
	enum popinjay_scram_hash hash = GPOINTER_TO_INT(data);
	const char *a = popinjay_verifier_scram_create(hash, "s", 4096);
	const char *b = popinjay_verifier_scram_create(hash, "s", 4096);

	g_assert_cmpstr(a, !=, b);
	g_assert_cmpint(popinjay_verifier_scram_check(hash, a, "s"), ==, 1);
	g_assert_cmpint(popinjay_verifier_scram_check(hash, a, "S"), ==, 0);
	g_assert_cmpint(popinjay_verifier_scram_check(hash, a, ""), ==, 0);
	g_assert_cmpint(popinjay_verifier_scram_check(hash, "", "s"), ==, -1);
	g_assert_cmpint(popinjay_verifier_scram_check(hash, "1,a,b", "s"),
			==, -1);
	g_assert_cmpint(popinjay_verifier_scram_check(
		hash, "100001,c2FsdA==,c2FsdA==,c2FsdA==", "s"), ==, -1);
	g_assert_cmpint(popinjay_verifier_scram_check(
		hash, "0,c2FsdA==,c2FsdA==,c2FsdA==", "s"), ==, -1);
}

static void test_plain_check(void)
{
	const char *a = popinjay_verifier_plain_create("s");

	g_assert_cmpstr(a, !=, popinjay_verifier_plain_create("s"));
	g_assert_cmpint(popinjay_verifier_plain_check(a, "s"), ==, 1);
	g_assert_cmpint(popinjay_verifier_plain_check(a, "t"), ==, 0);
	g_assert_cmpint(popinjay_verifier_plain_check("", "s"), ==, -1);
	g_assert_cmpint(popinjay_verifier_plain_check("c2E=,c2E=", "s"), ==,
			-1);
	/* HMAC-SHA-256, RFC 4231 test case 2 */
	g_assert_cmpint(popinjay_verifier_plain_check("SmVmZQ==,"
		"W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=",
		"what do ya want for nothing?"), ==, 1);
}

/* --- files --- */

struct file_case {
	const char *path;
	const char *text;
	/* NULL when it is right */
	const char *error;
};

static const struct file_case key_cases[] = {
	{ "one", "k1 "KEY_HEX" current", NULL },
	{ "two", "# old\nk0 "KEY_HEX"\n\n  k_1-A\t"KEY_HEX" current\r\n",
	  NULL },
	{ "empty", "", "no key is marked as current: mark the newest" },
	{ "no-current", "k1 "KEY_HEX"\n",
	  "no key is marked as current: mark the newest" },
	{ "two-current", "k1 "KEY_HEX" current\nk2 "KEY_HEX" current\n",
	  "line 2: two keys are marked as current" },
	{ "same-id", "k1 "KEY_HEX"\nk1 "KEY_HEX" current\n",
	  "line 2: key k1 is defined twice" },
	{ "short", "k1 00112233 current\n",
	  "line 1: a key must be 64 hexadecimal digits" },
	{ "not-hex", "k1 zz"KEY_HEX" current\n",
	  "line 1: a key must be 64 hexadecimal digits" },
	{ "not-hex-same-length", "k1 "
	  "zz0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	  " current\n", "line 1: a key must be 64 hexadecimal digits" },
	{ "no-key", "k1\n",
	  "line 1: expected \"ID KEY\" or \"ID KEY current\"" },
	{ "fourth-word", "k1 "KEY_HEX" current x\n",
	  "line 1: expected \"ID KEY\" or \"ID KEY current\"" },
	{ "other-word", "k1 "KEY_HEX" Current\n",
	  "line 1: expected \"ID KEY\" or \"ID KEY current\"" },
	{ "bad-id", "k;1 "KEY_HEX" current\n",
	  "line 1: the id of a key must be 1-32 letters, digits, "
	  "\"-\" or \"_\"" },
};

static void test_keys(gconstpointer data)
{
	const struct file_case *c = data;
	struct popinjay_secret_keys *keys = NULL;
	const struct popinjay_secret_key *key;
	const char *error = NULL;
	int ret = popinjay_secret_keys_parse(c->text, &keys, &error);

	g_assert_cmpint(ret, ==, c->error == NULL ? 0 : -1);
	g_assert_cmpstr(error, ==, c->error);
	if (ret < 0)
		return;
	key = popinjay_secret_keys_current(keys);
	for (unsigned int i = 0; i < POPINJAY_SECRET_KEY_BYTES; i++)
		g_assert_cmpuint(key->key[i], ==, i);
	g_assert_true(popinjay_secret_keys_find(keys, key->id) == key);
	g_assert_null(popinjay_secret_keys_find(keys, "k"));
	popinjay_secret_keys_free(&keys);
	g_assert_null(keys);
	popinjay_secret_keys_free(&keys);
}

static void test_keys_mode(void)
{
	g_autofree char *dir = g_dir_make_tmp("popinjay-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(dir, "keys", NULL);
	struct popinjay_secret_keys *keys = NULL;
	const char *error;

	g_assert_cmpint(popinjay_secret_keys_read(path, &keys, &error), ==, -1);
	g_assert_nonnull(strstr(error, "No such file"));
	g_assert_true(g_file_set_contents(path, "k1 "KEY_HEX" current", -1,
					  NULL));
	g_assert_cmpint(g_chmod(path, 0640), ==, 0);
	g_assert_cmpint(popinjay_secret_keys_read(path, &keys, &error), ==, -1);
	g_assert_nonnull(strstr(error, "must be a file of mode 0600, but its "
				"mode is 0640"));
	g_assert_cmpint(g_chmod(path, 0600), ==, 0);
	g_assert_cmpint(popinjay_secret_keys_read(path, &keys, &error), ==, 0);
	popinjay_secret_keys_free(&keys);
	/* cut off in the middle */
	g_assert_true(g_file_set_contents(path, "k1 "KEY_HEX" current", 40,
					  NULL));
	g_assert_cmpint(g_chmod(path, 0600), ==, 0);
	g_assert_cmpint(popinjay_secret_keys_read(path, &keys, &error), ==, -1);
	g_assert_nonnull(strstr(error, "line 1: a key must be 64 hexadecimal"));
	g_assert_null(strstr(error, "0405"));
	g_assert_cmpint(g_unlink(path), ==, 0);
	g_assert_cmpint(g_rmdir(dir), ==, 0);
}

static const struct file_case config_cases[] = {
	{ "right", "# x\ndict = proxy::popinjay\nkey_file=/k\n"
	  "separator = +\n\napop_max_age_secs = 60\n", NULL },
	{ "no-dict", "key_file=/k\n", "dict is not set" },
	{ "empty-dict", "dict=\nkey_file=/k\n", "dict is not set" },
	{ "no-key-file", "dict=x\n", "key_file is not set" },
	{ "unknown", "dict=x\nkeyfile=/k\n", "line 2: Unknown setting keyfile: "
	  "use dict, key_file, separator or apop_max_age_secs" },
	{ "no-value", "dict\n", "line 1: expected NAME = VALUE" },
	{ "separator", "separator = @\n",
	  "line 1: separator must not contain @ or spaces" },
	{ "age-0", "apop_max_age_secs=0\n",
	  "line 1: apop_max_age_secs must be 1 to 86400" },
	{ "age-text", "apop_max_age_secs=2 mins\n",
	  "line 1: apop_max_age_secs must be 1 to 86400" },
};

static void test_config(gconstpointer data)
{
	const struct file_case *c = data;
	struct popinjay_secret_config config;
	const char *error = NULL;
	int ret = popinjay_secret_config_parse(
		c->text, pool_datastack_create(), &config, &error);

	g_assert_cmpint(ret, ==, c->error == NULL ? 0 : -1);
	g_assert_cmpstr(error, ==, c->error);
	if (ret < 0)
		return;
	g_assert_cmpstr(config.dict, ==, "proxy::popinjay");
	g_assert_cmpstr(config.key_file, ==, "/k");
	g_assert_cmpstr(config.separator, ==, "+");
	g_assert_cmpuint(config.apop_max_age_secs, ==, 60);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	lib_init();
	g_test_add_func("/text/generate", test_text_generate);
	g_test_add_func("/text/single-change", test_text_single_change);
	g_test_add_func("/text/exchange", test_text_exchange);
	g_test_add_func("/text/normalize", test_text_normalize);
	ADD_CASES("/scram/", scram_cases, test_scram_vector);
	g_test_add_data_func("/scram/check-sha1",
			     GINT_TO_POINTER(POPINJAY_SCRAM_SHA1),
			     test_scram_check);
	g_test_add_data_func("/scram/check-sha256",
			     GINT_TO_POINTER(POPINJAY_SCRAM_SHA256),
			     test_scram_check);
	g_test_add_func("/plain/check", test_plain_check);
	ADD_CASES("/keys/", key_cases, test_keys);
	g_test_add_func("/keys/mode", test_keys_mode);
	ADD_CASES("/config/", config_cases, test_config);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
