/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A target of libFuzzer for what reads text about secrets: records from the
   store, key and configuration files, login names, and what clients send. The
   first byte of the input says which; tests/fuzz/run builds and runs it.

   Beside crashes and wrong memory it looks for what must never be: a record
   that opens though it is not one that was sealed, or that is written otherwise
   than it was read. */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "str.h"
#include "secret-config.h"
#include "secret-key.h"
#include "secret-login.h"
#include "secret-record.h"
#include "secret-text.h"
#include "secret-verifier.h"

#include <stdio.h>

#define KEYS \
	"k1 000102030405060708090a0b0c0d0e0f" \
	"101112131415161718191a1b1c1d1e1f current\n" \
	"k2 f00102030405060708090a0b0c0d0e0f" \
	"101112131415161718191a1b1c1d1e1f\n"
#define USER "joe@example.com"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct popinjay_secret_keys *keys;
/* what a user has in the store, rightly */
static char *sealed;

static void must(bool condition, const char *what)
{
	if (!condition) {
		fprintf(stderr, "must not be: %s\n", what);
		abort();
	}
}

static void add_secret(ARRAY_TYPE(popinjay_secret) *secrets, const char *id,
		       enum popinjay_secret_mech mechs, bool generated)
{
	struct popinjay_secret secret;
	const char *error;

	i_zero(&secret);
	secret.id = id;
	secret.label = t_strconcat("label-", id, NULL);
	secret.created = 1700000000;
	secret.expires = 1900000000;
	secret.mechs = mechs;
	secret.nets = "192.0.2.0/24,2001:db8::/32";
	secret.plain = secret.scram_sha1 = secret.scram_sha256 = "";
	secret.generated = generated;
	must(popinjay_secret_seal(&secret, pool_datastack_create(), keys, USER,
				  generated ? popinjay_secret_text_generate() :
				  "typed", &error) == 0, error);
	array_push_back(secrets, &secret);
}

int LLVMFuzzerInitialize(int *argc ATTR_UNUSED, char ***argv ATTR_UNUSED)
{
	ARRAY_TYPE(popinjay_secret) secrets;
	const char *error;

	lib_init();
	T_BEGIN {
		must(popinjay_secret_keys_parse(KEYS, &keys, &error) == 0,
		     error);
		t_array_init(&secrets, 3);
		add_secret(&secrets, "00000001", ~0U & 0x3f, TRUE);
		add_secret(&secrets, "00000002", POPINJAY_SECRET_MECHS_DEFAULT,
			   TRUE);
		add_secret(&secrets, "00000003", POPINJAY_SECRET_MECHS_DEFAULT,
			   FALSE);
		sealed = i_strdup(popinjay_secrets_format(&secrets));
	} T_END;
	return 0;
}

static void open_records(const char *value)
{
	ARRAY_TYPE(popinjay_secret) secrets;
	const struct popinjay_secret *secret;
	const char *text, *error;

	if (popinjay_secrets_parse(value, pool_datastack_create(), &secrets,
				   &error) < 0) {
		must(*error != '\0', "no reason");
		return;
	}
	array_foreach(&secrets, secret) {
		struct popinjay_secret_login login = {
			.mech = POPINJAY_SECRET_MECH_PLAIN, .service = "pop3",
			.now = 1800000000
		};
		const char *record = t_strconcat(secret->sealed_fields,
						 secret->seal, NULL);

		(void)popinjay_secret_login_refusal(secret, &login);
		if (popinjay_secret_open(secret, keys, USER, &text,
					 &error) < 0)
			continue;
		must(strstr(sealed, record) != NULL, "a forged record");
		must(popinjay_secret_open(secret, keys, "joe", &text,
					  &error) < 0, "another's record");
	}
	must(strcmp(popinjay_secrets_format(&secrets), value) == 0,
	     "a record that is written otherwise");
}

/* Change the right value in the places that the input names, so that the fuzzer
   need not find its form by itself. */
static void change_records(const uint8_t *data, size_t size)
{
	string_t *value = t_str_new(4096);
	size_t i, len = strlen(sealed);

	str_append(value, sealed);
	for (i = 0; i + 3 <= size; i += 3) {
		size_t pos = (data[i] << 8 | data[i + 1]) % len;
		char c = data[i + 2];

		/* a text has no NUL */
		if (c != '\0')
			*(str_c_modifiable(value) + pos) = c;
	}
	open_records(str_c(value));
}

static void verify(const char *text)
{
	const char *const *parts = t_strsplit(text, "|");

	if (str_array_length(parts) < 2)
		return;
	(void)popinjay_verifier_plain_check(parts[0], parts[1]);
	/* what takes long is not what is looked for */
	if (strtoul(parts[0], NULL, 10) > 10)
		return;
	(void)popinjay_verifier_scram_check(POPINJAY_SCRAM_SHA1, parts[0],
					    parts[1]);
	(void)popinjay_verifier_scram_check(POPINJAY_SCRAM_SHA256, parts[0],
					    parts[1]);
}

static void parse_keys(const char *text)
{
	struct popinjay_secret_keys *parsed;
	const char *error;

	if (popinjay_secret_keys_parse(text, &parsed, &error) < 0) {
		must(*error != '\0', "no reason");
		return;
	}
	must(popinjay_secret_keys_current(parsed) != NULL, "no current key");
	popinjay_secret_keys_free(&parsed);
}

static void parse_config(const char *text)
{
	struct popinjay_secret_config config;
	const char *error;

	if (popinjay_secret_config_parse(text, pool_datastack_create(),
					 &config, &error) < 0)
		return;
	must(*config.dict != '\0' && *config.key_file != '\0' &&
	     config.apop_max_age_secs > 0, "an incomplete configuration");
}

static void split_name(const char *text)
{
	const char *user, *label;

	if (!popinjay_secret_login_split(text, "+", &user, &label))
		return;
	must(popinjay_secret_label_is_valid(label), "an invalid label");
	must(strlen(user) + 1 + strlen(label) == strlen(text),
	     "a name that has lost something");
}

static void parse_apop(const uint8_t *data, size_t size)
{
	const unsigned char *digest;
	const char *challenge;
	time_t made;

	if (popinjay_apop_parse(data, size, &challenge, &digest) < 0)
		return;
	must(digest + POPINJAY_APOP_DIGEST_BYTES == data + size,
	     "a digest beyond the data");
	(void)popinjay_apop_challenge_time(challenge, &made);
	(void)popinjay_apop_matches(challenge, "x", digest);
}

static void parse_text(const char *text)
{
	const char *normal = popinjay_secret_text_normalize(text);
	enum popinjay_secret_mech mechs;
	const char *error;

	if (popinjay_secret_text_is_valid(text))
		must(normal != NULL && strcmp(normal, text) == 0,
		     "a secret that is not as it was printed");
	(void)popinjay_secret_mechs_parse(text, &mechs, &error);
	(void)popinjay_secret_nets_check(text, &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	T_BEGIN {
		const char *text = t_strndup(data + 1, size - 1);

		switch (data[0] % 8) {
		case 0:
			open_records(text);
			break;
		case 1:
			change_records(data + 1, size - 1);
			break;
		case 2:
			parse_keys(text);
			break;
		case 3:
			parse_config(text);
			break;
		case 4:
			split_name(text);
			break;
		case 5:
			parse_apop(data + 1, size - 1);
			break;
		case 6:
			verify(text);
			break;
		case 7:
			parse_text(text);
			break;
		}
	} T_END;
	return 0;
}
