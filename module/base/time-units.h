/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_TIME_UNITS_H
#define POPINJAY_TIME_UNITS_H

#define SECS_IN_MIN 60
#define SECS_IN_HOUR (60 * SECS_IN_MIN)
#define SECS_IN_DAY (24 * SECS_IN_HOUR)

#define MSECS_IN_SEC 1000
#define USECS_IN_MSEC 1000
#define NSECS_IN_USEC 1000
#define NSECS_IN_MSEC 1000000
/* times in microseconds have 64 bits */
#define USECS_IN_SEC UINT64_C(1000000)
#define USECS_IN_HOUR (SECS_IN_HOUR * USECS_IN_SEC)

#endif
