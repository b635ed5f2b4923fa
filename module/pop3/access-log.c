/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: the access log. doc/popinjay.7 lists the fields. */

#include "session.h"
#include "array.h"
#include "net.h"
#include "ostream.h"
#include "str.h"
#include "time-util.h"
#include "mail-storage-private.h"
#include "mail-storage-hooks.h"
#include "mail-user.h"
#include "access-log.h"
#include "record.h"
#include "secret.h"
#include "user.h"

#include <fcntl.h>
#include <unistd.h>

#define ACCESS_LOG_BOX_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, access_log_storage_module)

#define ACCESS_LOG_FILE_MODE 0600

#define SESSION_FINISHED_EVENT "popinjay_session_finished"

static MODULE_CONTEXT_DEFINE_INIT(access_log_storage_module,
				  &mail_storage_module_register);

static struct event_category event_category_popinjay = {
	.name = "popinjay"
};

static const char *const session_ends[] = {
	[POPINJAY_SESSION_END_LOST] = "lost",
	[POPINJAY_SESSION_END_QUIT] = "quit",
	[POPINJAY_SESSION_END_TIMEOUT] = "timeout",
	[POPINJAY_SESSION_END_REFUSED] = "refused",
	[POPINJAY_SESSION_END_SHUTDOWN] = "shutdown",
	[POPINJAY_SESSION_END_ERROR] = "error"
};

static const char *const counted_fields[POPINJAY_COUNTED_COUNT][2] = {
	[POPINJAY_COUNTED_RETR] = { "retr_count", "retr_bytes" },
	[POPINJAY_COUNTED_TOP] = { "top_count", "top_bytes" },
	[POPINJAY_COUNTED_LIST] = { "list_count", "list_bytes" },
	[POPINJAY_COUNTED_UIDL] = { "uidl_count", "uidl_bytes" },
	[POPINJAY_COUNTED_DELE] = { "dele_count", "dele_bytes" }
};

/* an error is logged once in a process, which may serve many sessions */
static bool file_error_logged = FALSE;

static void
record_add_address(struct popinjay_record *record, const char *ip_key,
		   const struct ip_addr *ip, const char *port_key,
		   in_port_t port)
{
	bool known = ip != NULL && ip->family != 0;

	popinjay_record_add_str(record, ip_key,
				known ? net_ip2addr(ip) : NULL);
	popinjay_record_add_uint(record, port_key, port);
}

static struct popinjay_record *
session_record(struct popinjay_session *session, pool_t pool)
{
	const struct client *client = session->client;
	const struct mail_user *user = client->user;
	const struct popinjay_session_stats *stats = &session->stats;
	struct popinjay_record *record = popinjay_record_create(pool);
	unsigned int i;

	popinjay_record_add_str(record, "event", SESSION_FINISHED_EVENT);
	popinjay_record_add_time(record, "time", &ioloop_timeval);
	popinjay_record_add_str(record, "session", user->session_id);
	popinjay_record_add_str(record, "user", user->username);
	record_add_address(record, "remote_ip", user->conn.remote_ip,
			   "remote_port", user->conn.remote_port);
	record_add_address(record, "local_ip", user->conn.local_ip,
			   "local_port", user->conn.local_port);
	popinjay_record_add_bool(record, "tls",
				 popinjay_client_is_tls(session->client));
	if (popinjay_secret_get(user, "id") != NULL) {
		popinjay_record_add_str(record, "secret_id",
					popinjay_secret_get(user, "id"));
		popinjay_record_add_str(record, "secret_label",
					popinjay_secret_get(user, "label"));
	}
	popinjay_record_add_uint(record, "messages", client->messages_count);
	popinjay_record_add_uint(record, "message_bytes", client->total_size);
	for (i = 0; i < POPINJAY_COUNTED_COUNT; i++) {
		popinjay_record_add_uint(record, counted_fields[i][0],
					 stats->counted[i].count);
		popinjay_record_add_uint(record, counted_fields[i][1],
					 stats->counted[i].bytes);
	}
	popinjay_record_add_uint(record, "expunged_count",
				 stats->expunged_count);
	popinjay_record_add_uint(record, "expunged_bytes",
				 stats->expunged_bytes);
	popinjay_record_add_uint(record, "bytes_in",
				 popinjay_client_bytes_in(session->client));
	popinjay_record_add_uint(record, "bytes_out",
				 session->refused_output != NULL ?
				 session->refusal_bytes :
				 client->output->offset);
	popinjay_record_add_uint(record, "commands", stats->commands);
	popinjay_record_add_uint(record, "errors", stats->errors);
	popinjay_record_add_uint(record, "duration_usecs",
				 i_microseconds() - stats->start_usecs);
	popinjay_record_add_str(record, "end", session_ends[session->end]);
	return record;
}

static void event_add_record(struct event *event,
			     const struct popinjay_record *record)
{
	const struct popinjay_field *fields;
	unsigned int i, count;

	fields = popinjay_record_get_fields(record, &count);
	for (i = 0; i < count; i++) {
		const struct popinjay_field *field = &fields[i];

		switch (field->type) {
		case POPINJAY_FIELD_STR:
			event_add_str(event, field->key, field->value.str);
			break;
		case POPINJAY_FIELD_INT:
			event_add_int(event, field->key, field->value.num);
			break;
		case POPINJAY_FIELD_UINT:
			event_add_int(event, field->key, field->value.unum);
			break;
		case POPINJAY_FIELD_BOOL:
			event_add_int(event, field->key,
				      field->value.yes ? 1 : 0);
			break;
		case POPINJAY_FIELD_TIME:
			event_add_timeval(event, field->key,
					  &field->value.time);
			break;
		}
	}
}

static void file_error(struct event *event, const char *path,
		       const char *function)
{
	if (file_error_logged)
		return;
	file_error_logged = TRUE;
	e_error(event, "popinjay_access_log=file:%s: %s failed: %m - "
		"the access log is incomplete", path, function);
}

/* The file is opened anew for each line, so that it may be rotated away at any
   time; one write() of O_APPEND keeps lines of several processes apart. */
static void file_write_line(struct event *event, const char *path,
			    const string_t *line)
{
	ssize_t ret;
	int fd;

	/* a named pipe that nobody reads must not keep the session waiting */
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK,
		  ACCESS_LOG_FILE_MODE);
	if (fd == -1) {
		file_error(event, path, "open()");
		return;
	}
	ret = write(fd, str_data(line), str_len(line));
	if (ret >= 0 && (size_t)ret < str_len(line))
		errno = ENOSPC;
	if (ret < 0 || (size_t)ret < str_len(line))
		file_error(event, path, "write()");
	if (close(fd) < 0)
		file_error(event, path, "close()");
}

static void
access_log_write(struct popinjay_session *session, const char *event_name,
		 const struct popinjay_record *record)
{
	const struct popinjay_access_log_sinks *sinks = &session->puser->sinks;
	string_t *json = t_str_new(1024);
	struct event *event;
	const char *const *pathp;

	popinjay_record_to_json(record, json);
	event = event_create(popinjay_client_event(session->client));
	event_add_category(event, &event_category_popinjay);
	event_add_record(event, record);
	event_set_name(event, event_name);
	if (sinks->log)
		e_info(event, "%s", str_c(json));
	else {
		/* for those who listen to events */
		e_debug(event, "%s", str_c(json));
	}

	str_append_c(json, '\n');
	for (pathp = sinks->files; pathp != NULL && *pathp != NULL; pathp++)
		file_write_line(event, *pathp, json);
	event_unref(&event);
}

void popinjay_access_log_session(struct popinjay_session *session)
{
	T_BEGIN {
		struct popinjay_record *record;

		record = session_record(session, pool_datastack_create());
		access_log_write(session, SESSION_FINISHED_EVENT, record);
	} T_END;
}

/* --- what is really removed --- */

static void access_log_sync_notify(struct mailbox *box, uint32_t uid,
				   enum mailbox_sync_type sync_type)
{
	union mailbox_module_context *mbox =
		ACCESS_LOG_BOX_CONTEXT_REQUIRE(box);

	if (mbox->super.sync_notify != NULL)
		mbox->super.sync_notify(box, uid, sync_type);
	if (sync_type == MAILBOX_SYNC_TYPE_EXPUNGE)
		popinjay_session_expunged(box, uid);
}

void popinjay_access_log_mailbox_allocated(struct mailbox *box)
{
	struct mailbox_vfuncs *v = box->vlast;
	union mailbox_module_context *mbox;

	if (!box->inbox_user)
		return;
	mbox = p_new(box->pool, union mailbox_module_context, 1);
	mbox->super = *v;
	box->vlast = &mbox->super;
	v->sync_notify = access_log_sync_notify;
	MODULE_CONTEXT_SET_SELF(box, access_log_storage_module, mbox);
}
