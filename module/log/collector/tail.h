/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_TAIL_H
#define POPINJAY_TAIL_H

/* The lines near the end of a file, where records are looked for one by one
   when mail processes send them again. They are read once; later only what was
   added is read. */
struct tail;

/* Returns TRUE if this line (without LF) is near the end of the file. *tail is
   NULL at first, and keeps the lines for the next call. */
bool tail_has_line(struct tail **tail, int fd, const char *line);

/* Forget the lines, and set *tail to NULL. It may be NULL. */
void tail_free(struct tail **tail);

#endif
