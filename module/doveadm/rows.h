/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_DOVEADM_ROWS_H
#define POPINJAY_DOVEADM_ROWS_H

struct doveadm_mail_cmd_context;

/* What a command prints: titles, and a row for each thing. A table has no
   titles if the command fails for its only user before the first row. */
struct popinjay_rows {
	struct doveadm_mail_cmd_context *ctx;
	/* ends with NULL; NULL if the command prints nothing */
	const char *const *titles;
	/* nobody has chosen another form */
	bool table;
	/* a row was printed by this process */
	bool any;
};

/* In the command's alloc: print in the form that type, DOVEADM_PRINT_TYPE_...,
   names, unless the administrator has chosen another one. */
void popinjay_rows_init(struct popinjay_rows *rows,
			struct doveadm_mail_cmd_context *ctx,
			const char *const *titles, const char *type);
/* In its init: the first user is next. */
void popinjay_rows_begin(struct popinjay_rows *rows);
/* A row is next: its columns follow by doveadm_print(). */
void popinjay_rows_next(struct popinjay_rows *rows);
/* In its deinit. failed says that the exit status is one that comes instead of
   rows, never behind some: those of a server are not known here. */
void popinjay_rows_end(struct popinjay_rows *rows, bool failed);

#endif
