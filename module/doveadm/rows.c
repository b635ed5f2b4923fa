/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: the rows that commands print, and their titles. Dovecot wants the
   titles before the first user, and prints those of a table at its end. */

#include "lib.h"
#include "doveadm-mail.h"
#include "doveadm-print.h"
#include "input.h"
#include "rows.h"

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
	const char *const *titles = rows->titles;

	for (; titles != NULL && *titles != NULL; titles++)
		doveadm_print_header_simple(*titles);
}

void popinjay_rows_next(struct popinjay_rows *rows)
{
	rows->any = TRUE;
}

void popinjay_rows_end(struct popinjay_rows *rows, bool failed)
{
	const struct doveadm_mail_cmd_context *ctx = rows->ctx;

	if (!rows->table || !ctx->iterate_single_user ||
	    (ctx->exit_code == 0 && doveadm_exit_code == 0))
		return;
	if (popinjay_may_be_sent(ctx->cctx) ? failed : !rows->any)
		doveadm_print_hide_titles = TRUE;
}
