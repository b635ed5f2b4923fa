/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SECRET_RECORD_H
#define POPINJAY_SECRET_RECORD_H

/* A user's secrets as the store keeps them: one text for each user,

     popinjay-secrets:1:COUNT RECORD RECORD ...

   and each record is fields, NAME=VALUE, joined by ";". Its last field, seal,
   is AES-256-GCM of the secret, or of nothing when only verifiers are stored.
   It also authenticates the user's name and all other fields, so without the
   key nobody can move a record to another user or change its limits. */

struct popinjay_secret_keys;

/* A user has at most this many secrets that a person chose, because comparing
   with one takes a slow hash. */
#define POPINJAY_SECRETS_TYPED_MAX 3

enum popinjay_secret_mech {
	/* also LOGIN, and USER with PASS */
	POPINJAY_SECRET_MECH_PLAIN = 0x01,
	POPINJAY_SECRET_MECH_APOP = 0x02,
	POPINJAY_SECRET_MECH_CRAM_MD5 = 0x04,
	POPINJAY_SECRET_MECH_DIGEST_MD5 = 0x08,
	/* each also with -PLUS */
	POPINJAY_SECRET_MECH_SCRAM_SHA1 = 0x10,
	POPINJAY_SECRET_MECH_SCRAM_SHA256 = 0x20
};

/* These need the secret itself; verifiers suffice for the others. */
#define POPINJAY_SECRET_MECHS_RECOVERABLE \
	(POPINJAY_SECRET_MECH_APOP | POPINJAY_SECRET_MECH_CRAM_MD5 | \
	 POPINJAY_SECRET_MECH_DIGEST_MD5)
/* What a new secret allows by default. */
#define POPINJAY_SECRET_MECHS_DEFAULT \
	(POPINJAY_SECRET_MECH_PLAIN | POPINJAY_SECRET_MECH_SCRAM_SHA1 | \
	 POPINJAY_SECRET_MECH_SCRAM_SHA256)

/* Where a secret lets its user log in, as Dovecot names services. */
enum popinjay_secret_service {
	POPINJAY_SECRET_SERVICE_POP3 = 0x01,
	POPINJAY_SECRET_SERVICE_IMAP = 0x02,
	/* of another server that asks Dovecot, as Postfix does */
	POPINJAY_SECRET_SERVICE_SMTP = 0x04,
	/* Dovecot's own submission server */
	POPINJAY_SECRET_SERVICE_SUBMISSION = 0x08,
	/* ManageSieve */
	POPINJAY_SECRET_SERVICE_SIEVE = 0x10,
	POPINJAY_SECRET_SERVICE_LMTP = 0x20,
	/* these and any other */
	POPINJAY_SECRET_SERVICE_ALL = 0x40
};

/* What DELE does in a session that was opened with a secret: later ones allow
   less. */
enum popinjay_secret_delete {
	/* what it does for the user */
	POPINJAY_SECRET_DELETE_NATIVE,
	POPINJAY_SECRET_DELETE_REFUSE
};

struct popinjay_secret {
	/* eight hexadecimal digits, unique among those of the user */
	const char *id;
	/* unique among those of the user, whatever the case */
	const char *label;
	time_t created;
	/* 0: never */
	time_t expires;
	enum popinjay_secret_mech mechs;
	/* networks in CIDR form joined by ",", "" for all */
	const char *nets;
	/* 0 in a record that is older than this field */
	enum popinjay_secret_service services;
	enum popinjay_secret_delete delete_action;
	bool tls_optional;
	/* made by popinjay_secret_text_generate(), not by a person */
	bool generated;

	/* see secret-verifier.h; "" when there is none */
	const char *plain, *scram_sha1, *scram_sha256;

	const char *key_id;
	/* The record up to and with ";seal=", and nonce, ciphertext and tag in
	   base64. Set by parsing and by sealing. */
	const char *sealed_fields, *seal;
};
ARRAY_DEFINE_TYPE(popinjay_secret, struct popinjay_secret);

/* Parse names of mechanisms, separated by spaces or commas. Returns 0, or -1
   with the reason in error_r. */
int popinjay_secret_mechs_parse(const char *names,
				enum popinjay_secret_mech *mechs_r,
				const char **error_r);
/* Returns the mechanism of that SASL name, or 0 if secrets do not serve it. */
enum popinjay_secret_mech popinjay_secret_mech_find(const char *name);
/* Returns the names, joined by commas, in the data stack. */
const char *popinjay_secret_mechs_str(enum popinjay_secret_mech mechs);

/* Parse names of services, separated by spaces or commas. Returns 0, or -1 with
   the reason in error_r. */
int popinjay_secret_services_parse(const char *names,
				   enum popinjay_secret_service *services_r,
				   const char **error_r);
/* Returns the names of the services that the secret serves, joined by commas,
   in the data stack. */
const char *
popinjay_secret_services_str(const struct popinjay_secret *secret);
/* Returns TRUE if the secret serves the service of that name. */
bool popinjay_secret_serves(const struct popinjay_secret *secret,
			    const char *service);

/* Parse "native" or "refuse". Returns 0, or -1 if it is neither. */
int popinjay_secret_delete_parse(const char *name,
				 enum popinjay_secret_delete *action_r);
/* Returns that name. */
const char *popinjay_secret_delete_str(enum popinjay_secret_delete action);
/* Returns TRUE if the secret allows less of the INBOX than its user may do.
   Only a POP3 session sees to that, so it serves nothing else. */
bool popinjay_secret_has_view_limits(const struct popinjay_secret *secret);

/* Returns TRUE if label is 1-64 letters, digits, ".", "_" and "-". */
bool popinjay_secret_label_is_valid(const char *label);
/* Returns 0 if nets is networks joined by "," or "", else -1 with the reason
   in error_r. */
int popinjay_secret_nets_check(const char *nets, const char **error_r);

/* Returns TRUE if the record keeps the secret itself. */
bool popinjay_secret_is_recoverable(const struct popinjay_secret *secret);

/* Fill in verifiers for text as secret->mechs and secret->generated want it,
   and seal the record with the current key. All strings are of pool. text may
   be NULL for a record that has its verifiers and is not recoverable. Returns
   0, or -1 with the reason in error_r: a mechanism that needs the text gets
   none, or gets one that was not generated. */
int popinjay_secret_seal(struct popinjay_secret *secret, pool_t pool,
			 const struct popinjay_secret_keys *keys,
			 const char *user, const char *text,
			 const char **error_r);

/* Check that the record is the user's and unchanged, and open it. *text_r is
   the secret, in the data stack, or NULL if the record is not recoverable.
   keys may be NULL. Returns 0, or -1 with the reason in error_r. */
int popinjay_secret_open(const struct popinjay_secret *secret,
			 const struct popinjay_secret_keys *keys,
			 const char *user, const char **text_r,
			 const char **error_r);

/* Parse what popinjay_secrets_format() wrote. Strings are of pool. Returns 0,
   or -1 with the reason, which has no part of the value, in error_r. */
int popinjay_secrets_parse(const char *value, pool_t pool,
			   ARRAY_TYPE(popinjay_secret) *secrets_r,
			   const char **error_r);

/* Returns the user's secrets, all of them sealed, as one line of printable
   ASCII in the data stack. */
const char *
popinjay_secrets_format(const ARRAY_TYPE(popinjay_secret) *secrets);

/* Returns the secret of that id, or of that label, in capitals or not. NULL if
   there is none or more than one. */
struct popinjay_secret *
popinjay_secrets_find(const ARRAY_TYPE(popinjay_secret) *secrets,
		      const char *id_or_label);

#endif
