/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: asks doveconf for settings that doveadm's own configuration does not
   have. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "master-service.h"
#include "doveconf.h"
#include "program.h"

#include <sys/stat.h>

/* A line is "name = value", "section name {" or "}"; a name may already include
   its sections. */
static void
parse_line(pool_t pool, const char *line, string_t *sections,
	   ARRAY_TYPE(doveconf_setting) *settings)
{
	struct doveconf_setting *setting;
	const char *end, *name, *value = "";
	size_t len = strlen(line), up;

	if (strcmp(line, "}") == 0) {
		/* the newline behind the section's name is its last character
		   */
		for (up = str_len(sections); up > 1; up--) {
			if (str_data(sections)[up - 2] == '\n')
				break;
		}
		str_truncate(sections, up - 1);
		return;
	}
	if (len > 2 && strcmp(line + len - 2, " {") == 0)
		end = line + len - 2;
	else if ((end = strstr(line, " =")) != NULL)
		value = end[2] == ' ' ? end + 3 : end + 2;
	else
		return;
	name = t_strdup_until(line, end);
	name = t_str_replace(name, ' ', '/');
	setting = array_append_space(settings);
	setting->name = p_strconcat(pool,
		t_str_replace(str_c(sections), '\n', '/'), name, NULL);
	setting->value = p_strdup(pool, value);
	if (*value == '\0' && line[len - 1] == '{') {
		str_append(sections, name);
		str_append_c(sections, '\n');
	}
}

/* A process started by Dovecot gets its configuration from a socket. 2.4 also
   tells it the file; otherwise the file is what the master was started with. */
const char *doveconf_file(void)
{
	const char *path = master_service_get_config_path(master_service);
	const char *const *args;
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return path;
	path = getenv("CONFIG_FILE");
	if (path != NULL && stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return path;
	for (args = program_parent_args(); *args != NULL; args++) {
		if (strcmp(args[0], "-c") == 0 && args[1] != NULL)
			return args[1];
	}
	return NULL;
}

int doveconf_get(pool_t pool, const char *protocol, const char *const *names,
		 ARRAY_TYPE(doveconf_setting) *settings_r,
		 const char **error_r)
{
	ARRAY_TYPE(const_string) argv;
	const char *const head[] = {
		program_beside_doveadm("doveconf"), "-x", "-f",
		t_strconcat("protocol=", protocol, NULL)
	};
	const char *file = doveconf_file();
	string_t *output = t_str_new(1024), *errors = t_str_new(128);
	/* not in the data stack: it grows in the frame of each line */
	string_t *sections = str_new(pool, 64);
	const char *const *linep;

	t_array_init(&argv, 16);
	array_append(&argv, head, N_ELEMENTS(head));
	if (file != NULL) {
		const char *const config[] = { "-c", file };

		array_append(&argv, config, N_ELEMENTS(config));
	}
	array_append(&argv, names, str_array_length(names) + 1);
	if (program_run(array_front(&argv), NULL, output, errors,
			error_r) != 0) {
		if (str_len(errors) > 0) {
			*error_r = t_strconcat("doveconf failed: ",
				t_strcut(str_c(errors), '\n'), NULL);
		}
		return -1;
	}
	p_array_init(settings_r, pool, 32);
	linep = t_strsplit(str_c(output), "\n");
	for (; *linep != NULL; linep++) T_BEGIN {
		parse_line(pool, t_str_trim(*linep, " \t"), sections,
			   settings_r);
	} T_END;
	return 0;
}

const char *doveconf_find(const ARRAY_TYPE(doveconf_setting) *settings,
			  const char *name)
{
	const struct doveconf_setting *setting;

	array_foreach(settings, setting) {
		if (strcmp(setting->name, name) == 0)
			return setting->value;
	}
	return "";
}

const char *const *
doveconf_log_service(const ARRAY_TYPE(doveconf_setting) *settings,
		     bool *by_env_r)
{
	const char *const *args = t_strsplit_spaces(
		doveconf_find(settings, POPINJAY_LOG_EXECUTABLE), " ");
	const char *name;

	*by_env_r = FALSE;
	if (args[0] != NULL && args[1] != NULL) {
		name = strrchr(args[0], '/');
		*by_env_r = strcmp(name == NULL ? args[0] : name + 1,
				   "env") == 0;
	}
	return *by_env_r ? args + 1 : args;
}

bool doveconf_list_has(const ARRAY_TYPE(doveconf_setting) *settings,
		       const char *name, const char *word)
{
	const char *const *words =
		t_strsplit_spaces(doveconf_find(settings, name), " ,");

	return str_array_find(words, word) ||
		strcmp(doveconf_find(settings, t_strconcat(name, "/", word,
							   NULL)),
		       "yes") == 0;
}
