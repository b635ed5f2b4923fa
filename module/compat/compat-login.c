/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The login process: what differs between the supported Dovecots. */

#include "login-common.h"
#include "client-common.h"
#include "compat-login.h"

bool popinjay_login_client_is_tls(const struct client *client)
{
#ifdef POPINJAY_HAVE_LOGIN_CLIENT_SSL_SECURED
	return client->ssl_secured;
#else
	return client->end_client_tls_secured;
#endif
}
