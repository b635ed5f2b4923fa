/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_CHECK_H
#define POPINJAY_CHECK_H

struct mail_user;
struct popinjay_user;

/* Returns TRUE if "doveadm popinjay check" has started this process; see
   base/check-protocol.h. */
bool popinjay_check_is_wanted(void);

/* Say what is wrong with a user's settings and sinks, and end the process. */
void popinjay_check_user(struct mail_user *user,
			 const struct popinjay_user *puser) ATTR_NORETURN;

#endif
