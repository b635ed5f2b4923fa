/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: verifiers of secrets, for PLAIN and for SCRAM (RFC 5802 and
   RFC 7677). All secrets are ASCII, as any other is refused, so SASLprep
   (RFC 4013) has nothing to change. */

#include "lib.h"
#include "base64.h"
#include "buffer.h"
#include "hmac.h"
#include "randgen.h"
#include "safe-memset.h"
#include "sha1.h"
#include "sha2.h"
#include "str.h"
#include "secret-verifier.h"

#include <openssl/evp.h>

#define SALT_BYTES 16
#define DIGEST_MAX_BYTES SHA256_RESULTLEN

static void append_base64(string_t *dest, const void *data, size_t size)
{
	base64_encode(data, size, dest);
}

static bool decode_base64(const char *text, buffer_t **data_r)
{
	*data_r = t_base64_decode_str(text);
	return (*data_r)->used > 0;
}

/* --- PLAIN --- */

static void
plain_hash(const void *salt, size_t salt_size, const char *secret,
	   unsigned char hash_r[SHA256_RESULTLEN])
{
	struct hmac_context ctx;

	hmac_init(&ctx, salt, salt_size, &hash_method_sha256);
	hmac_update(&ctx, secret, strlen(secret));
	hmac_final(&ctx, hash_r);
	safe_memset(&ctx, 0, sizeof(ctx));
}

const char *popinjay_verifier_plain_create(const char *secret)
{
	unsigned char salt[SALT_BYTES], hash[SHA256_RESULTLEN];
	string_t *dest = t_str_new(96);

	random_fill(salt, sizeof(salt));
	plain_hash(salt, sizeof(salt), secret, hash);
	append_base64(dest, salt, sizeof(salt));
	str_append_c(dest, ',');
	append_base64(dest, hash, sizeof(hash));
	return str_c(dest);
}

int popinjay_verifier_plain_check(const char *verifier, const char *secret)
{
	const char *const *parts = t_strsplit(verifier, ",");
	unsigned char hash[SHA256_RESULTLEN];
	buffer_t *salt, *expected;

	if (str_array_length(parts) != 2 ||
	    !decode_base64(parts[0], &salt) ||
	    !decode_base64(parts[1], &expected) ||
	    expected->used != sizeof(hash))
		return -1;
	plain_hash(salt->data, salt->used, secret, hash);
	return mem_equals_timing_safe(hash, expected->data, sizeof(hash)) ?
		1 : 0;
}

/* --- SCRAM --- */

static const struct hash_method *hash_method_of(enum popinjay_scram_hash hash)
{
	return hash == POPINJAY_SCRAM_SHA1 ?
		&hash_method_sha1 : &hash_method_sha256;
}

static void
scram_keys(enum popinjay_scram_hash hash, const char *secret,
	   unsigned int iterations, const void *salt, size_t salt_size,
	   unsigned char *stored_key_r, unsigned char *server_key_r)
{
	const struct hash_method *method = hash_method_of(hash);
	unsigned char salted[DIGEST_MAX_BYTES], client_key[DIGEST_MAX_BYTES];
	struct hmac_context ctx;

	if (PKCS5_PBKDF2_HMAC(secret, strlen(secret), salt, salt_size,
			      iterations, hash == POPINJAY_SCRAM_SHA1 ?
			      EVP_sha1() : EVP_sha256(), method->digest_size,
			      salted) != 1)
		i_fatal("PKCS5_PBKDF2_HMAC() failed");

	hmac_init(&ctx, salted, method->digest_size, method);
	hmac_update(&ctx, "Client Key", strlen("Client Key"));
	hmac_final(&ctx, client_key);
	hash_method_get_digest(method, client_key, method->digest_size,
			       stored_key_r);

	hmac_init(&ctx, salted, method->digest_size, method);
	hmac_update(&ctx, "Server Key", strlen("Server Key"));
	hmac_final(&ctx, server_key_r);

	safe_memset(&ctx, 0, sizeof(ctx));
	safe_memset(salted, 0, sizeof(salted));
	safe_memset(client_key, 0, sizeof(client_key));
}

const char *
popinjay_verifier_scram_create_with(enum popinjay_scram_hash hash,
				    const char *secret,
				    unsigned int iterations,
				    const void *salt, size_t salt_size)
{
	size_t size = hash_method_of(hash)->digest_size;
	unsigned char stored_key[DIGEST_MAX_BYTES];
	unsigned char server_key[DIGEST_MAX_BYTES];
	string_t *dest = t_str_new(160);

	scram_keys(hash, secret, iterations, salt, salt_size,
		   stored_key, server_key);
	str_printfa(dest, "%u,", iterations);
	append_base64(dest, salt, salt_size);
	str_append_c(dest, ',');
	append_base64(dest, stored_key, size);
	str_append_c(dest, ',');
	append_base64(dest, server_key, size);
	return str_c(dest);
}

const char *
popinjay_verifier_scram_create(enum popinjay_scram_hash hash,
			       const char *secret, unsigned int iterations)
{
	unsigned char salt[SALT_BYTES];

	random_fill(salt, sizeof(salt));
	return popinjay_verifier_scram_create_with(hash, secret, iterations,
						   salt, sizeof(salt));
}

int popinjay_verifier_scram_check(enum popinjay_scram_hash hash,
				  const char *verifier, const char *secret)
{
	size_t size = hash_method_of(hash)->digest_size;
	const char *const *parts = t_strsplit(verifier, ",");
	unsigned char stored_key[DIGEST_MAX_BYTES];
	unsigned char server_key[DIGEST_MAX_BYTES];
	buffer_t *salt, *expected;
	unsigned int iterations;

	if (str_array_length(parts) != 4 ||
	    str_to_uint(parts[0], &iterations) < 0 || iterations == 0 ||
	    iterations > POPINJAY_SCRAM_ITERATIONS_MAX ||
	    !decode_base64(parts[1], &salt) ||
	    !decode_base64(parts[2], &expected) || expected->used != size)
		return -1;
	scram_keys(hash, secret, iterations, salt->data, salt->used,
		   stored_key, server_key);
	return mem_equals_timing_safe(stored_key, expected->data, size) ?
		1 : 0;
}
