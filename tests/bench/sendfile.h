/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SENDFILE_H
#define SENDFILE_H

#include "fixture.h"
#include "pop3.h"

/* What a client receives at once. */
#define RECEIVE_BYTES (256 * 1024)

/* Returns the seconds in which another process sends a file of this size with
   sendfile() to this one. */
double bench_sendfile_secs(guint64 size);

#endif
