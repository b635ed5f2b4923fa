/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Measures POP3 sessions with Popinjay against the same Dovecot without it:
   two private Dovecots with the same mailboxes, asked in turns by the same
   client in one run. What counts are the ratios. Other servers, when asked for,
   take their turn after these two. */

#include "mailboxes.h"
#include "sendfile.h"
#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BIG_COUNT 10
#define BIG_BYTES (10 * 1000 * 1000)
#define MIXED_COUNT 2000
#define POLL_COUNT 50
#define END_OF_REPLY "\r\n.\r\n"

static struct side sides[MAILBOXES][ALL_SERVERS];
/* Those of REUSED run with the example for large sites, ours of TLS with the
   module for the login process. */
static struct fixture *servers[SERVERS], *reused_servers[SERVERS];
static struct fixture *tls_servers[SERVERS];

static gint opt_rounds = 7;
static gint opt_messages = 100000;
static gboolean opt_json, opt_peers;
static gchar *opt_only;
static gchar *opt_storage;

static const GOptionEntry options[] = {
	{ "rounds", 'r', 0, G_OPTION_ARG_INT, &opt_rounds,
	  "Rounds of each measurement (7)", "N" },
	{ "messages", 'm', 0, G_OPTION_ARG_INT, &opt_messages,
	  "Messages in the large mailbox (100000)", "N" },
	{ "storage", 's', 0, G_OPTION_ARG_STRING, &opt_storage,
	  "maildir, mbox, sdbox or mdbox (maildir)", "NAME" },
	{ "only", 'o', 0, G_OPTION_ARG_STRING, &opt_only,
	  "Only the measurements whose name has TEXT in it", "TEXT" },
	{ "peers", 'p', 0, G_OPTION_ARG_NONE, &opt_peers,
	  "Measure Courier and Cyrus too", NULL },
	{ "json", 'j', 0, G_OPTION_ARG_NONE, &opt_json,
	  "Print a JSON object for each measurement", NULL },
	{ NULL, 0, 0, 0, NULL, NULL, NULL }
};

/* --- the client --- */

static double status_kib(pid_t pid, const char *name)
{
	char *path = g_strdup_printf("/proc/%d/status", (int)pid), *text, *p;
	double kib = 0;

	if (g_file_get_contents(path, &text, NULL, NULL)) {
		p = strstr(text, name);
		if (p != NULL)
			kib = strtod(p + strlen(name), NULL);
		g_free(text);
	}
	g_free(path);
	return kib;
}

/* What the kernel says of the pop3 process. */
static void
process_usage(pid_t pid, double *cpu_secs_r, double *peak_kib_r)
{
	char *path, *text, *end;
	unsigned long long user_ticks, system_ticks;

	path = g_strdup_printf("/proc/%d/stat", (int)pid);
	if (!g_file_get_contents(path, &text, NULL, NULL))
		g_error("bench: %s cannot be read", path);
	/* the name, in parentheses, may hold spaces; utime and stime are the
	   12th and 13th fields behind it */
	end = strrchr(text, ')');
	if (end == NULL || sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u "
				  "%*u %*u %*u %llu %llu", &user_ticks,
				  &system_ticks) != 2)
		g_error("bench: %s cannot be understood", path);
	*cpu_secs_r = (double)(user_ticks + system_ticks) /
		sysconf(_SC_CLK_TCK);
	g_free(text);
	g_free(path);

	/* Shared libraries and what else files have is in memory once for all
	   processes. */
	*peak_kib_r = status_kib(pid, "VmHWM:") - status_kib(pid, "RssFile:");
}

/* What all processes of a Dovecot have used so far, those that have ended
   included. */
static double server_cpu_secs(struct fixture *f)
{
	GDir *dir = g_dir_open("/proc", 0, NULL);
	unsigned long long ticks = 0;
	const char *name;

	while ((name = g_dir_read_name(dir)) != NULL) {
		char *path = g_strdup_printf("/proc/%s/stat", name), *text, *p;
		unsigned long long user, sys, ended_user, ended_sys;
		int group;

		if (g_ascii_isdigit(*name) &&
		    g_file_get_contents(path, &text, NULL, NULL)) {
			p = strrchr(text, ')');
			if (p != NULL &&
			    sscanf(p + 1, " %*c %*d %d %*d %*d %*d %*u %*u "
				   "%*u %*u %*u %llu %llu %llu %llu", &group,
				   &user, &sys, &ended_user,
				   &ended_sys) == 5 && group == f->pid)
				ticks += user + sys + ended_user + ended_sys;
			g_free(text);
		}
		g_free(path);
	}
	g_dir_close(dir);
	return (double)ticks / sysconf(_SC_CLK_TCK);
}

static gssize receive(struct pop3 *pop3, char *buf)
{
	gssize ret;

	if (pop3->ssl != NULL)
		ret = SSL_read(pop3->ssl, buf, RECEIVE_BYTES);
	else
		ret = recv(pop3->fd, buf, RECEIVE_BYTES, 0);
	return ret;
}

/* Wait for size bytes, or, if size is 0, for the end of a reply of several
   lines. Returns the bytes received. */
static guint64 receive_reply(struct pop3 *pop3, guint64 size)
{
	static char buf[RECEIVE_BYTES];
	const gsize end_len = strlen(END_OF_REPLY);
	char tail[2 * sizeof(END_OF_REPLY)] = "";
	gsize tail_len = 0;
	guint64 received = 0;

	for (;;) {
		gssize ret = receive(pop3, buf);

		if (ret <= 0)
			g_error("bench: the connection was lost");
		received += ret;
		if (size > 0) {
			if (received >= size)
				return received;
			continue;
		}
		if ((gsize)ret >= end_len) {
			memcpy(tail, buf + ret - end_len, end_len);
			tail_len = end_len;
		} else {
			memcpy(tail + tail_len, buf, ret);
			tail_len += ret;
			if (tail_len > end_len) {
				memmove(tail, tail + tail_len - end_len,
					end_len);
				tail_len = end_len;
			}
		}
		if (tail_len == end_len &&
		    memcmp(tail, END_OF_REPLY, end_len) == 0)
			return received;
	}
}

/* Servers say "+OK" in many words. */
static struct pop3 *log_in(const struct side *side, enum pop3_security security)
{
	struct pop3 *pop3 = pop3_connect(side->f, security);
	char *user = pop3_ask(pop3, "USER %s", side->user);
	char *pass = pop3_ask(pop3, "PASS %s", FIXTURE_PASSWORD);

	if (!g_str_has_prefix(user, "+OK") || !g_str_has_prefix(pass, "+OK"))
		g_error("bench: nobody is let in: %s, %s", user, pass);
	g_free(user);
	g_free(pass);
	return pop3;
}

struct bench_session {
	struct pop3 *pop3;
	pid_t pid;
	unsigned int messages;
	double cpu_secs;
	gint64 start_usecs;
};

static void
session_start(struct bench_session *session, const struct side *side,
	      const struct measurement *m)
{
	gsize mark = fixture_log_size(side->f);
	char *stat;

	session->pop3 = log_in(side, m->security);
	stat = pop3_ask(session->pop3, "STAT");
	if (sscanf(stat, "+OK %u", &session->messages) != 1)
		g_error("bench: STAT was answered: %s", stat);
	g_free(stat);
	session->pid = side->peer ? 0 :
		fixture_session_pid(side->f, mark, side->user);
	/* a client that waits in recv() costs least */
	if (fcntl(session->pop3->fd, F_SETFL, 0) < 0)
		g_error("bench: fcntl() failed: %s", g_strerror(errno));
}

static void
session_measure(struct bench_session *session, struct sample *sample)
{
	double cpu_secs = 0;

	if (session->pid != 0)
		process_usage(session->pid, &cpu_secs, &sample->peak_kib);
	if (session->start_usecs == 0) {
		session->cpu_secs = cpu_secs;
		session->start_usecs = g_get_monotonic_time();
		return;
	}
	sample->secs = (g_get_monotonic_time() - session->start_usecs) /
		(double)G_USEC_PER_SEC;
	sample->cpu_secs = cpu_secs - session->cpu_secs;
}

static void session_end(struct bench_session *session)
{
	char *reply = pop3_ask(session->pop3, "QUIT");

	g_assert_true(g_str_has_prefix(reply, "+OK"));
	g_free(reply);
	pop3_close(session->pop3);
}

/* --- what is measured --- */

static void measure_retr(struct side *side, const struct measurement *m,
			 struct sample *sample)
{
	struct bench_session session = { .start_usecs = 0 };
	GString *commands = g_string_new(NULL);
	unsigned int msn = 1, i;
	guint64 bytes = 0;

	if (m->depth > 1 && side->retr_bytes == 0) {
		/* With several on their way their ends cannot be told apart
		   cheaply, so the size of all of them has to be known. */
		struct measurement single = *m;

		single.depth = 1;
		measure_retr(side, &single, sample);
	}
	session_start(&session, side, m);
	session_measure(&session, sample);
	while (m->depth == 1 && msn <= session.messages) {
		pop3_send(session.pop3, "RETR %u", msn++);
		bytes += receive_reply(session.pop3, 0);
	}
	while (m->depth > 1 && msn <= session.messages) {
		g_string_truncate(commands, 0);
		for (i = 0; i < m->depth && msn <= session.messages; i++) {
			g_string_append_printf(commands, "RETR %u\r\n",
					       msn++);
		}
		if (!pop3_send_bytes(session.pop3, commands->str,
				     commands->len, NULL))
			g_error("bench: the connection was lost");
		if (msn <= session.messages)
			continue;
		bytes = session.pop3->input->len;
		bytes += receive_reply(session.pop3,
				       side->retr_bytes - bytes);
		g_string_truncate(session.pop3->input, 0);
	}
	session_measure(&session, sample);
	sample->bytes = bytes;
	side->retr_bytes = bytes;
	session_end(&session);
	g_string_free(commands, TRUE);
}

static void measure_command(struct side *side, const struct measurement *m,
			    struct sample *sample)
{
	struct bench_session session = { .start_usecs = 0 };

	session_start(&session, side, m);
	session_measure(&session, sample);
	pop3_send(session.pop3, "%s", m->command);
	sample->bytes = receive_reply(session.pop3, 0);
	session_measure(&session, sample);
	session_end(&session);
}

static void measure_open(struct side *side, const struct measurement *m,
			 struct sample *sample)
{
	struct bench_session session = { .start_usecs = 0 };
	gint64 start = g_get_monotonic_time();

	session_start(&session, side, m);
	sample->secs = (g_get_monotonic_time() - start) /
		(double)G_USEC_PER_SEC;
	if (session.pid != 0) {
		process_usage(session.pid, &sample->cpu_secs,
			      &sample->peak_kib);
	}
	session_end(&session);
}

static void measure_poll(struct side *side, const struct measurement *m,
			 struct sample *sample)
{
	double cpu_secs = side->peer ? 0 : server_cpu_secs(side->f);
	gint64 start = g_get_monotonic_time();
	unsigned int i;

	for (i = 0; i < m->depth; i++) {
		struct pop3 *pop3 = log_in(side, m->security);

		g_free(pop3_ask(pop3, "STAT"));
		pop3_send(pop3, "UIDL");
		g_string_free(pop3_multiline(pop3), TRUE);
		g_free(pop3_ask(pop3, "QUIT"));
		pop3_close(pop3);
	}
	sample->secs = (g_get_monotonic_time() - start) /
		(double)G_USEC_PER_SEC / m->depth;
	if (!side->peer)
		sample->cpu_secs = server_cpu_secs(side->f) - cpu_secs;
}

static const struct measurement measurements[] = {
	{ "RETR of 10 MB messages", measure_retr, BIG, 1, POP3_CLEAR, NULL,
	  TRUE },
	{ "RETR of 10 MB messages, POP3S", measure_retr, TLS, 1, POP3_TLS,
	  NULL, TRUE },
	{ "RETR of mixed messages", measure_retr, MIXED, 1, POP3_CLEAR, NULL,
	  TRUE },
	{ "RETR of mixed messages, pipelined", measure_retr, MIXED, 32,
	  POP3_CLEAR, NULL, TRUE },
	{ "login to STAT, large mailbox", measure_open, MANY, 0, POP3_CLEAR,
	  NULL, FALSE },
	{ "UIDL, large mailbox", measure_command, MANY, 0, POP3_CLEAR, "UIDL",
	  FALSE },
	{ "LIST, large mailbox", measure_command, MANY, 0, POP3_CLEAR, "LIST",
	  FALSE },
	{ "poll: login, STAT, UIDL, QUIT", measure_poll, POLL, 25, POP3_CLEAR,
	  NULL, FALSE },
	{ "poll, processes reused", measure_poll, REUSED, 250, POP3_CLEAR,
	  NULL, FALSE }
};

/* --- rounds --- */

static gboolean measure(const struct measurement *m)
{
	struct sample *samples[ALL_SERVERS] = { NULL }, unused;
	struct side *mailbox = sides[m->mailbox];
	gboolean quiet;
	unsigned int s;
	int i;

	for (s = 0; s < ALL_SERVERS; s++) {
		if (mailbox[s].f == NULL ||
		    (mailbox[s].peer && m->security != POP3_CLEAR))
			continue;
		samples[s] = g_new0(struct sample, opt_rounds);
		/* caches are warm when it counts */
		m->measure(&mailbox[s], m, &unused);
	}
	for (i = 0; i < opt_rounds; i++) {
		for (s = 0; s < ALL_SERVERS; s++) {
			if (samples[s] != NULL) {
				m->measure(&mailbox[s], m, &samples[s][i]);
			}
		}
		if (m->throughput && m->security == POP3_CLEAR) {
			samples[OURS][i].sendfile_secs =
				bench_sendfile_secs(samples[OURS][i].bytes);
		}
	}
	quiet = bench_report(m, samples, opt_rounds, opt_json);
	for (s = 0; s < ALL_SERVERS; s++)
		g_free(samples[s]);
	return quiet;
}

/* --- the servers --- */

/* Returns the configuration for the servers of a mailbox. */
static char *server_config(unsigned int mailbox, unsigned int server)
{
	gboolean is_2_3 = fixture_is_2_3();
	const char *path = is_2_3 ?
		POPINJAY_SRCDIR "/doc/large-site-2.3.conf.ext" :
		POPINJAY_SRCDIR "/doc/large-site-2.4.conf.ext";
	char *config = NULL;

	if (mailbox == REUSED &&
	    !g_file_get_contents(path, &config, NULL, NULL))
		g_error("bench: %s cannot be read", path);
	if (mailbox == TLS && server == OURS) {
		config = g_strdup(is_2_3 ?
			"protocol pop3 {\n"
			"  login_plugins = popinjay_login\n}\n" :
			"protocol pop3 {\n  login_plugins {\n"
			"    popinjay_login = yes\n  }\n}\n");
	}
	return config;
}

static struct fixture **start_servers(unsigned int mailbox)
{
	struct fixture **dovecots = mailbox == REUSED ? reused_servers :
		mailbox == TLS ? tls_servers : servers;
	unsigned int s;

	for (s = 0; s < SERVERS && dovecots[s] == NULL; s++) {
		g_autofree char *config = server_config(mailbox, s);
		struct fixture_options fixture_options = {
			.stock = s == STOCK, .config = config
		};

		dovecots[s] = fixture_new(&fixture_options);
	}
	return dovecots;
}

static void make_mailbox(unsigned int mailbox)
{
	static const struct {
		const char *user;
		unsigned int count;
		gsize size;
	} mailboxes[MAILBOXES] = {
		[BIG] = { "big", BIG_COUNT, BIG_BYTES },
		[TLS] = { "big", BIG_COUNT, BIG_BYTES },
		[MIXED] = { "mixed", MIXED_COUNT, 0 },
		[MANY] = { "many", 0, 500 },
		[POLL] = { "poll", POLL_COUNT, 3000 },
		[REUSED] = { "poll", POLL_COUNT, 3000 }
	};
	struct fixture **dovecots;
	unsigned int count = mailboxes[mailbox].count, s;
	GPtrArray *mails;

	if (sides[mailbox][STOCK].f != NULL)
		return;
	if (count == 0)
		count = (unsigned int)opt_messages;
	fprintf(stderr, "bench: %u messages for %s\n", count,
		mailboxes[mailbox].user);
	dovecots = start_servers(mailbox);
	mails = bench_mails(count, mailboxes[mailbox].size);
	for (s = 0; s < ALL_SERVERS; s++) {
		struct side *side = &sides[mailbox][s];
		const char *user;

		if (s < SERVERS) {
			side->f = dovecots[s];
			side->user = g_strdup_printf("%s@%s",
				mailboxes[mailbox].user,
				opt_storage != NULL ? opt_storage : "maildir");
			bench_deliver(side->f, side->user, mails);
		} else if (opt_peers && dovecots == servers) {
			side->peer = TRUE;
			side->f = bench_peer_new(s - SERVERS, servers[STOCK],
						 mails, &user);
			side->user = g_strdup(user);
		}
	}
	g_ptr_array_unref(mails);
}

static void free_all(void)
{
	unsigned int mailbox, s;

	for (mailbox = 0; mailbox < MAILBOXES; mailbox++) {
		for (s = 0; s < ALL_SERVERS; s++) {
			struct side *side = &sides[mailbox][s];

			if (side->peer)
				bench_peer_free(s - SERVERS, side->f);
			g_free(side->user);
		}
	}
	for (s = 0; s < SERVERS; s++) {
		g_clear_pointer(&servers[s], fixture_free);
		g_clear_pointer(&reused_servers[s], fixture_free);
		g_clear_pointer(&tls_servers[s], fixture_free);
	}
}

static gboolean is_wanted(const struct measurement *m)
{
	return opt_only == NULL || strstr(m->name, opt_only) != NULL;
}

int main(int argc, char **argv)
{
	GOptionContext *context;
	GError *error = NULL;
	unsigned int i, noisy = 0, count = 0;

	context = g_option_context_new("- POP3 with Popinjay against without");
	g_option_context_add_main_entries(context, options, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error) ||
	    opt_rounds < 1 || opt_messages < 1) {
		fprintf(stderr, "bench: %s\n", error != NULL ?
			error->message : "rounds and messages are above 0");
		return 2;
	}
	g_option_context_free(context);

	/* what takes minutes, before the machine's load counts */
	g_setenv("POPINJAY_TEST_TIMEOUT", "1200", FALSE);
	for (i = 0; i < G_N_ELEMENTS(measurements); i++) {
		if (is_wanted(&measurements[i]))
			make_mailbox(measurements[i].mailbox);
	}
	if (!opt_json)
		bench_print_head();
	for (i = 0; i < G_N_ELEMENTS(measurements); i++) {
		if (!is_wanted(&measurements[i]))
			continue;
		count++;
		if (!measure(&measurements[i]))
			noisy++;
	}
	if (!opt_json)
		bench_print_end(noisy, count);
	free_all();
	return 0;
}
