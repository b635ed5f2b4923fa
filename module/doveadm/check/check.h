/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_DOVEADM_CHECK_H
#define POPINJAY_DOVEADM_CHECK_H

#include "doveconf.h"

struct mail_user;

enum check_result {
	CHECK_OK,
	/* it works, and should not be so */
	CHECK_WARNING,
	/* something does not work, or will not */
	CHECK_ERROR
};

/* "doveadm popinjay check" */
struct check {
	pool_t pool;
	/* people read the output: no formatter was chosen */
	bool for_people;
	/* all users are gone through: people are told the bad ones only */
	bool many_users;
	/* exit status, 0 as long as nothing is wrong */
	int exit_code;
	unsigned int users, bad_users;
	/* of several, the first one and its uid; it was told that another has
	   another uid, where that matters */
	const char *first_user;
	uid_t first_uid;
	bool uids_told;

	/* sees all settings of doveadm */
	struct event *event;

	/* where this doveadm module's folder is, which has those of the others
	   beside it */
	const char *module_dir;
	/* settings of protocol pop3: none if the configuration is wrong */
	ARRAY_TYPE(doveconf_setting) pop3;
};

/* Print what came out of looking at a thing, and take note of the worst. */
void check_print(struct check *check, enum check_result result,
		 const char *what, const char *fmt, ...) ATTR_FORMAT(4, 5);

/* Look at the modules: their versions, and what loads them. */
void check_modules(struct check *check);
/* Returns the args of the passdb popinjay, which is "" where this Dovecot has
   none, or NULL if there is no such passdb. */
const char *check_find_passdb(const struct check *check);
/* Returns the name or driver of a passdb that is asked for passwords before
   the passdb popinjay is, or NULL. */
const char *check_find_passdb_before(const struct check *check);
/* Look at the file of a module or program. loaded_by says what runs it, "" if
   nothing does, and fails what does not work without it. */
void check_module(struct check *check, const char *path, const char *loaded_by,
		  const char *fails);
/* Look at the service popinjay-log, if there is one. */
void check_log_service(struct check *check);
/* Look at the configuration of app secrets, if they are used. */
void check_secrets(struct check *check);
/* Look at a user's settings, as a POP3 session of this user would see them. */
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
