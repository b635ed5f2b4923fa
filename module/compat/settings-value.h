/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SETTINGS_VALUE_H
#define POPINJAY_SETTINGS_VALUE_H

/* What a setting that is yes or no accepts. */
#define POPINJAY_SETTING_BOOL_HELP "use yes or no"

/* Parse yes or no, also as databases write them: 1, y, t, true and 0, n, f,
   false, in any case. Returns 0, or -1 if it is neither. */
int popinjay_setting_parse_bool(const char *value, bool *value_r);

/* Returns what a setting that is a time between these accepts. */
const char *popinjay_setting_time_help(unsigned int min_secs,
				       unsigned int max_secs);

/* Returns what a setting that is a number of units up to max accepts. */
const char *popinjay_setting_uint_help(unsigned int max, const char *unit);

/* Returns TRUE if the name is that of no setting, but may stand among ours. */
bool popinjay_setting_is_field(const char *name);

#endif
