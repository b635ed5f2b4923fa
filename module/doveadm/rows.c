/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: the rows that commands print, and their titles. */

#include "lib.h"
#include "doveadm-mail.h"
#include "doveadm-print.h"
#include "doveadm-settings.h"
#include "input.h"
#include "rows.h"

static void print_titles(struct popinjay_rows *rows)
{
	const char *const *titles = rows->titles;

	if (rows->titled)
		return;
	rows->titled = TRUE;
	for (; *titles != NULL; titles++)
		doveadm_print_header_simple(*titles);
}

void popinjay_rows_init(struct popinjay_rows *rows,
			struct doveadm_mail_cmd_context *ctx,
			const char *const *titles, const char *type)
{
	rows->ctx = ctx;
	rows->titles = titles;
	rows->table = !doveadm_print_is_initialized() &&
		strcmp(type, DOVEADM_PRINT_TYPE_TABLE) == 0;
	doveadm_print_init(type);
}

void popinjay_rows_begin(struct popinjay_rows *rows)
{
	const struct doveadm_mail_cmd_context *ctx = rows->ctx;

	/* Rows of a server go by popinjay_rows_next(). Of several users one may
	   fail. */
	if (rows->titles != NULL &&
	    (!ctx->iterate_single_user || popinjay_may_be_sent(ctx)))
		print_titles(rows);
}

void popinjay_rows_next(struct popinjay_rows *rows)
{
	print_titles(rows);
}

void popinjay_rows_end(struct popinjay_rows *rows, bool failed)
{
	const struct doveadm_mail_cmd_context *ctx = rows->ctx;

	if (rows->titles == NULL || !ctx->iterate_single_user)
		return;
	if (ctx->exit_code == 0 && doveadm_exit_code == 0) {
		print_titles(rows);
	} else if (ctx->cctx->conn_type == DOVEADM_CONNECTION_TYPE_CLI &&
		   (!rows->titled || (rows->table && failed))) {
		/* nor an empty line instead of them */
		doveadm_print_hide_titles = TRUE;
	}
}
