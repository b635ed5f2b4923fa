/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_TAIL_H
#define POPINJAY_TAIL_H

/* The lines at the end of a file, which are looked for one by one when mail
   processes send records again. They are read once; later only what came
   behind them is. */
struct tail;

/* Returns TRUE if the file ends with lines among which is this one (without
   LF). *tail is NULL at first, and kept for the next time. */
bool tail_has_line(struct tail **tail, int fd, const char *line);

/* Forget the lines, and set *tail to NULL, which it may be. */
void tail_free(struct tail **tail);

#endif
