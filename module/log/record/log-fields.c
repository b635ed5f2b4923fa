/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: the fields of records. */

#include "lib.h"
#include "log-fields.h"

#define MAY_BE_ABSENT POPINJAY_FIELD_MAY_BE_ABSENT
#define MAY_BE_NULL POPINJAY_FIELD_MAY_BE_NULL
#define SESSION POPINJAY_RECORD_SESSION
#define RETR POPINJAY_RECORD_RETR
#define TOP POPINJAY_RECORD_TOP
#define DELE POPINJAY_RECORD_DELE
#define EXPUNGE POPINJAY_RECORD_EXPUNGE
#define COMMAND POPINJAY_RECORD_COMMAND
#define LOGIN POPINJAY_RECORD_LOGIN
#define MESSAGE (RETR | TOP | DELE | EXPUNGE)
#define ALL (SESSION | MESSAGE | COMMAND | LOGIN)

#define FIELD_INFO(id, name, type, kinds, flags, meaning) \
	{ name, sizeof(name) - 1, POPINJAY_FIELD_##type, kinds, flags },
const struct popinjay_log_field_info
popinjay_log_fields[POPINJAY_LOG_FIELD_COUNT] = {
	POPINJAY_LOG_FIELDS(FIELD_INFO)
};
