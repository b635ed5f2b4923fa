/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_CHECK_PROTOCOL_H
#define POPINJAY_CHECK_PROTOCOL_H

/* "doveadm popinjay check" tests a user's settings by running Dovecot's pop3
   program for the user: as "pop3 -u USER" rather than as a service, with this
   in its environment. Our plugin prints what is wrong and ends the process
   before the mailbox is opened, so the settings, plugins, uid and root
   directory are exactly those of a session. */
#define POPINJAY_CHECK_ENV "POPINJAY_CHECK"

/* It prints a line for each problem, and a last line, which proves that the
   plugin was loaded and asked. */
#define POPINJAY_CHECK_PROBLEM "popinjay-check problem: "
#define POPINJAY_CHECK_END "popinjay-check end: "

#endif
