/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: the configuration file of secrets. It is a separate file because
   Dovecot 2.3 tells a passdb only the text of its args, and doveadm not even
   that. */

#include "lib.h"
#include "buffer.h"
#include "str.h"
#include "secret-config.h"
#include "secret-settings.h"
#include "small-file.h"

#define CONFIG_MAX_BYTES 65536

static int
set_value(struct popinjay_secret_config *config, pool_t pool, const char *name,
	  const char *value, const char **error_r)
{
	if (strcmp(name, "dict") == 0)
		config->dict = p_strdup(pool, value);
	else if (strcmp(name, "key_file") == 0)
		config->key_file = p_strdup(pool, value);
	else if (strcmp(name, "separator") == 0) {
		if (strpbrk(value, POPINJAY_SECRET_SEPARATOR_EXCEPT) !=
		    NULL) {
			*error_r = "separator must not contain @ or spaces";
			return -1;
		}
		config->separator = p_strdup(pool, value);
	} else if (strcmp(name, "apop_max_age_secs") == 0) {
		if (str_to_uint(value, &config->apop_max_age_secs) < 0 ||
		    config->apop_max_age_secs == 0 ||
		    config->apop_max_age_secs >
		    POPINJAY_SECRET_APOP_MAX_AGE_LIMIT_SECS) {
			*error_r = "apop_max_age_secs must be 1 to 86400";
			return -1;
		}
	} else {
		*error_r = t_strdup_printf("Unknown setting %s: use dict, "
			"key_file, separator or apop_max_age_secs", name);
		return -1;
	}
	return 0;
}

static int
parse_line(struct popinjay_secret_config *config, pool_t pool,
	   const char *line, const char **error_r)
{
	const char *p;

	line = t_str_trim(line, " \t\r");
	if (*line == '\0' || *line == '#')
		return 0;
	p = strchr(line, '=');
	if (p == NULL) {
		*error_r = "expected NAME = VALUE";
		return -1;
	}
	return set_value(config, pool,
			 t_str_rtrim(t_strdup_until(line, p), " \t"),
			 t_str_ltrim(p + 1, " \t"), error_r);
}

int popinjay_secret_config_parse(const char *text, pool_t pool,
				 struct popinjay_secret_config *config_r,
				 const char **error_r)
{
	const char *const *lines = t_strsplit(text, "\n"), *error;
	unsigned int i;

	i_zero(config_r);
	config_r->separator = "";
	config_r->apop_max_age_secs = POPINJAY_SECRET_APOP_MAX_AGE_SECS;
	for (i = 0; lines[i] != NULL; i++) {
		if (parse_line(config_r, pool, lines[i], &error) < 0) {
			*error_r = t_strdup_printf("line %u: %s", i + 1,
						   error);
			return -1;
		}
	}
	if (config_r->dict == NULL || *config_r->dict == '\0') {
		*error_r = "dict is not set";
		return -1;
	}
	if (config_r->key_file == NULL || *config_r->key_file == '\0') {
		*error_r = "key_file is not set";
		return -1;
	}
	return 0;
}

int popinjay_secret_config_read(const char *path, pool_t pool,
				struct popinjay_secret_config *config_r,
				const char **error_r)
{
	buffer_t *text = buffer_create_dynamic(default_pool, 1024);
	const char *error;
	int ret;

	ret = popinjay_small_file_read(path, CONFIG_MAX_BYTES, text, &error);
	if (ret == 0) {
		ret = popinjay_secret_config_parse(str_c(text), pool, config_r,
						   &error);
	}
	if (ret < 0)
		*error_r = t_strdup_printf("%s: %s", path, error);
	buffer_free(&text);
	return ret;
}
