/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_CHECK_PROTOCOL_H
#define POPINJAY_CHECK_PROTOCOL_H

/* How "doveadm popinjay check" asks whether a user's settings are good: it runs
   Dovecot's pop3 program for the user, not as a service of Dovecot's but as
   "pop3 -u USER", with this in its environment. Our plugin then says what is
   wrong and ends the process before the mailbox is opened. So it is looked at
   with the very settings, plugins, uid and root directory of a session. */
#define POPINJAY_CHECK_ENV "POPINJAY_CHECK"

/* On its standard output is a line for each thing that is wrong, and one at the
   end, which says that the plugin is loaded and was asked. */
#define POPINJAY_CHECK_PROBLEM "popinjay-check problem: "
#define POPINJAY_CHECK_END "popinjay-check end: "

#endif
