/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_COMPAT_OSTREAM_H
#define POPINJAY_COMPAT_OSTREAM_H

struct ostream;

/* Let the kernel send what is written to a TCP connection without delay, for
   good. Dovecot asks for that with system calls around each piece of output.
   With cork, what is written between o_stream_cork() and o_stream_uncork()
   still shares packets, for two system calls. Does nothing to a stream that is
   wrapped by another one, such as rawlog's, or is no TCP connection. */
void popinjay_ostream_set_nodelay(struct ostream *output, bool cork);

#endif
