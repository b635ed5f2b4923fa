/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SECRETS_H
#define SECRETS_H

/* A private Dovecot whose first passdb is ours. Its second one knows every
   user by FIXTURE_PASSWORD. */

#include "pop3.h"

enum secrets_store {
	SECRETS_SQLITE,
	SECRETS_FS,
	SECRETS_REDIS,
	SECRETS_PGSQL
};

struct secrets {
	struct fixture *f;
	/* keys, store and configuration are in it */
	char *dir;
	char *key_file;
	enum secrets_store store;

	/* of Redis and PostgreSQL */
	pid_t server_pid;
	guint16 server_port;
};

struct secrets_options {
	enum secrets_store store;
	/* the second passdb has the password itself, so that it, too, serves
	   all mechanisms; else it has a hash */
	gboolean plain;
	/* as in fixture_options */
	gboolean fast_logins;
	/* further settings, or NULL */
	const char *config;
	/* a "NAME = VALUE" that our passdb adds to what it finds, or NULL */
	const char *fields;
	/* our passdb lacks a setting */
	gboolean broken;
	/* what stands before our passdb, or NULL */
	const char *before;
};

/* Start it. */
struct secrets *secrets_new_with(const struct secrets_options *options);

/* Start it with further settings, or NULL. plain is as above. */
struct secrets *
secrets_new(enum secrets_store store, gboolean plain, const char *config);
/* End it. */
void secrets_free(struct secrets *s);

/* --- stores.c --- */

/* Make the store, and start its server. */
void secrets_store_init(struct secrets *s);

/* The store as Dovecot's configuration has a dict popinjay. */
char *secrets_store_config(const struct secrets *s);

/* Stop the store's server, or start it again with what it had. SQLite and files
   have none: they are moved away and back. */
void secrets_store_stop(struct secrets *s);
/* As above. */
void secrets_store_start(struct secrets *s);

/* The first block of the man page that has text in it. */
char *secrets_man_block(const char *text);

/* Write a file of that mode. */
void secrets_write_file(const char *path, const char *text, mode_t mode);
/* Remove a directory with all in it. */
void secrets_remove(const char *dir);

/* --- secrets.c --- */

/* Write the key file. Dovecot has to be told by a restart. */
void secrets_set_keys(struct secrets *s, const char *text);

/* Add a secret to the user with further arguments of doveadm, which end with
   NULL. Returns its text; *id_r (may be NULL) is its id. */
char *secrets_add(struct secrets *s, const char *user, char **id_r, ...)
	G_GNUC_NULL_TERMINATED;

/* Run "doveadm popinjay secret COMMAND -u USER ARGS" with input. Returns its
   exit status; what it wrote is in out_r, which may be NULL. */
int secrets_doveadm(struct secrets *s, const char *command, const char *user,
		    const char *input, char **out_r, ...)
	G_GNUC_NULL_TERMINATED;

/* The user's value in the store, or NULL. */
char *secrets_get_value(struct secrets *s, const char *user);
/* Write a value there. */
void secrets_set_value(struct secrets *s, const char *user, const char *value);
/* Write any key. */
void secrets_set_dict(struct secrets *s, const char *key, const char *value);

/* Log in with the mechanism: PLAIN (by USER and PASS), APOP, CRAM-MD5,
   SCRAM-SHA-1, SCRAM-SHA-256. Returns the last reply, without CRLF. When that
   is "+OK" the session is in *session_r, if that is not NULL. */
char *secrets_login(struct secrets *s, enum pop3_security security,
		    const char *mech, const char *user, const char *text,
		    struct pop3 **session_r);

/* What a client answers to a challenge of CRAM-MD5 (RFC 2195). */
char *secrets_cram_md5_response(const char *challenge, const char *user,
				const char *text);

/* The argument of APOP for a greeting. */
char *secrets_apop_digest(const struct pop3 *pop3, const char *text);

#endif
