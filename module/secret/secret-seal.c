/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: seals records of secrets with AES-256-GCM (NIST SP 800-38D). */

#include "lib.h"
#include "array.h"
#include "base64.h"
#include "buffer.h"
#include "randgen.h"
#include "str.h"
#include "secret-key.h"
#include "secret-record.h"
#include "secret-record-private.h"
#include "secret-verifier.h"

#include <openssl/evp.h>

/* Random nonces of this size are safe for 2^32 seals of one key. */
#define NONCE_BYTES 12
#define TAG_BYTES 16
#define TEXT_MAX_BYTES 1024

/* Returns what is authenticated besides the secret. The length of the user's
   name separates it unambiguously from the fields. */
static string_t *additional_data(const char *user, const char *fields)
{
	string_t *aad = t_str_new(1024);

	str_printfa(aad, "popinjay-secret:1:%zu:%s:%s", strlen(user), user,
		    fields);
	return aad;
}

static int
gcm(bool encrypt, const unsigned char *key, const unsigned char *nonce,
    const string_t *aad, const unsigned char *input, size_t input_size,
    unsigned char *output_r, unsigned char *tag)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int len, ok = 1;

	if (ctx == NULL)
		i_fatal_status(FATAL_OUTOFMEM, "EVP_CIPHER_CTX_new() failed");
	ok = EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce,
			       encrypt ? 1 : 0) == 1 &&
		EVP_CipherUpdate(ctx, NULL, &len, str_data(aad),
				 str_len(aad)) == 1 &&
		(input_size == 0 ||
		 EVP_CipherUpdate(ctx, output_r, &len, input,
				  input_size) == 1) &&
		(encrypt ||
		 EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES,
				     tag) == 1) &&
		/* GCM has no bytes left to write here */
		EVP_CipherFinal_ex(ctx, output_r, &len) == 1 &&
		(!encrypt ||
		 EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES,
				     tag) == 1);
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : -1;
}

static void
create_verifiers(struct popinjay_secret *secret, pool_t pool, const char *text)
{
	bool plain = (secret->mechs & POPINJAY_SECRET_MECH_PLAIN) != 0;
	unsigned int iterations = secret->generated ?
		POPINJAY_SCRAM_ITERATIONS : POPINJAY_SCRAM_ITERATIONS_TYPED;

	secret->plain = secret->scram_sha1 = secret->scram_sha256 = "";
	if (plain && secret->generated) {
		secret->plain = p_strdup(pool,
			popinjay_verifier_plain_create(text));
	}
	if ((secret->mechs & POPINJAY_SECRET_MECH_SCRAM_SHA1) != 0) {
		secret->scram_sha1 = p_strdup(pool,
			popinjay_verifier_scram_create(POPINJAY_SCRAM_SHA1,
						       text, iterations));
	}
	/* a typed secret needs the slow hash for PLAIN, too */
	if ((secret->mechs & POPINJAY_SECRET_MECH_SCRAM_SHA256) != 0 ||
	    (plain && !secret->generated)) {
		secret->scram_sha256 = p_strdup(pool,
			popinjay_verifier_scram_create(POPINJAY_SCRAM_SHA256,
						       text, iterations));
	}
}

static bool has_verifiers(const struct popinjay_secret *secret)
{
	bool plain = (secret->mechs & POPINJAY_SECRET_MECH_PLAIN) != 0;

	return (!plain || !secret->generated || *secret->plain != '\0') &&
		((secret->mechs & POPINJAY_SECRET_MECH_SCRAM_SHA1) == 0 ||
		 *secret->scram_sha1 != '\0') &&
		(((secret->mechs & POPINJAY_SECRET_MECH_SCRAM_SHA256) == 0 &&
		  (!plain || secret->generated)) ||
		 *secret->scram_sha256 != '\0');
}

/* A verifier that no mechanism uses any more only helps a thief. */
static void drop_verifiers(struct popinjay_secret *secret)
{
	bool plain = (secret->mechs & POPINJAY_SECRET_MECH_PLAIN) != 0;

	if (!plain)
		secret->plain = "";
	if ((secret->mechs & POPINJAY_SECRET_MECH_SCRAM_SHA1) == 0)
		secret->scram_sha1 = "";
	if ((secret->mechs & POPINJAY_SECRET_MECH_SCRAM_SHA256) == 0 &&
	    !(plain && !secret->generated))
		secret->scram_sha256 = "";
}

int popinjay_secret_seal(struct popinjay_secret *secret, pool_t pool,
			 const struct popinjay_secret_keys *keys,
			 const char *user, const char *text,
			 const char **error_r)
{
	const struct popinjay_secret_key *key =
		popinjay_secret_keys_current(keys);
	unsigned char tag[TAG_BYTES], nonce[NONCE_BYTES];
	unsigned char output[TEXT_MAX_BYTES + EVP_MAX_BLOCK_LENGTH];
	bool recoverable = popinjay_secret_is_recoverable(secret);
	size_t size = 0;
	string_t *str;
	buffer_t *blob;

	if (recoverable && !secret->generated) {
		*error_r = "APOP, CRAM-MD5 and DIGEST-MD5 need a generated "
			"secret: use add";
		return -1;
	}
	if (text == NULL && (recoverable || !has_verifiers(secret))) {
		*error_r = "That mechanism needs the secret itself, which is "
			"not stored: add a new secret";
		return -1;
	}
	if (text != NULL && strlen(text) > TEXT_MAX_BYTES) {
		*error_r = "The secret is too long";
		return -1;
	}
	if (text != NULL && !has_verifiers(secret))
		create_verifiers(secret, pool, text);
	drop_verifiers(secret);
	if (recoverable)
		size = strlen(text);

	secret->key_id = p_strdup(pool, key->id);
	str = t_str_new(512);
	popinjay_secret_append_fields(secret, str);
	secret->sealed_fields = p_strdup(pool, str_c(str));

	random_fill(nonce, sizeof(nonce));
	if (gcm(TRUE, key->key, nonce,
		additional_data(user, secret->sealed_fields),
		(const unsigned char *)text, size, output, tag) < 0) {
		*error_r = "AES-256-GCM failed";
		return -1;
	}
	blob = t_buffer_create(sizeof(nonce) + size + sizeof(tag));
	buffer_append(blob, nonce, sizeof(nonce));
	buffer_append(blob, output, size);
	buffer_append(blob, tag, sizeof(tag));
	secret->seal = p_strdup(pool, str_c(t_base64_encode(0, 0, blob->data,
							    blob->used)));
	return 0;
}

int popinjay_secret_open(const struct popinjay_secret *secret,
			 const struct popinjay_secret_keys *keys,
			 const char *user, const char **text_r,
			 const char **error_r)
{
	const struct popinjay_secret_key *key;
	const unsigned char *nonce, *input;
	unsigned char tag[TAG_BYTES];
	unsigned char output[TEXT_MAX_BYTES + EVP_MAX_BLOCK_LENGTH];
	const buffer_t *blob = t_base64_decode_str(secret->seal);
	size_t size;

	*text_r = NULL;
	if (keys == NULL) {
		*error_r = "there are no keys";
		return -1;
	}
	key = popinjay_secret_keys_find(keys, secret->key_id);
	if (key == NULL) {
		*error_r = t_strdup_printf("there is no key %s",
					   secret->key_id);
		return -1;
	}
	if (blob->used < NONCE_BYTES + TAG_BYTES ||
	    blob->used > NONCE_BYTES + TEXT_MAX_BYTES + TAG_BYTES ||
	    /* a seal can be written in one way only */
	    strcmp(str_c(t_base64_encode(0, 0, blob->data, blob->used)),
		   secret->seal) != 0) {
		*error_r = "its seal is damaged";
		return -1;
	}
	size = blob->used - NONCE_BYTES - TAG_BYTES;
	nonce = blob->data;
	input = nonce + NONCE_BYTES;
	memcpy(tag, input + size, sizeof(tag));
	if (gcm(FALSE, key->key, nonce,
		additional_data(user, secret->sealed_fields), input, size,
		output, tag) < 0) {
		*error_r = t_strdup_printf("it does not open with key %s: "
			"it was changed, belongs to another user, or was "
			"sealed with another key of that name", secret->key_id);
		return -1;
	}
	if ((size > 0) != popinjay_secret_is_recoverable(secret)) {
		*error_r = "its seal does not hold what its mechanisms need";
		return -1;
	}
	if (size > 0)
		*text_r = t_strndup(output, size);
	return 0;
}
