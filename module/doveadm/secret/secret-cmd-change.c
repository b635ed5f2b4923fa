/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm popinjay secret add, set, revoke, rekey and import. */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "hex-binary.h"
#include "ioloop.h"
#include "randgen.h"
#include "str.h"
#include "doveadm-print.h"
#include "input.h"
#include "secret-cmd.h"
#include "secret-key.h"
#include "secret-sockets.h"
#include "secret-text.h"
#include "store.h"

#include <sysexits.h>

#define ID_BYTES 4
#define SECRETS_MAX 100
#define PASSWD_FILE_MAX_BYTES (256 * 1024 * 1024)

static const char *new_id(const struct secret_cmd *cmd)
{
	const struct popinjay_secret *secret;
	unsigned char bytes[ID_BYTES];
	const char *id;
	bool taken;

	do {
		random_fill(bytes, sizeof(bytes));
		id = binary_to_hex(bytes, sizeof(bytes));
		taken = FALSE;
		array_foreach(&cmd->secrets, secret) {
			if (strcmp(secret->id, id) == 0)
				taken = TRUE;
		}
	} while (taken);
	return id;
}

static bool label_is_taken(const struct secret_cmd *cmd, const char *label,
			   const struct popinjay_secret *except)
{
	const struct popinjay_secret *secret;

	array_foreach(&cmd->secrets, secret) {
		if (secret != except && strcasecmp(secret->label, label) == 0)
			return TRUE;
	}
	return FALSE;
}

/* Change the secret as the options say, and seal it with its text. self is the
   same secret among the user's, or NULL if it is new. Returns 0, or -1 after
   secret_cmd_fail(). */
static int
apply_and_seal(struct secret_cmd *cmd, struct popinjay_secret *secret,
	       const struct popinjay_secret *self, const char *text)
{
	const char *error;

	if (secret_cmd_apply_options(cmd, secret, &error) < 0) {
		secret_cmd_fail(cmd, EX_USAGE, "%s", error);
		return -1;
	}
	if (label_is_taken(cmd, secret->label, self)) {
		secret_cmd_fail(cmd, EX_DATAERR,
				"There already is a secret with the label %s",
				secret->label);
		return -1;
	}
	if (popinjay_secret_seal(secret, pool_datastack_create(), cmd->keys,
				 cmd->user, text, &error) < 0) {
		secret_cmd_fail(cmd, EX_DATAERR, "%s", error);
		return -1;
	}
	return 0;
}

static unsigned int typed_count(const struct secret_cmd *cmd)
{
	const struct popinjay_secret *secret;
	unsigned int count = 0;

	array_foreach(&cmd->secrets, secret) {
		if (!secret->generated)
			count++;
	}
	return count;
}

/* Add a secret with that text to the user's. */
static int
add_secret(struct secret_cmd *cmd, const char *text, bool generated,
	   const char *label, struct popinjay_secret *secret)
{
	i_zero(secret);
	secret->id = new_id(cmd);
	secret->label = label;
	secret->created = ioloop_time;
	secret->mechs = POPINJAY_SECRET_MECHS_DEFAULT;
	secret->nets = "";
	secret->services = POPINJAY_SECRET_SERVICE_POP3;
	secret->plain = secret->scram_sha1 = secret->scram_sha256 = "";
	secret->generated = generated;

	if (array_count(&cmd->secrets) >= SECRETS_MAX) {
		secret_cmd_fail(cmd, EX_DATAERR,
				"The user already has %u secrets: revoke one",
				SECRETS_MAX);
		return -1;
	}
	if (!generated && typed_count(cmd) >= POPINJAY_SECRETS_TYPED_MAX) {
		secret_cmd_fail(cmd, EX_DATAERR, "The user already has %u "
			"imported secrets: revoke one",
			POPINJAY_SECRETS_TYPED_MAX);
		return -1;
	}
	if (apply_and_seal(cmd, secret, NULL, text) < 0)
		return -1;
	array_push_back(&cmd->secrets, secret);
	return secret_cmd_save(cmd);
}

static int forget_used(struct secret_cmd *cmd, const char *id)
{
	const char *error;

	if (popinjay_secret_store_unset_used(cmd->store, cmd->user, id,
					     &error) < 0) {
		secret_cmd_fail(cmd, EX_TEMPFAIL, "The old secret no longer "
			"works, but the record of its use could not be "
			"removed: %s", error);
		return -1;
	}
	return 0;
}

/* --- add --- */

static void warn_once(struct secret_cmd *cmd)
{
	const char *warning;

	if (cmd->warned)
		return;
	cmd->warned = TRUE;
	T_BEGIN {
		warning = secret_sockets_warning(&cmd->config);
		if (warning != NULL)
			i_warning("%s", warning);
	} T_END;
}

/* Put a new text in the place of an old one. The id stays, and with it what a
   session has hidden from whoever has the secret. */
static int
replace_secret(struct secret_cmd *cmd, const char *text,
	       struct popinjay_secret *secret_r)
{
	struct popinjay_secret *secret = secret_cmd_find(cmd, cmd->replaces);

	if (secret == NULL)
		return -1;
	secret->created = ioloop_time;
	secret->generated = TRUE;
	secret->plain = secret->scram_sha1 = secret->scram_sha256 = "";
	if (apply_and_seal(cmd, secret, secret, text) < 0)
		return -1;
	if (secret->expires != 0 && secret->expires <= ioloop_time) {
		secret_cmd_fail(cmd, EX_DATAERR, "The secret %s has expired, "
			"and so would the new one: add -e <expiry>",
			cmd->replaces);
		return -1;
	}
	*secret_r = *secret;
	return secret_cmd_save(cmd);
}

static int add_run(struct secret_cmd *cmd)
{
	const char *text = popinjay_secret_text_generate();
	struct popinjay_secret secret;
	int ret;

	if (cmd->label == NULL && cmd->replaces == NULL) {
		secret_cmd_fail(cmd, EX_USAGE,
				"Give the secret a label: -l <label>");
		return -1;
	}
	ret = cmd->replaces != NULL ? replace_secret(cmd, text, &secret) :
		add_secret(cmd, text, TRUE, cmd->label, &secret);
	if (ret < 0)
		return -1;
	popinjay_rows_next(&cmd->output);
	doveadm_print(secret.id);
	doveadm_print(secret.label);
	doveadm_print(text);
	doveadm_print(popinjay_secret_services_str(&secret));
	warn_once(cmd);
	return cmd->replaces == NULL ? 0 : forget_used(cmd, secret.id);
}

static const char *const add_headers[] = {
	"id", "label", "secret", "services", NULL
};

const struct secret_cmd_vfuncs secret_cmd_add = {
	.headers = add_headers,
	.writes = TRUE,
	.needs_account = TRUE,
	.run = add_run
};

/* --- set --- */

static int set_run(struct secret_cmd *cmd)
{
	struct popinjay_secret *secret = secret_cmd_find(cmd, cmd->secret);
	const char *text, *error;

	if (secret == NULL)
		return -1;
	if (popinjay_secret_open(secret, cmd->keys, cmd->user, &text,
				 &error) < 0) {
		secret_cmd_fail(cmd, EX_TEMPFAIL, "%s", error);
		return -1;
	}
	if (apply_and_seal(cmd, secret, secret, text) < 0)
		return -1;
	return secret_cmd_save(cmd);
}

const struct secret_cmd_vfuncs secret_cmd_set = {
	.writes = TRUE,
	.wants_secret = TRUE,
	.run = set_run
};

/* --- revoke --- */

static int revoke_all(struct secret_cmd *cmd)
{
	const struct popinjay_secret *secret;
	ARRAY_TYPE(popinjay_secret) revoked;
	int ret = 0;

	if (array_count(&cmd->secrets) == 0)
		return 0;
	t_array_init(&revoked, array_count(&cmd->secrets));
	array_append_array(&revoked, &cmd->secrets);
	array_clear(&cmd->secrets);
	if (secret_cmd_save(cmd) < 0)
		return -1;
	array_foreach(&revoked, secret) {
		if (forget_used(cmd, secret->id) < 0)
			ret = -1;
	}
	return ret;
}

static int revoke_run(struct secret_cmd *cmd)
{
	struct popinjay_secret *secret;
	const char *id;

	if (cmd->all)
		return revoke_all(cmd);
	secret = secret_cmd_find(cmd, cmd->secret);
	if (secret == NULL)
		return -1;
	id = secret->id;
	array_delete(&cmd->secrets, array_ptr_to_idx(&cmd->secrets, secret),
		     1);
	return secret_cmd_save(cmd) < 0 ? -1 : forget_used(cmd, id);
}

/* Without keys: the other secrets are written back as they were. */
const struct secret_cmd_vfuncs secret_cmd_revoke = {
	.writes = TRUE,
	.wants_secret = TRUE,
	.opens_none = TRUE,
	.run = revoke_run
};

/* --- rekey --- */

/* A user's secrets are written once, after all of them are sealed again. So a
   rekey that was stopped leaves each user with either the old key or the new
   one, and continues there when it is run again. */
static int rekey_run(struct secret_cmd *cmd)
{
	const struct popinjay_secret_key *key =
		popinjay_secret_keys_current(cmd->keys);
	struct popinjay_secret *secret;
	const char *text, *error;
	unsigned int moved = 0;

	if (array_count(&cmd->secrets) == 0)
		return 0;
	array_foreach_modifiable(&cmd->secrets, secret) {
		if (strcmp(secret->key_id, key->id) == 0)
			continue;
		if (popinjay_secret_open(secret, cmd->keys, cmd->user, &text,
					 &error) < 0 ||
		    popinjay_secret_seal(secret, pool_datastack_create(),
					 cmd->keys, cmd->user, text,
					 &error) < 0) {
			secret_cmd_fail(cmd, EX_TEMPFAIL, "Secret %s: %s",
					secret->id, error);
			return -1;
		}
		moved++;
	}
	if (moved > 0 && secret_cmd_save(cmd) < 0)
		return -1;
	popinjay_rows_next(&cmd->output);
	doveadm_print_num(moved);
	doveadm_print_num(array_count(&cmd->secrets));
	return 0;
}

static const char *const rekey_headers[] = { "moved", "secrets", NULL };

const struct secret_cmd_vfuncs secret_cmd_rekey = {
	.headers = rekey_headers,
	.writes = TRUE,
	.run = rekey_run
};

/* --- import --- */

static bool is_printable_ascii(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text < 0x20 || *text > 0x7e)
			return FALSE;
	}
	return TRUE;
}

/* Returns TRUE if the line was "user:{PLAIN}password:...". */
static bool read_password(struct secret_cmd *cmd, const char *line)
{
	static const char *const schemes[] = {
		"{PLAIN}", "{CLEAR}", "{CLEARTEXT}"
	};
	const char *const *fields = t_strsplit(line, ":");
	const char *user, *password;
	unsigned int i;

	if (str_array_length(fields) < 2 || *fields[0] == '\0')
		return FALSE;
	for (i = 0; i < N_ELEMENTS(schemes); i++) {
		size_t len = strlen(schemes[i]);

		if (strncasecmp(fields[1], schemes[i], len) != 0)
			continue;
		user = p_strdup(cmd->ctx.pool, fields[0]);
		password = p_strdup(cmd->ctx.pool, fields[1] + len);
		hash_table_update(cmd->passwords, user, password);
		return TRUE;
	}
	return FALSE;
}

/* Lines with other schemes are left out: a hash cannot be turned into another
   verifier. */
static int read_passwords(struct secret_cmd *cmd)
{
	unsigned int number = 0, first_left = 0, left = 0;
	string_t *text = str_new(cmd->ctx.pool, 1024);
	const char *line, *const *linep;

	if (popinjay_input_read(&cmd->ctx, PASSWD_FILE_MAX_BYTES, text) < 0)
		return -1;
	hash_table_create(&cmd->passwords, cmd->ctx.pool, 0, str_hash, strcmp);
	for (linep = t_strsplit(str_c(text), "\n"); *linep != NULL; linep++) {
		number++;
		line = t_str_rtrim(*linep, "\r");
		if (*line == '\0' || *line == '#' || read_password(cmd, line))
			continue;
		if (left++ == 0)
			first_left = number;
	}
	if (left > 0) {
		i_warning("Left out %u lines that are not "
			  "user:{PLAIN}password (hashes cannot be imported); "
			  "the first is line %u", left, first_left);
	}
	return 0;
}

static int import_run(struct secret_cmd *cmd)
{
	const char *password, *label;
	struct popinjay_secret secret;

	if (!hash_table_is_created(cmd->passwords) && read_passwords(cmd) < 0)
		return -1;
	password = hash_table_lookup(cmd->passwords, cmd->user);
	if (password == NULL) {
		if (!cmd->ctx.iterate_single_user)
			return 0;
		secret_cmd_fail(cmd, EX_NOUSER, "The file has no {PLAIN} "
				"password of %s", cmd->user);
		return -1;
	}
	if (*password == '\0' || !is_printable_ascii(password)) {
		secret_cmd_fail(cmd, EX_DATAERR, "The password of %s is not "
				"printable ASCII", cmd->user);
		return -1;
	}
	label = cmd->label == NULL ? "imported" : cmd->label;
	if (!cmd->ctx.iterate_single_user && label_is_taken(cmd, label, NULL)) {
		/* an import continues after it was stopped */
		return 0;
	}
	if (add_secret(cmd, password, FALSE, label, &secret) < 0)
		return -1;
	popinjay_rows_next(&cmd->output);
	doveadm_print(secret.id);
	doveadm_print(secret.label);
	doveadm_print(popinjay_secret_services_str(&secret));
	return 0;
}

static const char *const import_headers[] = {
	"id", "label", "services", NULL
};

const struct secret_cmd_vfuncs secret_cmd_import = {
	.headers = import_headers,
	.writes = TRUE,
	.input = TRUE,
	.needs_account = TRUE,
	.run = import_run
};
