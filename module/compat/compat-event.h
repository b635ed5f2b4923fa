/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_COMPAT_EVENT_H
#define POPINJAY_COMPAT_EVENT_H

/* What differs between Dovecots for events. */

#include "event-log.h"

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
	return FALSE;
#endif
}

#endif
