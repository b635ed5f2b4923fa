/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The auth process: libauthdb_popinjay.so, the passdb "popinjay". It looks up
   the user's secrets without blocking, and verifies the password with them or
   hands one to the mechanism. A user without secrets is unknown here, so that
   the site's next passdb is asked. */

#include "auth-headers.h"
#include "ioloop.h"
#include "auth-fields.h"
#include "auth-settings.h"
#include "apop-replay.h"
#include "compat-auth.h"
#include "configuration.h"
#include "secret-key.h"
#include "secret-text.h"
#include "store.h"
#include "popinjay-passdb.h"
#include "used.h"

#define DUMMY_USER "nobody"

struct lookup {
	struct auth_request *request;
	struct popinjay_passdb *db;
	/* one of them */
	verify_plain_callback_t *verify_plain;
	lookup_credentials_callback_t *lookup_credentials;

	struct popinjay_attempt attempt;
	/* whose secrets are looked up */
	const char *user;
};

static struct event_category event_category_popinjay = {
	.name = "popinjay"
};

/* Its log lines begin with the name of the passdb. */
static struct event *lookup_event(struct lookup *lookup, const char *name)
{
	struct event *event = event_create(authdb_event(lookup->request));

	event_add_category(event, &event_category_popinjay);
	event_add_str(event, "mechanism",
		      popinjay_secret_mechs_str(lookup->attempt.login.mech));
	event_set_name(event, name);
	return event;
}

static void log_store_failed(struct lookup *lookup, const char *error)
{
	struct event *event =
		lookup_event(lookup, "popinjay_auth_store_failed");

	event_add_str(event, "error", error);
	e_error(event, "The secrets of user %s cannot be used: %s",
		lookup->user, error);
	event_unref(&event);
}

static void
log_refused(struct lookup *lookup, const struct popinjay_finding *finding)
{
	struct event *event = lookup_event(lookup, "popinjay_auth_refused");

	if (finding->limited) {
		/* Whoever knows the secret is not guessing: the administrator
		   will want to know why, even without auth_verbose. */
		event_set_min_log_level(event, LOG_TYPE_INFO);
	}
	event_add_str(event, "reason", finding->refusal);
	e_info(event, "refused: %s", finding->refusal);
	event_unref(&event);
}

/* --- the end of a lookup --- */

static void
finish(struct lookup *lookup, enum passdb_result result,
       const char *credentials, const char *scheme)
{
	struct auth_request *request = lookup->request;

	if (lookup->verify_plain != NULL)
		lookup->verify_plain(result, request);
	else {
		passdb_handle_credentials(result, credentials, scheme,
					  lookup->lookup_credentials, request);
	}
	auth_request_unref(&request);
}

static void
finish_found(struct lookup *lookup, const struct popinjay_secret *secret,
	     const char *text)
{
	struct auth_request *request = lookup->request;
	/* These fields alone are not a complete reply for userdb prefetch. */
	bool prefetch = request->userdb_prefetch_set;
	const char *credentials = text, *scheme = "PLAIN";
	enum popinjay_secret_mech mech = lookup->attempt.login.mech;

	auth_request_set_field(request, "userdb_popinjay_secret_id",
			       secret->id, NULL);
	auth_request_set_field(request, "userdb_popinjay_secret_label",
			       secret->label, NULL);
	if (secret->delete_action == POPINJAY_SECRET_DELETE_REFUSE) {
		auth_request_set_field(request,
				       "userdb_popinjay_secret_read_only",
				       "yes", NULL);
		/* Only our plugin stops the client from deleting. That must
		   not depend on mail_plugins: this field loads the plugin,
		   and where it is not installed the session fails. */
		auth_request_set_field(request, POPINJAY_FIELD_PLUGIN,
				       POPINJAY_FIELD_PLUGIN_VALUE, NULL);
	}
	request->userdb_prefetch_set = prefetch;
	if (lookup->attempt.login.label != NULL)
		auth_request_set_field(request, "user", lookup->user, NULL);
	/* what the administrator set for this passdb comes last */
	if (popinjay_auth_add_passdb_fields(request) < 0) {
		finish(lookup, PASSDB_RESULT_INTERNAL_FAILURE, NULL, NULL);
		return;
	}
	popinjay_used_watch(request, lookup->db->used, lookup->user,
			    secret);

	if (mech == POPINJAY_SECRET_MECH_SCRAM_SHA1) {
		credentials = secret->scram_sha1;
		scheme = "SCRAM-SHA-1";
	} else if (mech == POPINJAY_SECRET_MECH_SCRAM_SHA256) {
		credentials = secret->scram_sha256;
		scheme = "SCRAM-SHA-256";
	}
	finish(lookup, PASSDB_RESULT_OK, credentials, scheme);
}

static void
lookup_value(struct lookup *lookup, int ret, const char *value,
	     const char *error)
{
	struct popinjay_passdb *db = lookup->db;
	ARRAY_TYPE(popinjay_secret) secrets;
	struct popinjay_finding finding;
	pool_t pool = pool_datastack_create();

	if (ret > 0 && popinjay_secrets_parse(value, pool, &secrets,
					      &error) < 0)
		ret = -1;
	if (ret < 0) {
		log_store_failed(lookup, error);
		finish(lookup, PASSDB_RESULT_INTERNAL_FAILURE, NULL, NULL);
		return;
	}
	if (ret == 0 || array_count(&secrets) == 0) {
		/* take as long as for a user who has a secret */
		if (db->dummy_value != NULL &&
		    popinjay_secrets_parse(db->dummy_value, pool, &secrets,
					   &error) == 0) {
			popinjay_find_secret(db, DUMMY_USER, &lookup->attempt,
					     &secrets, &finding);
		}
		finish(lookup, PASSDB_RESULT_USER_UNKNOWN, NULL, NULL);
		return;
	}
	popinjay_find_secret(db, lookup->user, &lookup->attempt, &secrets,
			     &finding);
	if (finding.damage != NULL)
		log_store_failed(lookup, finding.damage);
	if (finding.secret != NULL)
		finish_found(lookup, finding.secret, finding.text);
	else if (finding.damage != NULL)
		finish(lookup, PASSDB_RESULT_INTERNAL_FAILURE, NULL, NULL);
	else {
		log_refused(lookup, &finding);
		finish(lookup, PASSDB_RESULT_PASSWORD_MISMATCH, NULL, NULL);
	}
}

static void
lookup_callback(int ret, const char *value, const char *error, void *context)
{
	struct lookup *lookup = context;

	T_BEGIN {
		lookup_value(lookup, ret, value, error);
	} T_END;
}

/* --- the start of a lookup --- */

static struct lookup *lookup_new(struct auth_request *request)
{
	const struct auth_request_fields *fields = &request->fields;
	struct popinjay_passdb *db =
		(struct popinjay_passdb *)request->passdb->passdb;
	struct lookup *lookup = p_new(request->pool, struct lookup, 1);
	struct popinjay_secret_login *login = &lookup->attempt.login;
	const char *user, *label;

	lookup->request = request;
	lookup->db = db;
	login->mech = fields->mech_name == NULL ? 0 :
		popinjay_secret_mech_find(fields->mech_name);
	login->remote_ip = fields->remote_ip;
	login->service = popinjay_auth_service(request);
	login->tls = popinjay_auth_is_tls(request);
	login->secured = popinjay_auth_is_secured(request);
	login->now = ioloop_time;
	if (popinjay_secret_login_split(fields->user, db->config.separator,
					&user, &label)) {
		lookup->user = p_strdup(request->pool, user);
		login->label = p_strdup(request->pool, label);
		lookup->attempt.refusal =
			popinjay_label_refusal(request, user);
	} else {
		lookup->user = p_strdup(request->pool, fields->user);
	}
	auth_request_ref(request);
	return lookup;
}

static void lookup_start(struct lookup *lookup)
{
	struct popinjay_passdb *db = lookup->db;

	if (lookup->request->fields.mech_name == NULL &&
	    lookup->request->passdb->next != NULL) {
		/* Not a login: userdb static, say, asks whether the user
		   exists. The next passdb decides that, whatever
		   result_failure is. */
		finish(lookup, PASSDB_RESULT_NEXT, NULL, NULL);
	} else if (db->store == NULL) {
		/* first of all: without a store nobody is unknown */
		log_store_failed(lookup, db->error);
		finish(lookup, PASSDB_RESULT_INTERNAL_FAILURE, NULL, NULL);
	} else if (lookup->attempt.login.mech == 0) {
		/* not a mechanism that secrets serve */
		finish(lookup, PASSDB_RESULT_USER_UNKNOWN, NULL, NULL);
	} else if (!popinjay_secret_store_user_is_valid(lookup->user)) {
		/* no store can have this name, so nobody has secrets by it */
		lookup_callback(0, NULL, NULL, lookup);
	} else {
		popinjay_secret_store_lookup_async(db->store, lookup->user,
						   lookup_callback, lookup);
	}
}

static void
passdb_popinjay_verify_plain(struct auth_request *request,
			     const char *password,
			     verify_plain_callback_t *callback)
{
	struct lookup *lookup = lookup_new(request);

	lookup->verify_plain = callback;
	lookup->attempt.password = password;
	lookup_start(lookup);
}

static void
passdb_popinjay_lookup_credentials(struct auth_request *request,
				   lookup_credentials_callback_t *callback)
{
	struct lookup *lookup = lookup_new(request);
	const char *challenge, *refusal;

	lookup->lookup_credentials = callback;
	if (*request->wanted_credentials_scheme == '\0' ||
	    lookup->attempt.login.mech == POPINJAY_SECRET_MECH_PLAIN) {
		/* this would show the password */
		lookup->attempt.login.mech = 0;
	}
	if (lookup->attempt.login.mech == POPINJAY_SECRET_MECH_APOP) {
		if (lookup->db->replay == NULL) {
			/* there is no store either */
		} else if (popinjay_apop_parse(request->initial_response,
					request->initial_response_len,
					&challenge,
					&lookup->attempt.digest) < 0) {
			lookup->attempt.login.mech = 0;
		} else {
			lookup->attempt.challenge =
				p_strdup(request->pool, challenge);
			refusal = popinjay_apop_replay_use(lookup->db->replay,
							   challenge,
							   ioloop_time);
			if (refusal != NULL)
				lookup->attempt.refusal = refusal;
		}
	}
	lookup_start(lookup);
}

/* --- the database --- */

static void dummy_init(struct popinjay_passdb *db, pool_t pool)
{
	ARRAY_TYPE(popinjay_secret) secrets;
	struct popinjay_secret secret;
	const char *error;

	i_zero(&secret);
	secret.id = secret.label = "00000000";
	secret.mechs = ~0U;
	secret.services = POPINJAY_SECRET_SERVICE_ALL;
	secret.nets = secret.plain = "";
	secret.scram_sha1 = secret.scram_sha256 = "";
	secret.generated = TRUE;
	if (popinjay_secret_seal(&secret, pool, db->keys, DUMMY_USER,
				 popinjay_secret_text_generate(), &error) < 0)
		i_fatal("popinjay: %s", error);
	t_array_init(&secrets, 1);
	array_push_back(&secrets, &secret);
	db->dummy_value = p_strdup(pool, popinjay_secrets_format(&secrets));
}

/* Runs as root, so nobody else needs to read the key file. An error here fails
   logins with secrets, but not those of other passdbs. */
static struct passdb_module *
passdb_create(pool_t pool, struct event *event, const char *args)
{
	struct popinjay_passdb *db = p_new(pool, struct popinjay_passdb, 1);
	const char *error;

	/* no default_cache_key: the answer to one login is wrong for another */
	db->module.default_pass_scheme = "PLAIN";
	db->event = event;
	if (event != NULL)
		event_ref(event);
	if (popinjay_secret_config_get(event, args, pool, &db->config,
				       &error) < 0) {
		i_error("popinjay: %s", error);
		db->error = p_strdup(pool, error);
	} else if (popinjay_secret_keys_read(db->config.key_file, &db->keys,
					     &error) < 0) {
		i_error("popinjay: key_file: %s", error);
	} else {
		dummy_init(db, pool);
	}
	return &db->module;
}
POPINJAY_PASSDB_PREINIT(passdb_popinjay_preinit, passdb_create)

static void passdb_popinjay_init(struct passdb_module *module)
{
	struct popinjay_passdb *db = (struct popinjay_passdb *)module;
	const char *error;

	if (db->error != NULL)
		return;
	if (global_auth_settings->debug_passwords) {
		i_warning("popinjay: auth_debug_passwords=yes makes Dovecot "
			  "log app secrets: set it to no");
	}
	if (popinjay_secret_store_init(db->config.dict,
				       global_auth_settings->base_dir,
				       db->event == NULL ? auth_event :
				       db->event, &db->store, &error) < 0) {
		i_error("popinjay: %s", error);
		db->error = i_strdup(error);
		return;
	}
	db->replay =
		popinjay_apop_replay_create(db->config.apop_max_age_secs);
	db->used = popinjay_used_create(db->store);
}

static void passdb_popinjay_deinit(struct passdb_module *module)
{
	struct popinjay_passdb *db = (struct popinjay_passdb *)module;

	/* pending look-ups may still find a secret, so this comes first */
	popinjay_secret_store_deinit(&db->store);
	popinjay_used_free(&db->used);
	popinjay_apop_replay_free(&db->replay);
	popinjay_secret_keys_free(&db->keys);
	event_unref(&db->event);
}

struct passdb_module_interface popinjay_passdb_interface = {
	.name = "popinjay",

	.preinit = passdb_popinjay_preinit,
	.init = passdb_popinjay_init,
	.deinit = passdb_popinjay_deinit,

	.verify_plain = passdb_popinjay_verify_plain,
	.lookup_credentials = passdb_popinjay_lookup_credentials
};
