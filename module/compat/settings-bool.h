/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SETTINGS_BOOL_H
#define POPINJAY_SETTINGS_BOOL_H

/* What a setting that is yes or no accepts. */
#define POPINJAY_SETTINGS_BOOL_HELP "use yes or no"

/* Parse yes or no, also as databases write them: 1, y, t, true and 0, n, f,
   false, in any case. Returns 0, or -1 if it is neither. */
int popinjay_settings_bool_parse(const char *value, bool *value_r);

#endif
