/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm popinjay log explain: what happened to a message or a mailbox. */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "time-util.h"
#include "doveadm-print.h"
#include "access-log-config.h"
#include "key-file.h"
#include "log-cmd.h"
#include "log-story.h"
#include "log-text.h"
#include "time-units.h"

#include <sysexits.h>

/* the most lines for people, the newest */
#define LINES_MAX 200

static void explain_record(void *context,
			   const struct popinjay_log_record *record)
{
	popinjay_log_story_add(context, record);
}

static void print_people(const struct log_cmd *cmd,
			 const struct popinjay_log_story_result *result)
{
	const struct popinjay_log_story_line *line;
	const char *const *detailp, *note;
	unsigned int lines = 0, left;

	array_foreach(&result->lines, line) T_BEGIN {
		const char *time = popinjay_log_story_time(line->usecs,
							   ioloop_time);

		if (lines++ < LINES_MAX) {
			log_cmd_print_line(t_strdup_printf("%s %s", time,
							   line->text));
			detailp = line->details;
			for (; detailp != NULL && *detailp != NULL; detailp++)
				log_cmd_print_line(t_strdup_printf(
					"%*s- %s", (int)strlen(time) + 1, "",
					*detailp));
		}
	} T_END;
	if (lines > LINES_MAX) {
		left = lines - LINES_MAX;
		log_cmd_print_line(t_strdup_printf("... and %u older; "
			"doveadm -f tab shows all.", left));
	}
	if (lines > 0)
		log_cmd_print_line("");
	array_foreach_elem(&result->notes, note)
		log_cmd_print_line(note);
	log_cmd_print_line(log_cmd_coverage(cmd));
}

static const char *or_empty(const char *str)
{
	return str == NULL ? "" : str;
}

static void
print_rows(const struct popinjay_log_story_result *result)
{
	static const char *const headers[] = {
		"time", "action", "text", "uid", "uidl", "message-id", "label",
		"mechanism", "address", "session", "count", NULL
	};
	const struct popinjay_log_story_line *line;
	const char *const *headerp;

	for (headerp = headers; *headerp != NULL; headerp++)
		doveadm_print_header_simple(*headerp);
	array_foreach(&result->lines, line) T_BEGIN {
		time_t time = line->usecs / USECS_IN_SEC;

		doveadm_print(t_strdup_printf("%s.%06uZ",
			t_strfgmtime("%Y-%m-%dT%H:%M:%S", time),
			(unsigned int)(line->usecs % USECS_IN_SEC)));
		doveadm_print(line->action);
		doveadm_print(line->text);
		doveadm_print(line->uid == 0 ? "" :
			      t_strdup_printf("%"PRIu64, line->uid));
		doveadm_print(or_empty(line->uidl));
		doveadm_print(or_empty(line->message_id));
		doveadm_print(or_empty(line->label));
		doveadm_print(or_empty(line->mechanism));
		doveadm_print(or_empty(line->address));
		doveadm_print(or_empty(line->session));
		doveadm_print_num(line->count);
	} T_END;
}

static void explain(struct log_cmd *cmd,
		    const struct popinjay_log_story_settings *set)
{
	const struct popinjay_log_story_result *result;
	struct popinjay_log_story *story;

	story = popinjay_log_story_init(set);
	log_cmd_read(cmd, explain_record, story);
	result = popinjay_log_story_tell(story, cmd->pool);
	if (cmd->for_people) {
		log_cmd_print_lines_init();
		print_people(cmd, result);
	} else {
		print_rows(result);
	}
	if (array_count(&result->lines) == 0 && doveadm_exit_code == 0)
		doveadm_exit_code = DOVEADM_EX_NOTFOUND;
	popinjay_log_story_deinit(&story);
}

/* Returns the user's name as anonymized logs have it, or NULL. */
static const char *hash_user(struct log_cmd *cmd, const char *user)
{
	struct popinjay_access_log_config config = {
		.user = POPINJAY_ANONYMIZE_HASH
	};
	const char *hash = NULL, *error;

	if (*cmd->set.key_file == '\0')
		return NULL;
	config.key = buffer_create_dynamic(default_pool, 64);
	if (popinjay_key_file_read(cmd->set.key_file, config.key,
				   &error) < 0) {
		log_cmd_fail(EX_NOPERM, "popinjay_access_log_key_file=%s: %s",
			     cmd->set.key_file, error);
	} else
		hash = p_strdup(cmd->pool,
				popinjay_anonymize_user(&config, user));
	popinjay_access_log_config_free(&config);
	return hash;
}

void popinjay_log_cmd_explain(struct doveadm_cmd_context *cctx)
{
	struct popinjay_log_story_settings set;
	struct log_cmd cmd;

	i_zero(&set);
	if (!doveadm_cmd_param_str(cctx, "user", &set.user)) {
		log_cmd_fail(EX_USAGE, "No user is given: add -u <user>");
		return;
	}
	(void)doveadm_cmd_param_str(cctx, "uidl", &set.uidl);
	if (doveadm_cmd_param_str(cctx, "message-id", &set.message_id) &&
	    *set.message_id != '<')
		set.message_id = t_strdup_printf("<%s>", set.message_id);
	if (log_cmd_init(&cmd, cctx) == 0) {
		set.since_usecs = cmd.since * USECS_IN_SEC;
		set.until_usecs = cmd.until * USECS_IN_SEC;
		set.user_hash = hash_user(&cmd, set.user);
		explain(&cmd, &set);
	}
	log_cmd_deinit(&cmd);
}
