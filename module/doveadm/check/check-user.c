/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm popinjay check: a user's settings, which Dovecot's pop3 program
   checks; see base/check-protocol.h. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "mail-user.h"
#include "master-interface.h"
#include "master-service.h"
#include "check-protocol.h"
#include "check.h"
#include "program.h"

static const char *after(const char *line, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(line, prefix, len) == 0 ? line + len : NULL;
}

/* Returns the first error in what it logged, or NULL. */
static const char *first_error(const char *text)
{
	static const char *const levels[] = { "Error: ", "Fatal: ", "Panic: " };
	const char *const *linep = t_strsplit(text, "\n"), *p;
	unsigned int i;

	for (; *linep != NULL; linep++) {
		for (i = 0; i < N_ELEMENTS(levels); i++) {
			p = strstr(*linep, levels[i]);
			if (p != NULL)
				return p + strlen(levels[i]);
		}
	}
	return NULL;
}

/* Returns TRUE if the plugin has answered. */
static bool
read_answer(struct check *check, const char *what, const char *output,
	    bool *good_r)
{
	const char *const *linep = t_strsplit(output, "\n"), *text;

	*good_r = TRUE;
	for (; *linep != NULL; linep++) {
		if ((text = after(*linep, POPINJAY_CHECK_PROBLEM)) != NULL) {
			check_print(check, CHECK_ERROR, what, "%s", text);
			*good_r = FALSE;
		} else if (after(*linep, POPINJAY_CHECK_END) != NULL) {
			return TRUE;
		}
	}
	return FALSE;
}

/* Returns FALSE if sessions of this user certainly run without our plugin. Then
   pop3 must not be run, as nothing would end it before it opens the mailbox. */
static bool
plugin_is_loaded(const struct check *check, const struct mail_user *user)
{
	const char *const *fieldp = user->userdb_fields;

	if (doveconf_list_has(&check->pop3, "mail_plugins", "popinjay"))
		return TRUE;
	for (; fieldp != NULL && *fieldp != NULL; fieldp++) {
		if (strstr(t_strcut(*fieldp, '='), "mail_plugins") != NULL)
			return TRUE;
	}
	return FALSE;
}

static void print_not_loaded(struct check *check, const char *what)
{
	check_print(check, CHECK_ERROR, what, "The plugin popinjay is not "
		"loaded for this user: add it to mail_plugins in "
		"\"protocol pop3 {}\"");
}

static bool
ask_pop3(struct check *check, const char *what, const char *user)
{
	static const char *const env[] = {
		POPINJAY_CHECK_ENV"=1",
		/* otherwise doveconf, which runs in between, removes it */
		DOVECOT_PRESERVE_ENVS_ENV"="POPINJAY_CHECK_ENV,
		NULL
	};
	const char *file = doveconf_file();
	const char *const argv[] = {
		t_strconcat(doveconf_find(&check->pop3, "libexec_dir"),
			    "/pop3", NULL),
		"-u", user, file == NULL ? NULL : "-c", file, NULL
	};
	string_t *output = t_str_new(256), *errors = t_str_new(256);
	const char *error;
	bool good;
	int status;

	status = program_run(argv, env, output, errors, &error);
	if (status < 0) {
		check_print(check, CHECK_ERROR, what, "%s", error);
		return FALSE;
	}
	if (read_answer(check, what, str_c(output), &good))
		return good;
	error = first_error(str_c(errors));
	if (error != NULL) {
		check_print(check, CHECK_ERROR, what, "POP3 logins fail: %s",
			    error);
	} else if (status != 0) {
		check_print(check, CHECK_ERROR, what, "%s ended with status %d",
			    argv[0], status);
	} else {
		print_not_loaded(check, what);
	}
	return FALSE;
}

void check_user(struct check *check, const struct mail_user *user)
{
	const char *what = t_strdup_printf("user %s", user->username);

	check->users++;
	if (!plugin_is_loaded(check, user)) {
		print_not_loaded(check, what);
		check->bad_users++;
	} else if (!ask_pop3(check, what, user->username)) {
		check->bad_users++;
	} else if (!check->for_people || !check->many_users) {
		check_print(check, CHECK_OK, what, "settings, key files and "
			    "sinks are good");
	}
}
