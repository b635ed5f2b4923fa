/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_COMPAT_TLS_H
#define POPINJAY_COMPAT_TLS_H

struct istream;
struct mail_user;
struct ostream;
struct ssl_iostream;

/* Begin TLS as a client over input and output, which are replaced. The server's
   certificate has to be good for host by Dovecot's settings ssl_client_... of
   the user. Returns 0, or -1 with the reason in error_r. The handshake goes on
   when the streams are used. */
int popinjay_tls_client_begin(struct mail_user *user, const char *host,
			      struct istream **input, struct ostream **output,
			      struct ssl_iostream **ssl_r,
			      const char **error_r);

#endif
