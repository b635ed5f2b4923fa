/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm popinjay check: the installed modules. Dovecot does not load modules
   made for another ABI, and what fails then depends on what should load
   them. */

#include "lib.h"
#include "array.h"
#include "buffer.h"
#include "str.h"
#include "doveadm-mail.h"
#include "check.h"
#include "compat-doveadm.h"
#include "module-version.h"
#include "plugin.h"
#include "small-file.h"

#include <ctype.h>
#include <sys/stat.h>

#define MODULE_MAX_BYTES (16 * 1024 * 1024)
#define VERSION_MAX_BYTES 128

static const char *const protocols[] = {
	"pop3", "imap", "lmtp", "lda", "doveadm"
};

/* Which protocols have our modules in mail_plugins and login_plugins. */
struct loaders {
	/* names, separated by ", "; empty for none */
	string_t *plugin, *login;
};

struct module_version {
	const char *popinjay, *abi;
};

/* Search for what POPINJAY_DEFINE_MODULE_VERSION() left in the file. */
static bool find_mark(const unsigned char *data, size_t size,
		      struct module_version *version_r)
{
	const char *mark = POPINJAY_MODULE_MARK;
	size_t len = strlen(mark), i, left;
	const char *text;

	for (i = 0; i + len < size; i++) {
		if (data[i] != (unsigned char)*mark ||
		    memcmp(data + i, mark, len) != 0 ||
		    !i_isdigit(data[i + len]))
			continue;
		text = (const char *)data + i + len;
		left = I_MIN(size - i - len, VERSION_MAX_BYTES);
		version_r->popinjay = t_strndup(text, left);
		len = strlen(version_r->popinjay) + 1;
		if (len >= left)
			return FALSE;
		version_r->abi = t_strndup(text + len, left - len);
		return TRUE;
	}
	return FALSE;
}

/* Returns 1, 0 if there is no such file, or -1 with the reason in error_r. */
static int read_version(const char *path, struct module_version *version_r,
			const char **error_r)
{
	buffer_t *data = buffer_create_dynamic(default_pool, 4096);
	int ret = popinjay_small_file_read(path, MODULE_MAX_BYTES, data,
					   error_r);

	if (ret < 0)
		ret = errno == ENOENT ? 0 : -1;
	else if (find_mark(data->data, data->used, version_r))
		ret = 1;
	else {
		*error_r = "It is not a module of Popinjay " POPINJAY_VERSION
			" or newer: run make install again";
		ret = -1;
	}
	buffer_free(&data);
	return ret;
}

/* --- what loads them --- */

static void add_name(string_t *names, const char *name)
{
	if (str_len(names) > 0)
		str_append(names, ", ");
	str_append(names, name);
}

static void find_loaders(struct check *check, struct loaders *loaders)
{
	static const char *const names[] = {
		"mail_plugins", "login_plugins", NULL
	};
	ARRAY_TYPE(doveconf_setting) settings;
	const char *error;
	unsigned int i;

	loaders->plugin = str_new(check->pool, 64);
	loaders->login = str_new(check->pool, 64);
	for (i = 0; i < N_ELEMENTS(protocols); i++) {
		if (doveconf_get(check->pool, protocols[i], names, &settings,
				 &error) < 0) {
			check_print(check, CHECK_ERROR, "configuration", "%s",
				    error);
			return;
		}
		if (doveconf_list_has(&settings, "mail_plugins", "popinjay"))
			add_name(loaders->plugin, protocols[i]);
		if (doveconf_list_has(&settings, "login_plugins",
				      "popinjay_login"))
			add_name(loaders->login, protocols[i]);
	}
}

const char *check_find_passdb(const struct check *check)
{
	const struct doveconf_setting *setting;
	const char *args = "";

	array_foreach(&check->pop3, setting) {
		if (strcmp(setting->name, "passdb/args") == 0)
			args = setting->value;
		/* in 2.4 the name of the section may say it */
		if (strcmp(setting->name, "passdb/popinjay") == 0 ||
		    (strncmp(setting->name, "passdb/",
			     strlen("passdb/")) == 0 &&
		     strcmp(strrchr(setting->name, '/'), "/driver") == 0 &&
		     strcmp(setting->value, "popinjay") == 0))
			return args;
	}
	return NULL;
}

const char *check_find_passdb_before(const struct check *check)
{
	const struct doveconf_setting *setting;
	const char *name, *driver = NULL, *first = NULL;
	bool unnamed = FALSE, deny = FALSE;

	array_foreach(&check->pop3, setting) {
		/* of all passdbs 2.3 says "passdb", 2.4 "passdb/NAME" */
		if (strcmp(setting->name, "passdb") == 0) {
			unnamed = TRUE;
			name = "";
		} else if (strncmp(setting->name, "passdb/",
				   strlen("passdb/")) == 0) {
			name = setting->name + strlen("passdb/");
		} else {
			continue;
		}
		if (*name == '\0' ||
		    (!unnamed && strchr(name, '/') == NULL)) {
			if (first == NULL && driver != NULL && !deny)
				first = driver;
			driver = name;
			deny = FALSE;
		} else if (strcmp(strrchr(setting->name, '/'),
				  "/driver") == 0) {
			driver = setting->value;
		} else if (strcmp(strrchr(setting->name, '/'),
				  "/deny") == 0) {
			deny = strcmp(setting->value, "yes") == 0;
		}
		if (driver != NULL && strcmp(driver, "popinjay") == 0)
			return first;
	}
	return NULL;
}

/* --- a module --- */

void
check_module(struct check *check, const char *path, const char *loaded_by,
	     const char *fails)
{
	struct module_version version;
	const char *error;
	int ret = read_version(path, &version, &error);

	if (ret == 0) {
		if (*loaded_by != '\0') {
			check_print(check, CHECK_ERROR, path, "It does "
				"not exist, but the configuration loads it for "
				"%s: %s; run make install, or remove it from "
				"the configuration", loaded_by, fails);
		}
	} else if (ret < 0) {
		check_print(check, CHECK_ERROR, path, "%s", error);
	} else if (strcmp(version.abi,
			  doveadm_popinjay_plugin_version) != 0) {
		check_print(check, CHECK_ERROR, path, "It is Popinjay %s made "
			"for Dovecot %s, and this is Dovecot %s: %s; build and "
			"install Popinjay again", version.popinjay,
			version.abi, doveadm_popinjay_plugin_version, fails);
	} else if (strcmp(version.popinjay, POPINJAY_VERSION) != 0) {
		check_print(check, CHECK_ERROR, path, "It is Popinjay %s, and "
			"doveadm's module is Popinjay "POPINJAY_VERSION
			": install all modules of one version",
			version.popinjay);
	} else {
		check_print(check, CHECK_OK, path, "Popinjay %s for Dovecot "
			"%s, %s%s", version.popinjay, version.abi,
			*loaded_by == '\0' ? "not loaded" : "loaded by ",
			loaded_by);
	}
}

static const char *in_dir(const char *dir, const char *file)
{
	return t_strconcat(dir, "/", file, NULL);
}

static bool names_has(string_t *names, const char *name)
{
	return str_array_find(t_strsplit(str_c(names), ", "), name);
}

static void check_where_loaded(struct check *check,
			       const struct loaders *loaders)
{
	if (!names_has(loaders->plugin, "pop3")) {
		check_print(check, CHECK_WARNING, "mail_plugins", "popinjay is "
			"not in mail_plugins of \"protocol pop3 {}\": POP3 "
			"works as without Popinjay");
	}
	if (names_has(loaders->login, "imap")) {
		check_print(check, CHECK_WARNING, "login_plugins",
			"popinjay_login is also loaded for IMAP, whose logins "
			"will fail when Dovecot is updated: set login_plugins "
			"in \"protocol pop3 {}\"");
	}
}

/* The config process of 2.4 loads its modules once, and "doveadm reload" does
   not restart it. */
static void check_settings_module(struct check *check)
{
	const char *path = in_dir(check->module_dir,
				  "settings/libpopinjay_settings.so");
	const char *pid_file = in_dir(doveconf_find(&check->pop3, "base_dir"),
				      "master.pid");
	struct stat module, running;

	check_module(check, path, POPINJAY_DOVEADM_SETTINGS_LOADER,
		     "Dovecot does not start");
	if (*POPINJAY_DOVEADM_SETTINGS_LOADER != '\0' &&
	    stat(path, &module) == 0 && stat(pid_file, &running) == 0 &&
	    module.st_ctime > running.st_mtime) {
		check_print(check, CHECK_ERROR, path, "It was installed after "
			"Dovecot was started, so Dovecot does not know the "
			"settings of Popinjay and ignores \"doveadm reload"
			"\": restart Dovecot");
	}
}

void check_modules(struct check *check)
{
	const char *dir = check->module_dir;
	struct loaders loaders;

	find_loaders(check, &loaders);
	check_module(check, in_dir(doveconf_find(&check->pop3,
						 "mail_plugin_dir"),
				   "lib20_popinjay_plugin.so"),
		     str_c(loaders.plugin),
		     "POP3 logins get [SYS/TEMP]");
	check_module(check, in_dir(doveconf_find(&check->pop3,
						 "login_plugin_dir"),
				   "lib20_popinjay_login_plugin.so"),
		     str_c(loaders.login), "logins fail");
	check_module(check, in_dir(dir, "auth/libauthdb_popinjay.so"),
		     check_find_passdb(check) != NULL ? "auth" : "",
		     "all logins fail");
	check_module(check, in_dir(dir,
			"doveadm/lib20_doveadm_popinjay_plugin.so"),
		     "doveadm", "\"doveadm popinjay\" fails");
	check_settings_module(check);
	check_where_loaded(check, &loaders);
}
