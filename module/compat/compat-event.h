/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_COMPAT_EVENT_H
#define POPINJAY_COMPAT_EVENT_H

/* What differs between Dovecots for events. */

#include "lib-event.h"
#include "event-log.h"

#ifndef POPINJAY_HAVE_EVENT_GET_GLOBAL_DEBUG_SEND_FILTER
/* Since 2.4.2 libdovecot exports it, though no header tells. */
extern struct event_filter **stats_event_filter;
#  pragma weak stats_event_filter
#endif

/* Find the filter of the events that the stats process wants, which is NULL if
   it wants none. Returns FALSE if this Dovecot does not tell. */
static inline bool
popinjay_event_stats_filter(struct event_filter **filter_r)
{
#ifdef POPINJAY_HAVE_EVENT_GET_GLOBAL_DEBUG_SEND_FILTER
	*filter_r = event_get_global_debug_send_filter();
	return TRUE;
#else
	*filter_r = NULL;
	if (&stats_event_filter == NULL)
		return FALSE;
	if (stats_event_filter != NULL)
		*filter_r = *stats_event_filter;
	return TRUE;
#endif
}

struct event_reason;

/* Begin a reason code "pop3:cmd_NAME" for the events of a command. Returns NULL
   where Dovecot has no reason codes (2.3.16). */
static inline struct event_reason *
popinjay_event_reason_begin(const char *name ATTR_UNUSED)
{
#ifdef POPINJAY_HAVE_EVENT_REASON
	return event_reason_begin(event_reason_code_prefix("pop3", "cmd_",
							   name));
#else
	return NULL;
#endif
}

/* End what began and set *reason to NULL. Does nothing if it is NULL. */
static inline void
popinjay_event_reason_end(struct event_reason **reason ATTR_UNUSED)
{
#ifdef POPINJAY_HAVE_EVENT_REASON
	event_reason_end(reason);
#endif
}

#endif
