/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* -record, secret-seal: records, their text and their seal. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "secret-key.h"
#include "secret-record.h"
#include "secret-text.h"
#include "cases.h"

#include <glib.h>

#define KEY1 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY2 "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define USER "joe@example.com"

static struct popinjay_secret_keys *keys_of(const char *text)
{
	struct popinjay_secret_keys *keys;
	const char *error = NULL;
	int ret = popinjay_secret_keys_parse(text, &keys, &error);

	g_assert_cmpstr(error, ==, NULL);
	g_assert_cmpint(ret, ==, 0);
	return keys;
}

static void
secret_init(struct popinjay_secret *secret, const char *id,
	    enum popinjay_secret_mech mechs)
{
	i_zero(secret);
	secret->id = id;
	secret->label = "phone";
	secret->created = 1700000000;
	secret->mechs = mechs;
	secret->nets = "";
	secret->generated = TRUE;
	secret->plain = secret->scram_sha1 = secret->scram_sha256 = "";
}

/* A user's value with an APOP secret and one of verifiers only. */
static const char *
value_of_two(const struct popinjay_secret_keys *keys, const char *text)
{
	ARRAY_TYPE(popinjay_secret) secrets;
	struct popinjay_secret secret;
	pool_t pool = pool_datastack_create();
	const char *error;

	t_array_init(&secrets, 2);
	secret_init(&secret, "00000001", POPINJAY_SECRET_MECH_APOP);
	secret.nets = "192.0.2.0/24,2001:db8::/32";
	secret.tls_optional = TRUE;
	secret.delete_action = POPINJAY_SECRET_DELETE_REFUSE;
	secret.expires = 2000000000;
	g_assert_cmpint(popinjay_secret_seal(&secret, pool, keys, USER, text,
					     &error), ==, 0);
	array_push_back(&secrets, &secret);
	secret_init(&secret, "00000002", POPINJAY_SECRET_MECH_PLAIN);
	secret.label = "laptop";
	secret.services = POPINJAY_SECRET_SERVICE_POP3 |
		POPINJAY_SECRET_SERVICE_SMTP;
	g_assert_cmpint(popinjay_secret_seal(&secret, pool, keys, USER, text,
					     &error), ==, 0);
	array_push_back(&secrets, &secret);
	return popinjay_secrets_format(&secrets);
}

static void test_round_trip(void)
{
	struct popinjay_secret_keys *keys = keys_of("k1 "KEY1" current");
	const char *text = popinjay_secret_text_generate();
	const char *value = value_of_two(keys, text), *opened, *error;
	ARRAY_TYPE(popinjay_secret) secrets;
	const struct popinjay_secret *secret;

	g_assert_null(strstr(value, text));
	g_assert_cmpint(popinjay_secrets_parse(value, pool_datastack_create(),
					       &secrets, &error), ==, 0);
	g_assert_cmpuint(array_count(&secrets), ==, 2);
	g_assert_cmpstr(popinjay_secrets_format(&secrets), ==, value);

	secret = array_idx(&secrets, 0);
	g_assert_cmpstr(secret->id, ==, "00000001");
	g_assert_cmpstr(secret->label, ==, "phone");
	g_assert_cmpint(secret->created, ==, 1700000000);
	g_assert_cmpint(secret->expires, ==, 2000000000);
	g_assert_cmpint(secret->mechs, ==, POPINJAY_SECRET_MECH_APOP);
	g_assert_cmpstr(secret->nets, ==, "192.0.2.0/24,2001:db8::/32");
	g_assert_true(secret->tls_optional && secret->generated);
	g_assert_cmpint(secret->delete_action, ==,
			POPINJAY_SECRET_DELETE_REFUSE);
	g_assert_cmpint(popinjay_secret_open(secret, keys, USER, &opened,
					     &error), ==, 0);
	g_assert_cmpstr(opened, ==, text);

	g_assert_cmpint(secret->services, ==, 0);

	secret = array_idx(&secrets, 1);
	g_assert_cmpint(secret->services, ==, POPINJAY_SECRET_SERVICE_POP3 |
			POPINJAY_SECRET_SERVICE_SMTP);
	g_assert_false(secret->tls_optional);
	g_assert_cmpint(secret->delete_action, ==,
			POPINJAY_SECRET_DELETE_NATIVE);
	g_assert_cmpint(popinjay_secret_open(secret, keys, USER, &opened,
					     &error), ==, 0);
	/* it is nowhere, sealed or not */
	g_assert_null(opened);

	g_assert_true(popinjay_secrets_find(&secrets, "laptop") == secret);
	g_assert_true(popinjay_secrets_find(&secrets, "00000002") == secret);
	g_assert_null(popinjay_secrets_find(&secrets, "0000000"));
	popinjay_secret_keys_free(&keys);
}

/* Made by another program, as secret-record.h says: AES-256-GCM under KEY1, the
   nonce 10 11 … 1b, and "popinjay-secret:1:15:joe@example.com:id=…;seal=" as
   what is authenticated beside it. A record that was sealed once is to open
   with every version. */
#define KNOWN_TEXT "ew6h-k9vt-3ndc-xq8m-2gpa-7rjs-b4uf"
#define KNOWN_VALUE \
	"popinjay-secrets:1:1 id=00000001;label=phone;created=1700000000;" \
	"expires=0;mechs=APOP;nets=;flags=g;plain=;scram-sha-1=;" \
	"scram-sha-256=;key=k1;seal=" \
	"EBESExQVFhcYGRobGImufmSiA8W+WDtzaxpEK6ZoIyMppSfQys6QDS15Nu8lj/iK" \
	"6QScv9vudNpuPblcCFk="

static void test_known_answer(void)
{
	struct popinjay_secret_keys *keys = keys_of("k1 "KEY1" current");
	ARRAY_TYPE(popinjay_secret) secrets;
	const char *text, *error = NULL;

	g_assert_cmpint(popinjay_secrets_parse(KNOWN_VALUE,
		pool_datastack_create(), &secrets, &error), ==, 0);
	(void)popinjay_secret_open(array_idx(&secrets, 0), keys, USER, &text,
				   &error);
	g_assert_cmpstr(error, ==, NULL);
	g_assert_cmpstr(text, ==, KNOWN_TEXT);
	popinjay_secret_keys_free(&keys);
}

static void test_nonce_is_fresh(void)
{
	struct popinjay_secret_keys *keys = keys_of("k1 "KEY1" current");
	struct popinjay_secret secret;
	const char *error, *first;

	secret_init(&secret, "00000001", POPINJAY_SECRET_MECH_APOP);
	g_assert_cmpint(popinjay_secret_seal(&secret, pool_datastack_create(),
		keys, USER, "text", &error), ==, 0);
	first = secret.seal;
	g_assert_cmpint(popinjay_secret_seal(&secret, pool_datastack_create(),
		keys, USER, "text", &error), ==, 0);
	g_assert_cmpint(strncmp(first, secret.seal, 16), !=, 0);
	popinjay_secret_keys_free(&keys);
}

/* Returns TRUE if all records of value parse and open. */
static bool
all_open(const char *value, const struct popinjay_secret_keys *keys,
	 const char *user)
{
	ARRAY_TYPE(popinjay_secret) secrets;
	const struct popinjay_secret *secret;
	const char *text, *error = NULL;

	if (popinjay_secrets_parse(value, pool_datastack_create(), &secrets,
				   &error) < 0) {
		g_assert_nonnull(error);
		return FALSE;
	}
	array_foreach(&secrets, secret) {
		error = NULL;
		if (popinjay_secret_open(secret, keys, user, &text,
					 &error) < 0) {
			g_assert_nonnull(error);
			return FALSE;
		}
	}
	return array_count(&secrets) == 2;
}

static void test_each_bit_flipped(void)
{
	struct popinjay_secret_keys *keys = keys_of("k1 "KEY1" current");
	const char *value =
		value_of_two(keys, popinjay_secret_text_generate());

	g_assert_true(all_open(value, keys, USER));
	for (unsigned int i = 0; value[i] != '\0'; i++) {
		for (unsigned int bit = 0; bit < 8; bit++) T_BEGIN {
			char *changed = t_strdup_noconst(value);

			changed[i] ^= 1 << bit;
			if (all_open(changed, keys, USER))
				g_error("byte %u bit %u is not noticed: %s",
					i, bit, changed);
		} T_END;
	}
	popinjay_secret_keys_free(&keys);
}

static void test_each_cut(void)
{
	struct popinjay_secret_keys *keys = keys_of("k1 "KEY1" current");
	const char *value =
		value_of_two(keys, popinjay_secret_text_generate());

	for (size_t i = 0; i < strlen(value); i++) T_BEGIN {
		g_assert_false(all_open(t_strndup(value, i), keys, USER));
	} T_END;
	for (unsigned int i = 1; i < 256; i++) T_BEGIN {
		g_assert_false(all_open(t_strdup_printf("%s%c", value, i),
					keys, USER));
	} T_END;
	popinjay_secret_keys_free(&keys);
}

static void test_other_user_or_key(void)
{
	struct popinjay_secret_keys *keys = keys_of("k1 "KEY1" current");
	struct popinjay_secret_keys *other = keys_of("k1 "KEY2" current");
	struct popinjay_secret_keys *gone = keys_of("k2 "KEY1" current");
	struct popinjay_secret_keys *added =
		keys_of("k1 "KEY1"\nk2 "KEY2" current");
	const char *value =
		value_of_two(keys, popinjay_secret_text_generate());

	g_assert_true(all_open(value, keys, USER));
	g_assert_true(all_open(value, added, USER));
	g_assert_false(all_open(value, keys, "joe@example.co"));
	g_assert_false(all_open(value, keys, "jim@example.com"));
	g_assert_false(all_open(value, other, USER));
	g_assert_false(all_open(value, gone, USER));
	g_assert_false(all_open(value, NULL, USER));
	popinjay_secret_keys_free(&keys);
	popinjay_secret_keys_free(&other);
	popinjay_secret_keys_free(&gone);
	popinjay_secret_keys_free(&added);
}

struct value_case {
	const char *path;
	const char *value;
	const char *error;
};

#define FIELDS(id, label, mechs, nets, flags) \
	"id="id";label="label";created=1;expires=0;mechs="mechs";nets="nets \
	";flags="flags";plain=;scram-sha-1=;scram-sha-256=;key=k;seal=x"
#define GOOD FIELDS("00000001", "a", "APOP", "", "")

static const struct value_case value_cases[] = {
	{ "none", "popinjay-secrets:1:0", NULL },
	{ "one", "popinjay-secrets:1:1 "GOOD, NULL },
	{ "empty", "", "it does not begin with popinjay-secrets:1:" },
	{ "version", "popinjay-secrets:2:0",
	  "it does not begin with popinjay-secrets:1:" },
	{ "count", "popinjay-secrets:1:x", "its count is invalid" },
	{ "long-count", "popinjay-secrets:1:00", "its count is invalid" },
	{ "huge-count", "popinjay-secrets:1:4294967296",
	  "its count is invalid" },
	{ "too-few", "popinjay-secrets:1:2 "GOOD, "it has 1 of 2 records" },
	{ "too-many", "popinjay-secrets:1:0 "GOOD, "it has 1 of 0 records" },
	{ "same-id", "popinjay-secrets:1:2 "GOOD" "GOOD,
	  "two records have the same id" },
	{ "field-missing", "popinjay-secrets:1:1 id=00000001;label=a",
	  "a record is cut off or has unknown fields" },
	{ "id", "popinjay-secrets:1:1 "FIELDS("0000000g", "a", "APOP", "", ""),
	  "a record's field id is invalid" },
	{ "label", "popinjay-secrets:1:1 "
	  FIELDS("00000001", "a/b", "APOP", "", ""),
	  "a record's field label is invalid" },
	{ "mechs", "popinjay-secrets:1:1 "
	  FIELDS("00000001", "a", "NTLM", "", ""),
	  "a record's field mechs is invalid" },
	{ "mechs-order", "popinjay-secrets:1:1 "
	  FIELDS("00000001", "a", "APOP,PLAIN", "", ""),
	  "a record is not in its canonical form" },
	{ "nets", "popinjay-secrets:1:1 "
	  FIELDS("00000001", "a", "APOP", "192.0.2.0/33", ""),
	  "a record's field nets is invalid" },
	{ "services", "popinjay-secrets:1:1 "
	  FIELDS("00000001", "a", "APOP", ";services=pop3,lmtp", ""), NULL },
	{ "services-none", "popinjay-secrets:1:1 "
	  FIELDS("00000001", "a", "APOP", ";services=", ""),
	  "a record's field services is invalid" },
	{ "services-unknown", "popinjay-secrets:1:1 "
	  FIELDS("00000001", "a", "APOP", ";services=xmpp", ""),
	  "a record's field services is invalid" },
	{ "services-all-and-one", "popinjay-secrets:1:1 "
	  FIELDS("00000001", "a", "APOP", ";services=pop3,all", ""),
	  "a record's field services is invalid" },
	{ "services-order", "popinjay-secrets:1:1 "
	  FIELDS("00000001", "a", "APOP", ";services=imap,pop3", ""),
	  "a record is not in its canonical form" },
	{ "services-twice", "popinjay-secrets:1:1 "
	  FIELDS("00000001", "a", "APOP", ";services=pop3;services=pop3", ""),
	  "a record is cut off or has unknown fields" },
	/* as an older version reads a newer one's */
	{ "unknown-field", "popinjay-secrets:1:1 "
	  FIELDS("00000001", "a", "APOP", ";quota=5", ""),
	  "a record is cut off or has unknown fields" },
	{ "flags", "popinjay-secrets:1:1 "
	  FIELDS("00000001", "a", "APOP", "", "x"),
	  "a record's field flags is invalid" },
	{ "flags-twice", "popinjay-secrets:1:1 "
	  FIELDS("00000001", "a", "APOP", "", "gg"),
	  "a record is not in its canonical form" },
};

static void test_value(gconstpointer data)
{
	const struct value_case *c = data;
	ARRAY_TYPE(popinjay_secret) secrets;
	const char *error = NULL;
	int ret = popinjay_secrets_parse(c->value, pool_datastack_create(),
					 &secrets, &error);

	g_assert_cmpstr(error, ==, c->error);
	g_assert_cmpint(ret, ==, c->error == NULL ? 0 : -1);
}

static void test_limits_of_mechs(void)
{
	struct popinjay_secret_keys *keys = keys_of("k1 "KEY1" current");
	pool_t pool = pool_datastack_create();
	struct popinjay_secret secret;
	const char *error;

	/* nobody's typed secret is recoverable */
	secret_init(&secret, "00000001", POPINJAY_SECRET_MECH_PLAIN |
		    POPINJAY_SECRET_MECH_CRAM_MD5);
	secret.generated = FALSE;
	g_assert_cmpint(popinjay_secret_seal(&secret, pool, keys, USER,
					     "typed", &error), ==, -1);
	/* PLAIN alone gets the slow hash then */
	secret.mechs = POPINJAY_SECRET_MECH_PLAIN;
	g_assert_cmpint(popinjay_secret_seal(&secret, pool, keys, USER,
					     "typed", &error), ==, 0);
	g_assert_cmpstr(secret.plain, ==, "");
	g_assert_true(g_str_has_prefix(secret.scram_sha256, "15000,"));

	/* without the secret no mechanism can be added */
	secret_init(&secret, "00000001", POPINJAY_SECRET_MECH_PLAIN);
	g_assert_cmpint(popinjay_secret_seal(&secret, pool, keys, USER,
					     "text", &error), ==, 0);
	secret.mechs |= POPINJAY_SECRET_MECH_APOP;
	g_assert_cmpint(popinjay_secret_seal(&secret, pool, keys, USER, NULL,
					     &error), ==, -1);
	secret.mechs = POPINJAY_SECRET_MECH_SCRAM_SHA256;
	g_assert_cmpint(popinjay_secret_seal(&secret, pool, keys, USER, NULL,
					     &error), ==, -1);
	/* and one that is taken away leaves nothing */
	secret_init(&secret, "00000001", POPINJAY_SECRET_MECHS_DEFAULT);
	g_assert_cmpint(popinjay_secret_seal(&secret, pool, keys, USER,
					     "text", &error), ==, 0);
	secret.mechs = POPINJAY_SECRET_MECH_SCRAM_SHA256;
	g_assert_cmpint(popinjay_secret_seal(&secret, pool, keys, USER, NULL,
					     &error), ==, 0);
	g_assert_cmpstr(secret.plain, ==, "");
	g_assert_cmpstr(secret.scram_sha1, ==, "");
	g_assert_cmpstr(secret.scram_sha256, !=, "");
	popinjay_secret_keys_free(&keys);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	lib_init();
	g_test_add_func("/seal/round-trip", test_round_trip);
	g_test_add_func("/seal/known-answer", test_known_answer);
	g_test_add_func("/seal/fresh-nonce", test_nonce_is_fresh);
	g_test_add_func("/seal/each-bit-flipped", test_each_bit_flipped);
	g_test_add_func("/seal/each-cut", test_each_cut);
	g_test_add_func("/seal/other-user-or-key", test_other_user_or_key);
	g_test_add_func("/seal/mechs", test_limits_of_mechs);
	ADD_CASES("/value/", value_cases, test_value);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
