/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_COMPAT_AUTH_H
#define POPINJAY_COMPAT_AUTH_H

/* What differs between Dovecots for the auth process. Include it behind
   auth-headers.h. */

struct event;

/* Define the function NAME for a passdb's preinit. It calls
   create(pool, event, args), which returns the passdb. event finds the
   passdb's settings, and is NULL where args, the text of its setting of that
   name, does instead. */
#ifdef POPINJAY_HAVE_PASSDB_ARGS
#  define POPINJAY_PASSDB_PREINIT(name, create) \
static struct passdb_module *name(pool_t pool, const char *args) \
{ \
	return create(pool, NULL, args); \
}
#elif defined(POPINJAY_HAVE_PASSDB_PARAMETERS)
#  define POPINJAY_PASSDB_PREINIT(name, create) \
static int name(pool_t pool, struct event *event, \
		const struct passdb_parameters *params ATTR_UNUSED, \
		struct passdb_module **module_r, \
		const char **error_r ATTR_UNUSED) \
{ \
	*module_r = create(pool, event, NULL); \
	return 0; \
}
#else
#  define POPINJAY_PASSDB_PREINIT(name, create) \
static int name(pool_t pool, struct event *event, \
		struct passdb_module **module_r, \
		const char **error_r ATTR_UNUSED) \
{ \
	*module_r = create(pool, event, NULL); \
	return 0; \
}
#endif

/* A userdb field, and its value, that makes the session of the login load the
   mail plugin popinjay, or end when it cannot. */
#ifdef POPINJAY_HAVE_SETTINGS_GET
#  define POPINJAY_FIELD_PLUGIN "userdb_mail_plugins/popinjay"
#  define POPINJAY_FIELD_PLUGIN_VALUE "yes"
#else
#  define POPINJAY_FIELD_PLUGIN "userdb_mail_plugins+"
#  define POPINJAY_FIELD_PLUGIN_VALUE " popinjay"
#endif

/* Returns what the client logs in to: "pop3", "imap", ... */
const char *popinjay_auth_service(const struct auth_request *request);

/* Returns TRUE if the client's connection to Dovecot is secured by TLS. */
bool popinjay_auth_is_tls(const struct auth_request *request);
/* Returns TRUE if it is, or is called as safe by who asks. */
bool popinjay_auth_is_secured(const struct auth_request *request);

/* Add the fields that the passdb's configuration has to what the lookup gives.
   Returns 0, or -1 after it has logged why that cannot be done. */
int popinjay_auth_add_passdb_fields(struct auth_request *request);

typedef void popinjay_auth_end_t(struct auth_request *request, void *context);

/* Call back when Dovecot is done with the request, which has a mechanism: its
   fields are still there, its event is not. Dovecot has no hook for that. */
void popinjay_auth_request_at_end(struct auth_request *request,
				  popinjay_auth_end_t *callback,
				  void *context);

#endif
