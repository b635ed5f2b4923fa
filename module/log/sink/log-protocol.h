/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_PROTOCOL_H
#define POPINJAY_LOG_PROTOCOL_H

/* What a process with records (the sender) and the service popinjay-log (the
   collector) say to each other on the service's UNIX socket. All are lines that
   end with LF; <tab> separates fields. Numbers count a connection's records
   from 1.

   Sender:
     VERSION<tab>popinjay-log<tab>1<tab>0
     L<tab>number<tab>record    write this line
     R<tab>number<tab>record    write this line, unless it is in the log: it was
                                sent before, to a collector that is gone
     T                          what was not claimed is taken back; then the
                                connection ends
   Collector:
     C<tab>number               records up to this one are claimed: from now on
                                the collector sees to them
     A<tab>number               records up to this one are written, or where
                                that failed in Dovecot's own log

   A record has one keeper at any time, so it is neither lost nor written twice.
   The sender keeps it until it is answered A. A sender that does not want to
   wait any longer first shuts down its reading side: then the collector cannot
   claim any more. What is not claimed by then, the sender writes elsewhere, and
   says T. A connection that ends without T is that of a process that was
   killed: what it had sent is written. When the collector is killed, the sender
   sends what was not answered A to the next one as R. */

#define POPINJAY_LOG_SOCKET "popinjay-log"
#define POPINJAY_LOG_HELLO_PREFIX "VERSION\tpopinjay-log\t1\t"
#define POPINJAY_LOG_HELLO POPINJAY_LOG_HELLO_PREFIX "0\n"

/* A line of the log is not longer than this. */
#define POPINJAY_LOG_LINE_MAX_BYTES (16 * 1024)
/* What may be under way unclaimed: all of it fits into a socket's buffers, with
   the T. */
#define POPINJAY_LOG_WINDOW_BYTES (64 * 1024)
#define POPINJAY_LOG_WINDOW_RECORDS 64

#endif
