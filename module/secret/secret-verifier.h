/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SECRET_VERIFIER_H
#define POPINJAY_SECRET_VERIFIER_H

/* What proves that somebody knows a secret, without holding the secret. */

enum popinjay_scram_hash {
	POPINJAY_SCRAM_SHA1,
	POPINJAY_SCRAM_SHA256
};

/* RFC 7677 section 4 wants 4096 or more. A generated secret cannot be guessed
   however fast the guesses are; one that a person typed can. */
#define POPINJAY_SCRAM_ITERATIONS 4096
#define POPINJAY_SCRAM_ITERATIONS_TYPED 15000
/* With more, a single login could block the server. */
#define POPINJAY_SCRAM_ITERATIONS_MAX 100000

/* Returns "SALT,HASH" in base64: HMAC-SHA-256 of the secret with a random salt.
   For generated secrets only: a hash this fast does not make those guessable.
   */
const char *popinjay_verifier_plain_create(const char *secret);

/* Returns 1 if the secret matches the verifier, 0 if not, -1 if the verifier is
   malformed. Takes the same time for all secrets of the same length. */
int popinjay_verifier_plain_check(const char *verifier, const char *secret);

/* Returns "ITERATIONS,SALT,STORED_KEY,SERVER_KEY" (RFC 5802 section 3), the
   last three in base64, which is also Dovecot's form of it. */
const char *
popinjay_verifier_scram_create(enum popinjay_scram_hash hash,
			       const char *secret, unsigned int iterations);
/* The same with a given salt. */
const char *
popinjay_verifier_scram_create_with(enum popinjay_scram_hash hash,
				    const char *secret,
				    unsigned int iterations,
				    const void *salt, size_t salt_size);

/* Returns as popinjay_verifier_plain_check(). */
int popinjay_verifier_scram_check(enum popinjay_scram_hash hash,
				  const char *verifier, const char *secret);

#endif
