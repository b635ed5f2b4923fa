/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The auth process: libauthdb_popinjay.so, the passdb "popinjay". It looks up
   the user's secrets without blocking, and what it finds verifies a password
   or is given to the mechanism. A user without secrets is unknown here, so that
   the site's next passdb is asked. */

#include "auth-common.h"
#include "ioloop.h"
#include "passdb.h"
#include "auth-fields.h"
#include "auth-settings.h"
#include "apop-replay.h"
#include "secret-config.h"
#include "secret-key.h"
#include "secret-login.h"
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

	struct popinjay_secret_login login;
	/* whose secrets are looked for */
	const char *user;
	/* verify_plain */
	const char *password;
	/* APOP */
	const char *challenge;
	const unsigned char *digest;
	const char *challenge_refusal;
};

struct finding {
	/* the secret that is the client's, or serves the mechanism */
	const struct popinjay_secret *secret;
	/* what it was opened to, or NULL */
	const char *text;
	/* why there is none */
	const char *refusal;
	/* a record could not be opened */
	bool damaged;
};

static struct event_category event_category_popinjay = {
	.name = "popinjay"
};

static struct event *lookup_event(struct lookup *lookup, const char *name)
{
	struct event *event = event_create(authdb_event(lookup->request));

	event_add_category(event, &event_category_popinjay);
	event_add_str(event, "mechanism",
		      popinjay_secret_mechs_str(lookup->login.mech));
	event_set_name(event, name);
	return event;
}

static void log_store_failed(struct lookup *lookup, const char *error)
{
	struct event *event =
		lookup_event(lookup, "popinjay_auth_store_failed");

	event_add_str(event, "error", error);
	e_error(event, "popinjay: The secrets of user %s cannot be used: %s",
		lookup->user, error);
	event_unref(&event);
}

static void log_refused(struct lookup *lookup, const char *reason)
{
	struct event *event = lookup_event(lookup, "popinjay_auth_refused");

	event_add_str(event, "reason", reason);
	e_info(event, "popinjay: refused: %s", reason);
	event_unref(&event);
}

/* --- the secrets of a user --- */

static bool
secret_matches(const struct lookup *lookup,
	       const struct popinjay_secret *secret, const char *text)
{
	if (lookup->password != NULL) {
		return popinjay_secret_plain_matches(secret, text,
						     lookup->password);
	}
	if (lookup->challenge != NULL) {
		return text != NULL && secret->generated &&
			popinjay_apop_matches(lookup->challenge, text,
					      lookup->digest);
	}
	/* the mechanism will see */
	return TRUE;
}

/* Goes through all secrets whatever it finds. Where several may serve, which
   is so when the client's password is not known here, the newest does. */
static void
find_secret(struct lookup *lookup, const char *user,
	    const ARRAY_TYPE(popinjay_secret) *secrets,
	    struct finding *finding)
{
	const struct popinjay_secret *secret;
	const char *text, *refusal, *error;

	i_zero(finding);
	finding->refusal = "no secret matches";
	array_foreach(secrets, secret) {
		if (popinjay_secret_open(secret, lookup->db->keys, user, &text,
					 &error) < 0) {
			log_store_failed(lookup, t_strdup_printf(
				"Secret %s: %s", secret->id, error));
			finding->damaged = TRUE;
			continue;
		}
		refusal = popinjay_secret_login_refusal(secret,
							&lookup->login);
		if (!secret_matches(lookup, secret, text))
			continue;
		if (refusal == NULL)
			refusal = lookup->challenge_refusal;
		if (refusal == NULL) {
			finding->secret = secret;
			finding->text = text;
		} else {
			finding->refusal = t_strdup_printf(
				"secret %s (%s): %s", secret->id,
				secret->label, refusal);
		}
	}
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
	/* These fields make no complete reply of userdb prefetch. */
	bool prefetch = request->userdb_prefetch_set;
	const char *credentials = text, *scheme = "PLAIN";

	auth_request_set_field(request, "userdb_popinjay_secret_id",
			       secret->id, NULL);
	auth_request_set_field(request, "userdb_popinjay_secret_label",
			       secret->label, NULL);
	if (secret->read_only) {
		auth_request_set_field(request,
				       "userdb_popinjay_secret_read_only",
				       "yes", NULL);
	}
	request->userdb_prefetch_set = prefetch;
	if (lookup->login.label != NULL)
		auth_request_set_field(request, "user", lookup->user, NULL);
	popinjay_used_watch(request, lookup->db, lookup->user, secret);

	if (lookup->login.mech == POPINJAY_SECRET_MECH_SCRAM_SHA1) {
		credentials = secret->scram_sha1;
		scheme = "SCRAM-SHA-1";
	} else if (lookup->login.mech == POPINJAY_SECRET_MECH_SCRAM_SHA256) {
		credentials = secret->scram_sha256;
		scheme = "SCRAM-SHA-256";
	}
	finish(lookup, PASSDB_RESULT_OK, credentials, scheme);
}

static void
lookup_value(struct lookup *lookup, int ret, const char *value,
	     const char *error)
{
	ARRAY_TYPE(popinjay_secret) secrets;
	struct finding finding;
	pool_t pool = pool_datastack_create();

	if (ret > 0 && popinjay_secrets_parse(value, pool, &secrets,
					      &error) < 0)
		ret = -1;
	if (ret < 0) {
		log_store_failed(lookup, error);
		finish(lookup, PASSDB_RESULT_INTERNAL_FAILURE, NULL, NULL);
	} else if (ret == 0 || array_count(&secrets) == 0) {
		/* the same work as for a user who has a secret */
		if (array_is_created(&lookup->db->dummies)) {
			find_secret(lookup, DUMMY_USER, &lookup->db->dummies,
				    &finding);
		}
		finish(lookup, PASSDB_RESULT_USER_UNKNOWN, NULL, NULL);
	} else {
		find_secret(lookup, lookup->user, &secrets, &finding);
		if (finding.secret != NULL) {
			finish_found(lookup, finding.secret, finding.text);
			return;
		}
		if (finding.damaged) {
			finish(lookup, PASSDB_RESULT_INTERNAL_FAILURE, NULL,
			       NULL);
			return;
		}
		log_refused(lookup, finding.refusal);
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
	const char *user, *label;

	lookup->request = request;
	lookup->db = db;
	lookup->login.mech = fields->mech_name == NULL ? 0 :
		popinjay_secret_mech_find(fields->mech_name);
	lookup->login.remote_ip = fields->remote_ip;
	lookup->login.service = fields->service;
	lookup->login.tls = fields->secured == AUTH_REQUEST_SECURED_TLS;
	lookup->login.now = ioloop_time;
	if (popinjay_secret_login_split(fields->user, db->config.separator,
					&user, &label)) {
		lookup->user = p_strdup(request->pool, user);
		lookup->login.label = p_strdup(request->pool, label);
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
		/* No login: somebody asks whether there is such a user, as
		   userdb static does. That is not ours to say, whatever
		   result_failure is. */
		finish(lookup, PASSDB_RESULT_NEXT, NULL, NULL);
	} else if (lookup->login.mech == 0) {
		/* no mechanism of ours */
		finish(lookup, PASSDB_RESULT_USER_UNKNOWN, NULL, NULL);
	} else if (db->store == NULL) {
		log_store_failed(lookup, db->error);
		finish(lookup, PASSDB_RESULT_INTERNAL_FAILURE, NULL, NULL);
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
	lookup->password = password;
	lookup_start(lookup);
}

static void
passdb_popinjay_lookup_credentials(struct auth_request *request,
				   lookup_credentials_callback_t *callback)
{
	struct lookup *lookup = lookup_new(request);
	const char *challenge;

	lookup->lookup_credentials = callback;
	if (*request->wanted_credentials_scheme == '\0' ||
	    lookup->login.mech == POPINJAY_SECRET_MECH_PLAIN) {
		/* somebody wants to see a password */
		lookup->login.mech = 0;
	}
	if (lookup->login.mech == POPINJAY_SECRET_MECH_APOP) {
		if (lookup->db->replay == NULL ||
		    popinjay_apop_parse(request->initial_response,
					request->initial_response_len,
					&challenge, &lookup->digest) < 0)
			lookup->login.mech = 0;
		else {
			lookup->challenge = p_strdup(request->pool, challenge);
			lookup->challenge_refusal = popinjay_apop_replay_use(
				lookup->db->replay, challenge, ioloop_time);
		}
	}
	lookup_start(lookup);
}

/* --- the database --- */

static void dummies_init(struct popinjay_passdb *db, pool_t pool)
{
	struct popinjay_secret secret;
	const char *error;

	i_zero(&secret);
	secret.id = secret.label = "00000000";
	secret.mechs = ~0U;
	secret.nets = secret.plain = "";
	secret.scram_sha1 = secret.scram_sha256 = "";
	secret.generated = TRUE;
	if (popinjay_secret_seal(&secret, pool, db->keys, DUMMY_USER,
				 popinjay_secret_text_generate(), &error) < 0)
		i_fatal("popinjay: %s", error);
	p_array_init(&db->dummies, pool, 1);
	array_push_back(&db->dummies, &secret);
}

/* Runs as root, so the key file need not be readable for anybody else. What is
   wrong here fails logins, but not those of other passdbs. */
static struct passdb_module *
passdb_popinjay_preinit(pool_t pool, const char *args)
{
	struct popinjay_passdb *db = p_new(pool, struct popinjay_passdb, 1);
	const char *path = *args == '\0' ?
		POPINJAY_SECRET_CONFIG_DEFAULT_PATH : args;
	const char *error;

	/* no default_cache_key: an answer for one login is none for another */
	db->module.default_pass_scheme = "PLAIN";
	db->config.separator = "";
	if (popinjay_secret_config_read(path, pool, &db->config, &error) < 0) {
		i_error("popinjay: %s", error);
		db->error = p_strdup(pool, error);
	} else if (popinjay_secret_keys_read(db->config.key_file, &db->keys,
					     &error) < 0) {
		i_error("popinjay: key_file: %s", error);
	} else {
		dummies_init(db, pool);
	}
	return &db->module;
}

static void passdb_popinjay_init(struct passdb_module *module)
{
	struct popinjay_passdb *db = (struct popinjay_passdb *)module;
	const char *error;

	if (db->error != NULL)
		return;
	if (global_auth_settings->debug_passwords) {
		i_warning("popinjay: With auth_debug_passwords=yes Dovecot "
			  "logs app secrets");
	}
	db->replay =
		popinjay_apop_replay_create(db->config.apop_max_age_secs);
	popinjay_used_init(db);
	if (popinjay_secret_store_init(db->config.dict,
				       global_auth_settings->base_dir,
				       auth_event, &db->store, &error) < 0) {
		i_error("popinjay: %s", error);
		db->error = i_strdup(error);
	}
}

static void passdb_popinjay_deinit(struct passdb_module *module)
{
	struct popinjay_passdb *db = (struct popinjay_passdb *)module;

	popinjay_secret_store_deinit(&db->store);
	popinjay_used_deinit(db);
	popinjay_apop_replay_free(&db->replay);
	popinjay_secret_keys_free(&db->keys);
}

struct passdb_module_interface popinjay_passdb_interface = {
	.name = "popinjay",

	.preinit = passdb_popinjay_preinit,
	.init = passdb_popinjay_init,
	.deinit = passdb_popinjay_deinit,

	.verify_plain = passdb_popinjay_verify_plain,
	.lookup_credentials = passdb_popinjay_lookup_credentials
};
