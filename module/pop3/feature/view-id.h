/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_VIEW_ID_H
#define POPINJAY_VIEW_ID_H

struct popinjay_session;

/* Returns the id of the session's view: that of the app secret that the client
   logged in with, or POPINJAY_VIEW_ACCOUNT. Returns NULL for a master user, who
   sees the INBOX as it is and leaves no marks in it. Lives as long as the
   user. */
const char *popinjay_view_id(const struct popinjay_session *session);

#endif
