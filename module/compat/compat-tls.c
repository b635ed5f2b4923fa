/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: TLS as a client, by Dovecot's own settings. Dovecot 2.4 looks them
   up by itself. */

#include "lib.h"
#include "iostream-ssl.h"
#include "mail-user.h"
#include "compat-tls.h"

#ifdef POPINJAY_HAVE_SSL_CLIENT_AUTOCREATE

int popinjay_tls_client_begin(struct mail_user *user, const char *host,
			      struct istream **input, struct ostream **output,
			      struct ssl_iostream **ssl_r,
			      const char **error_r)
{
	const struct ssl_iostream_client_autocreate_parameters parameters = {
		.event_parent = user->event,
		.host = host
	};

	return io_stream_autocreate_ssl_client(&parameters, input, output,
					       ssl_r, error_r);
}

#else

int popinjay_tls_client_begin(struct mail_user *user, const char *host,
			      struct istream **input, struct ostream **output,
			      struct ssl_iostream **ssl_r,
			      const char **error_r)
{
	struct ssl_iostream_settings set;
	struct ssl_iostream_context *ctx;
	const char *error;
	int ret;

	i_zero(&set);
	mail_user_init_ssl_client_settings(user, &set);
	if (ssl_iostream_client_context_cache_get(&set, &ctx, &error) < 0) {
		*error_r = t_strdup_printf(
			"Couldn't prepare TLS: %s", error);
		return -1;
	}
	ret = io_stream_create_ssl_client(ctx, host, &set, input, output,
					  ssl_r, error_r);
	ssl_iostream_context_unref(&ctx);
	return ret;
}

#endif
