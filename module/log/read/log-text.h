/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_TEXT_H
#define POPINJAY_LOG_TEXT_H

/* Words and numbers for people. */

/* Returns str for a terminal or a page, from pool. U+FFFD replaces control
   characters, bytes that are not UTF-8, and characters that change the
   direction of text. */
const char *popinjay_log_text_clean(pool_t pool, const char *str);

/* Returns a size as "850 bytes", "12 kB" or "1.2 GB", in powers of 1000. In
   the data stack. */
const char *popinjay_log_text_bytes(uint64_t bytes);

/* Returns a time as "40 s", "3 min", "5 hours" or "2 days". In the data
   stack. */
const char *popinjay_log_text_duration(uint64_t secs);

/* Returns "1 message" or "2 messages". In the data stack. */
const char *popinjay_log_text_count(uint64_t count, const char *noun);

#endif
