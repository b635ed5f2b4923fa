/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The processes that make records: our end of log-protocol.h. */

#include "lib.h"
#include "ioloop.h"
#include "fd-util.h"
#include "llist.h"
#include "net.h"
#include "str.h"
#include "time-util.h"
#include "log-protocol.h"
#include "log-service.h"
#include "log-trouble.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* The most memory for records that the service has not answered yet. */
#define QUEUE_MAX_BYTES (16 * 1024 * 1024)
/* Wait this long before trying an absent service again, or one that has closed
   this many connections in a row without answering. */
#define RECONNECT_USECS (1000 * 1000)
#define UNANSWERED_MAX 2
/* Lines are sent together: this many, or those of this time. */
#define FLUSH_LINES 32
#define FLUSH_MSECS 20
/* How long the process waits for answers when it ends, and how long for records
   that the service has claimed but cannot write at once. */
#define DEINIT_WAIT_MSECS 500
#define DEINIT_CLAIMED_WAIT_MSECS 5000

#define TROUBLE_NAME "service"

struct queued_line {
	struct queued_line *prev, *next;

	uint64_t number;
	size_t size;
	/* a collector that has gone away may have written it */
	bool resent:1;
	bool logged:1;
	char line[];
};

static struct {
	char *path;
	int fd;
	struct io *io;
	struct timeout *to_flush;
	unsigned int lines_since_flush;
	uint64_t connect_failed_usecs;
	/* connections that have ended since the last answer */
	unsigned int unanswered;

	/* Lines not answered yet. Those before next_unsent have been sent in
	   this connection, with the numbers up to last_number. */
	struct queued_line *head, *tail, *next_unsent;
	size_t queued_bytes;
	unsigned int sent_count;
	size_t sent_bytes;
	uint64_t last_number, claimed_number;

	/* what send() has not accepted yet, and an incomplete answer */
	string_t *output;
	string_t *input;
} service = { .fd = -1 };

void popinjay_log_service_init(const char *socket_path)
{
	if (service.path == NULL)
		service.path = i_strdup(socket_path);
}

static void line_free(struct queued_line *line)
{
	service.queued_bytes -= line->size;
	DLLIST2_REMOVE(&service.head, &service.tail, line);
	i_free(line);
}

static void line_give_up(struct queued_line *line)
{
	if (!line->logged)
		i_info("%s", line->line);
	line_free(line);
}

/* --- the connection --- */

/* Log why records go to Dovecot's own log. */
static void service_error(const char *why)
{
	if (popinjay_log_trouble_begins(TROUBLE_NAME)) {
		i_error("popinjay_access_log=service: %s - its records go to "
			"this log", why);
	}
}

static void service_close(void)
{
	io_remove(&service.io);
	i_close_fd(&service.fd);
	str_truncate(service.output, 0);
	str_truncate(service.input, 0);
	service.next_unsent = service.head;
	service.sent_count = 0;
	service.sent_bytes = 0;
	service.last_number = service.claimed_number = 0;
}

static bool service_connect(void)
{
	if (service.fd != -1)
		return TRUE;
	if (service.connect_failed_usecs != 0 &&
	    i_microseconds() - service.connect_failed_usecs < RECONNECT_USECS)
		return FALSE;
	service.fd = net_connect_unix(service.path);
	if (service.fd == -1) {
		/* the connection is refused while Dovecot is being stopped */
		if (errno != ECONNREFUSED) {
			service_error(t_strdup_printf("connect(%s) failed: %m",
						      service.path));
		}
		service.connect_failed_usecs = i_microseconds();
		return FALSE;
	}
	fd_close_on_exec(service.fd, TRUE);
	service.connect_failed_usecs = 0;
	if (service.output == NULL) {
		service.output = str_new(default_pool, 1024);
		service.input = str_new(default_pool, 64);
	}
	str_append(service.output, POPINJAY_LOG_HELLO);
	return TRUE;
}

/* The collector has gone away. It may have written what it has not answered. */
static void service_lost(void)
{
	struct queued_line *line;

	for (line = service.head; line != service.next_unsent;
	     line = line->next)
		line->resent = TRUE;
	service_close();
}

static void service_handle_answer(const char *answer)
{
	uint64_t number;

	if (answer[0] == '\0' || answer[1] != '\t' ||
	    str_to_uint64(answer + 2, &number) < 0)
		return;
	service.unanswered = 0;
	if (answer[0] == 'C')
		service.claimed_number = number;
	else if (answer[0] == 'A') {
		popinjay_log_trouble_ends(TROUBLE_NAME);
		while (service.head != service.next_unsent &&
		       service.head->number <= number) {
			service.sent_count--;
			service.sent_bytes -= service.head->size;
			line_free(service.head);
		}
	}
}

/* Returns FALSE if the connection has ended. */
static bool service_read(void)
{
	char buf[1024], *start, *lf;
	ssize_t ret;

	while ((ret = recv(service.fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		str_append_data(service.input, buf, ret);
		start = str_c_modifiable(service.input);
		while ((lf = strchr(start, '\n')) != NULL) {
			*lf = '\0';
			service_handle_answer(start);
			start = lf + 1;
		}
		str_delete(service.input, 0, start - str_c(service.input));
	}
	return ret < 0 && (errno == EAGAIN || errno == EINTR);
}

static void service_queue_output(void)
{
	struct queued_line *line;

	for (; (line = service.next_unsent) != NULL;
	     service.next_unsent = line->next) {
		if (service.sent_count >= POPINJAY_LOG_WINDOW_RECORDS ||
		    (service.sent_count > 0 &&
		     service.sent_bytes + line->size >
		     POPINJAY_LOG_WINDOW_BYTES))
			break;
		line->number = ++service.last_number;
		service.sent_count++;
		service.sent_bytes += line->size;
		str_printfa(service.output, "%c\t%"PRIu64"\t%s\n",
			    line->resent ? 'R' : 'L', line->number, line->line);
	}
}

/* Returns FALSE if the connection has ended. */
static bool service_write(void)
{
	ssize_t ret;

	service_queue_output();
	if (str_len(service.output) == 0)
		return TRUE;
	ret = send(service.fd, str_data(service.output),
		   str_len(service.output), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (ret < 0)
		return errno == EAGAIN || errno == EINTR;
	str_delete(service.output, 0, ret);
	return TRUE;
}

/* Read answers and send what may be sent. Returns FALSE if there is no
   service. */
static bool service_pump(void)
{
	/* the collector may have been replaced: try once more */
	do {
		if (!service_connect())
			return FALSE;
		if (service_read() && service_write())
			return TRUE;
		service_lost();
	} while (++service.unanswered < UNANSWERED_MAX);
	service_error("it closes connections without answering");
	service.unanswered = 0;
	service.connect_failed_usecs = i_microseconds();
	return FALSE;
}

static void service_give_up_all(void)
{
	while (service.head != NULL)
		line_give_up(service.head);
	service.next_unsent = NULL;
}

/* A process that outlives its session must read the answers, too. */
static void service_flush(void *context ATTR_UNUSED)
{
	timeout_remove(&service.to_flush);
	service.lines_since_flush = 0;
	if (!service_pump()) {
		service_give_up_all();
	} else if (service.head == NULL) {
		io_remove(&service.io);
	} else if (service.io == NULL && current_ioloop != NULL) {
		service.io = io_add_to(io_loop_get_root(), service.fd, IO_READ,
				       service_flush, (void *)NULL);
	}
}

bool popinjay_log_service_send(const char *text, bool logged)
{
	struct queued_line *line;
	size_t len = strlen(text);

	if (service.path == NULL || len > POPINJAY_LOG_LINE_MAX_BYTES ||
	    service.queued_bytes + len > QUEUE_MAX_BYTES ||
	    !service_connect())
		return FALSE;

	line = i_malloc(MALLOC_ADD(sizeof(*line), len + 1));
	memcpy(line->line, text, len + 1);
	line->size = len;
	line->logged = logged;
	DLLIST2_APPEND(&service.head, &service.tail, line);
	if (service.next_unsent == NULL)
		service.next_unsent = line;
	service.queued_bytes += len;
	if (++service.lines_since_flush >= FLUSH_LINES)
		service_flush(NULL);
	else if (service.to_flush == NULL && current_ioloop != NULL) {
		service.to_flush = timeout_add_short_to(io_loop_get_root(),
			FLUSH_MSECS, service_flush, (void *)NULL);
	}
	return TRUE;
}

/* --- the end of the process --- */

static bool service_wait(int msecs)
{
	struct pollfd pfd = {
		.fd = service.fd,
		.events = POLLIN | (str_len(service.output) > 0 ? POLLOUT : 0)
	};
	int ret;

	while ((ret = poll(&pfd, 1, msecs)) < 0 && errno == EINTR) ;
	return ret > 0;
}

/* See log-protocol.h. */
static void service_take_back(void)
{
	if (shutdown(service.fd, SHUT_RD) < 0) {
		service_lost();
		return;
	}
	/* claims and answers that arrived before the shutdown */
	(void)service_read();
	while (service.head != service.next_unsent &&
	       service.head->number <= service.claimed_number)
		line_free(service.head);
	if (str_len(service.output) == 0)
		(void)send(service.fd, "T\n", 2, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (service.head != NULL)
		service_error("it does not answer");
}

void popinjay_log_service_deinit(void)
{
	timeout_remove(&service.to_flush);
	while (service.head != NULL) {
		bool claimed;

		if (!service_pump())
			break;
		if (service.head == NULL)
			break;
		claimed = service.head != service.next_unsent &&
			service.head->number <= service.claimed_number;
		if (!service_wait(claimed ? DEINIT_CLAIMED_WAIT_MSECS :
				  DEINIT_WAIT_MSECS)) {
			service_take_back();
			break;
		}
	}
	service_give_up_all();
	if (service.output != NULL) {
		service_close();
		str_free(&service.output);
		str_free(&service.input);
	}
	i_free(service.path);
}
