/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The service popinjay-log: its connections. See log-protocol.h. */

#include "lib.h"
#include "ioloop.h"
#include "llist.h"
#include "str.h"
#include "unichar.h"
#include "master-service.h"
#include "connection.h"
#include "log-protocol.h"
#include "output.h"
#include "sender.h"

#include <sys/socket.h>
#include <unistd.h>

/* The most bytes to read before writing. It is more than a sender may have
   unclaimed, so that a T is seen together with what it takes back. */
#define READ_MAX_BYTES (4 * POPINJAY_LOG_WINDOW_BYTES)
/* a record with what precedes it in its line */
#define INPUT_LINE_MAX_BYTES (POPINJAY_LOG_LINE_MAX_BYTES + 64)
/* log refused processes at most this often */
#define REFUSED_LOG_SECS 10

struct connection {
	struct connection *prev, *next;

	int fd;
	struct io *io;
	struct sender sender;

	string_t *input;
	/* records to write, a line each, and the number of the last */
	string_t *lines;
	uint64_t last_number;

	bool greeted:1;
	bool eof:1;
	/* the sender has said T, or cannot be answered any more */
	bool taken_back:1;
	bool deaf:1;
	bool bad:1;
};

static struct connection *connections;

static void connection_destroy(struct connection *conn)
{
	DLLIST_REMOVE(&connections, conn);
	io_remove(&conn->io);
	i_close_fd(&conn->fd);
	str_free(&conn->input);
	str_free(&conn->lines);
	i_free(conn);
	master_service_client_connection_destroyed(master_service);
}

static void connection_bad(struct connection *conn, const char *why)
{
	conn->bad = TRUE;
	i_error("Process %ld of uid %s sent %s", (long)conn->sender.pid,
		dec2str(conn->sender.uid), why);
}

/* Senders are trusted with what a record says. But it must look like one of
   ours, in one line. */
static bool record_is_clean(const char *record, size_t size)
{
	size_t i;

	if (strncmp(record, "{\"event\":\"popinjay_", 19) != 0 &&
	    strncmp(record, "event=popinjay_", 15) != 0)
		return FALSE;
	for (i = 0; i < size; i++) {
		if ((unsigned char)record[i] < 0x20 || record[i] == 0x7f)
			return FALSE;
	}
	return uni_utf8_data_is_valid((const unsigned char *)record, size);
}

static void
connection_handle_record(struct connection *conn, const char *line, bool resent)
{
	const char *record = strchr(line, '\t');
	uint64_t number;
	size_t size;

	if (record == NULL ||
	    str_to_uint64(t_strdup_until(line, record), &number) < 0 ||
	    number != conn->last_number + 1) {
		connection_bad(conn, "a record with a wrong number");
		return;
	}
	record++;
	size = strlen(record);
	if (!record_is_clean(record, size)) {
		connection_bad(conn, "something that is not a record");
		return;
	}
	conn->last_number = number;
	if (!resent || !output_has_line(record))
		str_printfa(conn->lines, "%s\n", record);
}

static void connection_handle_line(struct connection *conn, const char *line)
{
	if (!conn->greeted) {
		if (strncmp(line, POPINJAY_LOG_HELLO_PREFIX,
			    strlen(POPINJAY_LOG_HELLO_PREFIX)) != 0)
			connection_bad(conn, "another protocol");
		conn->greeted = TRUE;
	} else if (strcmp(line, "T") == 0) {
		conn->taken_back = TRUE;
	} else if ((line[0] == 'L' || line[0] == 'R') && line[1] == '\t') {
		connection_handle_record(conn, line + 2, line[0] == 'R');
	} else {
		connection_bad(conn, "an unknown command");
	}
}

/* Read what there is. */
static void connection_read(struct connection *conn)
{
	size_t max = str_len(conn->input) + READ_MAX_BYTES;
	ssize_t ret = 1;

	while (ret > 0 && str_len(conn->input) < max) {
		char buf[16 * 1024];

		ret = recv(conn->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (ret > 0)
			str_append_data(conn->input, buf, ret);
	}
	if (ret == 0 || (ret < 0 && errno != EAGAIN && errno != EINTR))
		conn->eof = TRUE;
}

static void connection_parse(struct connection *conn)
{
	const char *data = str_c(conn->input), *start = data, *lf;
	size_t left = str_len(conn->input);

	while (!conn->bad && (lf = memchr(start, '\n', left)) != NULL) {
		/* a NUL would end the string early */
		if (memchr(start, '\0', lf - start) != NULL)
			connection_bad(conn, "a NUL");
		else T_BEGIN {
			connection_handle_line(conn,
					       t_strdup_until(start, lf));
		} T_END;
		left -= lf + 1 - start;
		start = lf + 1;
	}
	if (left > INPUT_LINE_MAX_BYTES && !conn->bad)
		connection_bad(conn, "a line that is too long");
	str_delete(conn->input, 0, start - data);
}

static void connection_answer(struct connection *conn, char what)
{
	char buf[MAX_INT_STRLEN + 4];
	int len;

	len = i_snprintf(buf, sizeof(buf), "%c\t%"PRIu64"\n", what,
			 conn->last_number) < 0 ? 0 : strlen(buf);
	if (send(conn->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		conn->deaf = TRUE;
}

/* The file cannot be written to: the records go to Dovecot's log. */
static void log_lines(string_t *lines)
{
	const char *const *linep = t_strsplit(str_c(lines), "\n");

	for (; *linep != NULL; linep++) {
		if (**linep != '\0')
			i_info("%s", *linep);
	}
}

static void connection_write(struct connection *conn, uint64_t previous)
{
	if (conn->last_number == previous && str_len(conn->lines) == 0)
		return;
	if (!conn->deaf)
		connection_answer(conn, 'C');
	/* Was it killed, or does it take them back? Wait for the end. */
	if (conn->deaf && !conn->eof)
		return;
	if (conn->taken_back && conn->deaf) {
		str_truncate(conn->lines, 0);
		return;
	}
	if (str_len(conn->lines) > 0 &&
	    output_write(str_data(conn->lines),
			 str_len(conn->lines)) < 0) T_BEGIN {
		log_lines(conn->lines);
	} T_END;
	str_truncate(conn->lines, 0);
	if (!conn->deaf)
		connection_answer(conn, 'A');
}

static void connection_input(struct connection *conn)
{
	uint64_t previous = conn->last_number;

	connection_read(conn);
	connection_parse(conn);
	connection_write(conn, previous);
	if (conn->eof || conn->bad)
		connection_destroy(conn);
}

static void log_refused(const struct sender *sender, const char *error)
{
	static time_t last_log = 0;

	if (ioloop_time - last_log < REFUSED_LOG_SECS)
		return;
	last_log = ioloop_time;
	i_error("Refused records of process %ld of uid %s: %s",
		(long)sender->pid, dec2str(sender->uid), error);
}

void connection_create(int fd)
{
	struct connection *conn;
	struct sender sender;
	const char *error;
	int ret = sender_check(fd, &sender, &error);

	/* a process that has ended has taken its records back */
	if (ret <= 0) {
		if (ret < 0)
			log_refused(&sender, error);
		i_close_fd(&fd);
		master_service_client_connection_destroyed(master_service);
		return;
	}
	conn = i_new(struct connection, 1);
	conn->fd = fd;
	conn->sender = sender;
	conn->input = str_new(default_pool, 1024);
	conn->lines = str_new(default_pool, 1024);
	conn->io = io_add(fd, IO_READ, connection_input, conn);
	DLLIST_PREPEND(&connections, conn);
	connection_input(conn);
}

void connections_deinit(void)
{
	while (connections != NULL) {
		struct connection *conn = connections;

		connection_input(conn);
		if (conn == connections)
			connection_destroy(conn);
	}
}
