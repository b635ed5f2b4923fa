/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SECRET_LOGIN_H
#define POPINJAY_SECRET_LOGIN_H

#include "net.h"
#include "secret-record.h"

/* What a login is judged by, besides the secret. */
struct popinjay_secret_login {
	enum popinjay_secret_mech mech;
	struct ip_addr remote_ip;
	/* as Dovecot names it: "pop3", "imap", ... */
	const char *service;
	bool tls;
	/* TLS, or a connection that is as safe */
	bool secured;
	time_t now;
	/* NULL: any */
	const char *label;
};

/* Returns NULL if the secret may be used for the login, or else why not, for
   the administrator, in the data stack. It says nothing about whether the
   client knows it. */
const char *
popinjay_secret_login_refusal(const struct popinjay_secret *secret,
			      const struct popinjay_secret_login *login);

/* Split a login name that names a secret, too: "joe+phone" and
   "joe+phone@example.com" are user joe (of example.com) and label phone. The
   last separator of the part before the first "@" counts, or else the last of
   all ("joe@example.com+phone"). Returns TRUE, or FALSE if separator is "" or
   the name does not have that form. Results are in the data stack. */
bool popinjay_secret_login_split(const char *name, const char *separator,
				 const char **user_r, const char **label_r);

/* Returns TRUE if checking whether a text is the secret takes a slow password
   hash, because only a verifier of SCRAM is stored. */
bool popinjay_secret_plain_is_slow(const struct popinjay_secret *secret,
				   const char *opened_text);

/* Returns TRUE if text is the secret of a record that was opened:
   opened_text is what popinjay_secret_open() gave for it. */
bool popinjay_secret_plain_matches(const struct popinjay_secret *secret,
				   const char *opened_text, const char *text);

/* --- APOP (RFC 1939 section 7) --- */

#define POPINJAY_APOP_DIGEST_BYTES 16

/* Parse the request that pop3-login sends: challenge, NUL, user, NUL, 16 bytes
   of digest. Returns 0, or -1 if it has another form. *challenge_r is in the
   data stack, *digest_r points into data. */
int popinjay_apop_parse(const unsigned char *data, size_t size,
			const char **challenge_r,
			const unsigned char **digest_r);

/* Get the time at which a challenge was made: Dovecot's are
   "<PID.CONNECTION.TIME.RANDOM@HOST>" with hexadecimal numbers. Returns 0, or
   -1 if it has another form. */
int popinjay_apop_challenge_time(const char *challenge, time_t *time_r);

/* Returns TRUE if digest is MD5 of challenge and text. Takes the same time
   wherever the digests differ. */
bool popinjay_apop_matches(const char *challenge, const char *text,
			   const unsigned char *digest);

#endif
