/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef UIDL_SERVERS_PRIVATE_H
#define UIDL_SERVERS_PRIVATE_H

#include "servers.h"

#include <gio/gio.h>

/* Listen on a port of 127.0.0.1; run is GThreadedSocketService's. */
GSocketService *
servers_service_new(GCallback run, gpointer data, guint16 *port_r);
/* Stop to listen, and free it. */
void servers_service_free(GSocketService *service);

/* Let system calls wait on a socket of GLib's. */
void servers_set_blocking(int fd);

/* Where a package's files are. Ends the test program if it is not there. */
char *servers_dir(const char *package, const char *program);

/* What LD_LIBRARY_PATH has to be for the programs there. */
char *servers_library_path(const char *dir);

#endif
