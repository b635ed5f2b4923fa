/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_COMPAT_EVENT_H
#define POPINJAY_COMPAT_EVENT_H

/* What differs between Dovecots for events. */

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

#endif
