/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: checks who else may write to the store of secrets. A dict process
   serves all its dicts on each of its sockets, so the most open socket counts.
   */

#include "lib.h"
#include "array.h"
#include "doveconf.h"
#include "secret-config.h"
#include "secret-sockets.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

/* Returns the part of name between begin and end, or NULL if it does not begin
   and end with them. */
static const char *
between(const char *name, const char *begin, const char *end)
{
	size_t len = strlen(name), begin_len = strlen(begin);
	size_t end_len = strlen(end);

	if (len <= begin_len + end_len ||
	    strncmp(name, begin, begin_len) != 0 ||
	    strcmp(name + len - end_len, end) != 0)
		return NULL;
	return t_strdup_until(name + begin_len, name + len - end_len);
}

/* Returns TRUE if the processes of a service with that executable have the
   store's dict. */
static bool
knows_store(const ARRAY_TYPE(doveconf_setting) *settings,
	    const struct popinjay_secret_config *config, const char *executable)
{
	const char *program = t_strcut(executable, ' ');
	const char *slash = strrchr(program, '/'), *dict;

	if (strcmp(slash == NULL ? program : slash + 1, "dict") != 0)
		return FALSE;
	if (config->dict == NULL) {
		/* 2.4, where all have the same */
		return TRUE;
	}
	dict = t_strconcat("dict", t_str_replace(strrchr(config->dict, ':'),
						 ':', '/'), NULL);
	return *doveconf_find(settings, dict) != '\0' ||
		strstr(executable, t_strconcat(" ", dict, "=", NULL)) != NULL;
}

/* Returns who else may write to the socket, or NULL. */
static const char *
find_other(const ARRAY_TYPE(doveconf_setting) *settings, const char *path)
{
	const struct passwd *pw;
	const struct group *gr;
	struct stat st;

	if (stat(path, &st) < 0)
		return NULL;
	if ((st.st_mode & S_IWOTH) != 0)
		return "everybody";
	pw = getpwnam(doveconf_find(settings, "default_internal_user"));
	if ((st.st_mode & S_IWUSR) != 0 && st.st_uid != 0 &&
	    (pw == NULL || st.st_uid != pw->pw_uid)) {
		pw = getpwuid(st.st_uid);
		return pw == NULL ? t_strdup_printf("uid %s",
						    dec2str(st.st_uid)) :
			t_strdup_printf("user %s", pw->pw_name);
	}
	gr = getgrnam(doveconf_find(settings, "default_internal_group"));
	if ((st.st_mode & S_IWGRP) != 0 && st.st_gid != 0 &&
	    (gr == NULL || st.st_gid != gr->gr_gid)) {
		gr = getgrgid(st.st_gid);
		return gr == NULL ? t_strdup_printf("gid %s",
						    dec2str(st.st_gid)) :
			t_strdup_printf("group %s", gr->gr_name);
	}
	return NULL;
}

static const char *
check_service(const ARRAY_TYPE(doveconf_setting) *settings, const char *service)
{
	const char *begin = t_strconcat("service/", service,
					"/unix_listener/", NULL);
	const struct doveconf_setting *setting;
	const char *path, *other;

	array_foreach(settings, setting) {
		path = between(setting->name, begin, "/mode");
		if (path == NULL)
			continue;
		if (*path != '/') {
			path = t_strconcat(doveconf_find(settings, "base_dir"),
					   "/", path, NULL);
		}
		other = find_other(settings, path);
		if (other != NULL) {
			return t_strdup_printf("%s of service %s can be "
				"written to by %s, who could bring revoked "
				"secrets back: restrict its mode, or see "
				"\"Who can write to the store\" in "
				"popinjay-secret(7)", path, service, other);
		}
	}
	return NULL;
}

static const char *
check_services(pool_t pool, const struct popinjay_secret_config *config)
{
	static const char *const names[] = {
		"base_dir", "default_internal_user", "default_internal_group",
		"dict", "service", NULL
	};
	ARRAY_TYPE(doveconf_setting) settings;
	const struct doveconf_setting *setting;
	const char *service, *warning = NULL, *error;

	if (doveconf_get(pool, "pop3", names, &settings, &error) < 0)
		return NULL;
	array_foreach(&settings, setting) {
		service = between(setting->name, "service/", "/executable");
		if (service != NULL && warning == NULL &&
		    knows_store(&settings, config, setting->value))
			warning = check_service(&settings, service);
	}
	return warning;
}

const char *
secret_sockets_warning(const struct popinjay_secret_config *config)
{
	const char *warning;
	pool_t pool;

	if (config->dict != NULL &&
	    strncmp(config->dict, "proxy:", strlen("proxy:")) != 0)
		return NULL;
	pool = pool_alloconly_create("popinjay dict sockets", 65536);
	warning = check_services(pool, config);
	pool_unref(&pool);
	return warning;
}
