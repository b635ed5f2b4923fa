/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SECRET_SOCKETS_H
#define POPINJAY_SECRET_SOCKETS_H

struct popinjay_secret_config;

/* Look for a socket of the dict processes through which users other than root
   and Dovecot's own can write to the store of secrets. Returns a warning in the
   data stack that names it, or NULL if there is none, if the store does not use
   dict processes, or if the configuration cannot be read. */
const char *
secret_sockets_warning(const struct popinjay_secret_config *config);

#endif
