/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SECRET_TEXT_H
#define POPINJAY_SECRET_TEXT_H

/* Secrets as people read and type them: seven groups of four characters from 31
   that do not look alike. The last is a check character; the other 27 have 133
   bits. */

#define POPINJAY_SECRET_TEXT_LEN 34

/* Returns a new secret from the system's random numbers. It is
   POPINJAY_SECRET_TEXT_LEN characters long and in the data stack. */
const char *popinjay_secret_text_generate(void);

/* Returns TRUE if text has the form of a generated secret and its check
   character is right. A single mistyped character, or two that changed
   places, make it FALSE. */
bool popinjay_secret_text_is_valid(const char *text);

/* Returns the printed form of a valid secret that was typed in capitals, with
   spaces or without hyphens, or text itself if it is none. */
const char *popinjay_secret_text_normalize(const char *text);

#endif
