/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_DOVEADM_CHECK_H
#define POPINJAY_DOVEADM_CHECK_H

#include "doveconf.h"

struct mail_user;

enum check_result {
	CHECK_OK,
	/* it works, but should be changed */
	CHECK_WARNING,
	/* something does not work, or will not */
	CHECK_ERROR
};

/* "doveadm popinjay check" */
struct check {
	pool_t pool;
	/* people read the output: no formatter was chosen */
	bool for_people;
	/* of several users only the bad ones are shown to people */
	bool many_users;
	/* 0 while no error was found */
	int exit_code;
	unsigned int users, bad_users;
	/* the first of several users, its uid, and whether it was said that
	   another user has a different one, where that matters */
	const char *first_user;
	uid_t first_uid;
	bool uids_told;

	/* sees all settings of doveadm */
	struct event *event;

	/* the parent of the directory with our doveadm module, where the
	   directories of the other modules are */
	const char *module_dir;
	/* settings of protocol pop3; empty if the configuration is wrong */
	ARRAY_TYPE(doveconf_setting) pop3;
};

/* Print the result of a check, and remember the worst. */
void check_print(struct check *check, enum check_result result,
		 const char *what, const char *fmt, ...) ATTR_FORMAT(4, 5);

/* Check the modules: their versions, and what loads them. */
void check_modules(struct check *check);
/* Returns the args of the passdb popinjay ("" if it has none), or NULL if there
   is no such passdb. */
const char *check_find_passdb(const struct check *check);
/* Returns the name or driver of a passdb that is asked for passwords before
   the passdb popinjay is, or NULL. */
const char *check_find_passdb_before(const struct check *check);
/* Check the file of a module or program. loaded_by says what loads it, "" if
   nothing does; fails says what does not work without it. */
void check_module(struct check *check, const char *path, const char *loaded_by,
		  const char *fails);
/* Check the service popinjay-log, if there is one. */
void check_log_service(struct check *check);
/* Check the configuration of app secrets, if they are used. */
void check_secrets(struct check *check);
/* Check the settings that a POP3 session of this user would have. */
void check_user(struct check *check, const struct mail_user *user);

struct doveadm_cmd_context;
struct doveadm_mail_cmd_context;
struct module;

/* Remember where our module is. */
void popinjay_check_cmd_init(const struct module *module);
/* Forget it. */
void popinjay_check_cmd_deinit(void);
/* The command, for doveadm. */
void popinjay_check_cmd(struct doveadm_cmd_context *cctx);
/* Allocator of the part of it that goes through users. */
struct doveadm_mail_cmd_context *popinjay_check_cmd_alloc(void);

#endif
