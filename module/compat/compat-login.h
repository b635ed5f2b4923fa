/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_COMPAT_LOGIN_H
#define POPINJAY_COMPAT_LOGIN_H

struct client;

/* Returns TRUE if the client's connection to Dovecot is secured by TLS. */
bool popinjay_login_client_is_tls(const struct client *client);

#endif
