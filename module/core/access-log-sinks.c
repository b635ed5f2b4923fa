/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: the setting popinjay_access_log. */

#include "lib.h"
#include "array.h"
#include "access-log-sinks.h"

#define SINK_FILE_PREFIX "file:"

int popinjay_access_log_sinks_parse(pool_t pool, const char *value,
				    struct popinjay_access_log_sinks *sinks_r,
				    const char **error_r)
{
	const char *const *words = t_strsplit_spaces(value, " ");
	ARRAY_TYPE(const_string) files;
	bool none = FALSE;
	unsigned int i;

	i_zero(sinks_r);
	p_array_init(&files, pool, 2);
	for (i = 0; words[i] != NULL; i++) {
		const char *path = words[i] + strlen(SINK_FILE_PREFIX);

		if (strcmp(words[i], "log") == 0) {
			sinks_r->log = TRUE;
		} else if (strcmp(words[i], "none") == 0) {
			none = TRUE;
		} else if (strncmp(words[i], SINK_FILE_PREFIX,
				   strlen(SINK_FILE_PREFIX)) == 0 &&
			   *path == '/') {
			path = p_strdup(pool, path);
			array_push_back(&files, &path);
		} else {
			*error_r = t_strdup_printf("'%s' is no sink; use "
				"log, file:/PATH or none", words[i]);
			return -1;
		}
	}
	if (i == 0 || (none && i > 1)) {
		*error_r = i == 0 ? "It is empty; use none to log nothing" :
			"none stands alone";
		return -1;
	}
	array_append_zero(&files);
	sinks_r->files = array_front(&files);
	return 0;
}
