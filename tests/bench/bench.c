/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Measures POP3 sessions with Popinjay against the same Dovecot without it:
   two private Dovecots with the same mailboxes, asked in turns by the same
   client in one run. What counts are the ratios. */

#include "sendfile.h"

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
#define POLLS_PER_ROUND 20
#define END_OF_REPLY "\r\n.\r\n"

/* An interquartile range above this part of the median says that the machine
   was busy with other things. */
#define NOISE_LIMIT 0.3

enum { STOCK, OURS, SERVERS };

struct sample {
	double secs;
	/* of the pop3 process, user and system */
	double cpu_secs;
	/* largest resident memory of the pop3 process */
	double peak_kib;
	double bytes;
};

struct measurement;
typedef void measure_func_t(struct fixture *f, const struct measurement *m,
			    struct sample *sample);

struct measurement {
	const char *name;
	measure_func_t *measure;
	const char *user;
	/* of RETR: how many are on their way at once */
	unsigned int depth;
	enum pop3_security security;
	const char *command;
	/* the result is told in MB/s rather than in ms */
	gboolean throughput;
};

static gint opt_rounds = 7;
static gint opt_messages = 100000;
static gboolean opt_json;
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
	{ "json", 'j', 0, G_OPTION_ARG_NONE, &opt_json,
	  "Print a JSON object for each measurement", NULL },
	{ NULL, 0, 0, 0, NULL, NULL, NULL }
};

/* --- the mailboxes, the same in every run --- */

static GBytes *make_mail(GRand *rand, unsigned int idx, gsize size)
{
	GString *mail = g_string_new(NULL);
	static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"abcdefghijklmnopqrstuvwxyz0123456789+/";
	char line[78];
	unsigned int i;

	g_string_append_printf(mail, "From: sender%u@example.com\n"
		"To: user@example.com\nSubject: Message %u\n"
		"Message-ID: <%u.bench@example.com>\n"
		"Date: Mon, 5 Jan 2026 10:00:00 +0000\n\n", idx, idx, idx);
	for (i = 0; i < 76; i++)
		line[i] = base64[g_rand_int_range(rand, 0, 64)];
	line[76] = '\n';
	while (mail->len < size) {
		/* no two lines alike, at little cost */
		line[g_rand_int_range(rand, 0, 76)] =
			base64[g_rand_int_range(rand, 0, 64)];
		g_string_append_len(mail, line, 77);
	}
	return g_string_free_to_bytes(mail);
}

static gsize mixed_size(GRand *rand)
{
	/* most are small, most bytes are in attachments */
	return g_rand_int_range(rand, 0, 10) < 9 ?
		(gsize)g_rand_int_range(rand, 2000, 40000) :
		(gsize)g_rand_int_range(rand, 100000, 600000);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of a Maildir's files as real servers make them, which have nothing of a
   series. */
static void
rename_files(struct fixture *f, const char *user, GRand *rand)
{
	char *dir = fixture_mail_dir(f, user);
	char *new_dir = g_build_filename(dir, "new", NULL);
	GDir *files = g_dir_open(new_dir, 0, NULL);
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	const char *name;
	unsigned int i;

	while ((name = g_dir_read_name(files)) != NULL)
		g_ptr_array_add(names, g_strdup(name));
	g_dir_close(files);
	/* the order of a directory is another each time */
	g_ptr_array_sort(names, compare_names);
	for (i = 0; i < names->len; i++) {
		char *from, *to;

		name = g_ptr_array_index(names, i);
		from = g_build_filename(new_dir, name, NULL);
		to = g_strdup_printf("%s/%.10s.M%06dP%d.mail3", new_dir, name,
				     g_rand_int_range(rand, 0, 1000000),
				     g_rand_int_range(rand, 300, 32768));
		if (rename(from, to) < 0)
			g_error("bench: rename(%s): %s", from,
				g_strerror(errno));
		g_free(from);
		g_free(to);
	}
	g_ptr_array_unref(names);
	g_free(new_dir);
	g_free(dir);
}

static void
deliver(struct fixture *f, const char *user, unsigned int count, gsize size)
{
	GPtrArray *mails = g_ptr_array_new_with_free_func(
		(GDestroyNotify)g_bytes_unref);
	GRand *rand = g_rand_new_with_seed(1939);
	unsigned int i;

	fprintf(stderr, "bench: %s: %u messages for %s\n",
		f->stock ? "stock" : "popinjay", count, user);
	for (i = 0; i < count; i++) {
		g_ptr_array_add(mails, make_mail(rand, i + 1,
			size > 0 ? size : mixed_size(rand)));
	}
	fixture_user_add(f, user);
	fixture_deliver_all(f, user, (GBytes *const *)mails->pdata,
			    mails->len);
	if (g_str_equal(fixture_user_storage(user), "maildir"))
		rename_files(f, user, rand);
	g_rand_free(rand);
	g_ptr_array_unref(mails);
}

/* --- the client --- */

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

	path = g_strdup_printf("/proc/%d/status", (int)pid);
	*peak_kib_r = 0;
	if (g_file_get_contents(path, &text, NULL, NULL)) {
		end = strstr(text, "VmHWM:");
		if (end != NULL)
			*peak_kib_r = strtod(end + strlen("VmHWM:"), NULL);
		g_free(text);
	}
	g_free(path);
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

struct bench_session {
	struct pop3 *pop3;
	pid_t pid;
	unsigned int messages;
	double cpu_secs;
	gint64 start_usecs;
};

static void
session_start(struct bench_session *session, struct fixture *f,
	      const struct measurement *m)
{
	gsize mark = fixture_log_size(f);
	char *stat;

	session->pop3 = pop3_session(f, m->security, m->user);
	stat = pop3_ask(session->pop3, "STAT");
	if (sscanf(stat, "+OK %u", &session->messages) != 1)
		g_error("bench: STAT was answered: %s", stat);
	g_free(stat);
	session->pid = fixture_session_pid(f, mark, m->user);
	/* a client that waits in recv() costs least */
	if (fcntl(session->pop3->fd, F_SETFL, 0) < 0)
		g_error("bench: fcntl() failed: %s", g_strerror(errno));
}

static void
session_measure(struct bench_session *session, struct sample *sample)
{
	double cpu_secs;

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

static void measure_retr(struct fixture *f, const struct measurement *m,
			 struct sample *sample)
{
	static guint64 pipelined_bytes;
	struct bench_session session = { .start_usecs = 0 };
	GString *commands = g_string_new(NULL);
	unsigned int msn = 1, i;
	guint64 bytes = 0;

	session_start(&session, f, m);
	session_measure(&session, sample);
	while (m->depth == 1 && msn <= session.messages) {
		pop3_send(session.pop3, "RETR %u", msn++);
		bytes += receive_reply(session.pop3, 0);
	}
	/* With several on their way their ends cannot be told apart cheaply,
	   but the size of all of them is known by now. */
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
		bytes += receive_reply(session.pop3, pipelined_bytes - bytes);
		g_string_truncate(session.pop3->input, 0);
	}
	session_measure(&session, sample);
	sample->bytes = bytes;
	if (m->depth == 1)
		pipelined_bytes = bytes;
	session_end(&session);
	g_string_free(commands, TRUE);
}

static void measure_command(struct fixture *f, const struct measurement *m,
			    struct sample *sample)
{
	struct bench_session session = { .start_usecs = 0 };

	session_start(&session, f, m);
	session_measure(&session, sample);
	pop3_send(session.pop3, "%s", m->command);
	sample->bytes = receive_reply(session.pop3, 0);
	session_measure(&session, sample);
	session_end(&session);
}

static void measure_open(struct fixture *f, const struct measurement *m,
			 struct sample *sample)
{
	struct bench_session session = { .start_usecs = 0 };
	gint64 start = g_get_monotonic_time();

	session_start(&session, f, m);
	sample->secs = (g_get_monotonic_time() - start) /
		(double)G_USEC_PER_SEC;
	process_usage(session.pid, &sample->cpu_secs, &sample->peak_kib);
	session_end(&session);
}

static void measure_poll(struct fixture *f, const struct measurement *m,
			 struct sample *sample)
{
	gint64 start = g_get_monotonic_time();
	unsigned int i;

	for (i = 0; i < POLLS_PER_ROUND; i++) {
		struct pop3 *pop3 = pop3_session(f, m->security, m->user);

		g_free(pop3_ask(pop3, "STAT"));
		pop3_send(pop3, "UIDL");
		g_string_free(pop3_multiline(pop3), TRUE);
		g_free(pop3_ask(pop3, "QUIT"));
		pop3_close(pop3);
	}
	sample->secs = (g_get_monotonic_time() - start) /
		(double)G_USEC_PER_SEC / POLLS_PER_ROUND;
}

static const struct measurement measurements[] = {
	{ "RETR of 10 MB messages", measure_retr, "big", 1, POP3_CLEAR, NULL,
	  TRUE },
	{ "RETR of 10 MB messages, POP3S", measure_retr, "big", 1, POP3_TLS,
	  NULL, TRUE },
	{ "RETR of mixed messages", measure_retr, "mixed", 1, POP3_CLEAR,
	  NULL, TRUE },
	{ "RETR of mixed messages, pipelined", measure_retr, "mixed", 16,
	  POP3_CLEAR, NULL, TRUE },
	{ "login to STAT, large mailbox", measure_open, "many", 0,
	  POP3_CLEAR, NULL, FALSE },
	{ "UIDL, large mailbox", measure_command, "many", 0, POP3_CLEAR,
	  "UIDL", FALSE },
	{ "LIST, large mailbox", measure_command, "many", 0, POP3_CLEAR,
	  "LIST", FALSE },
	{ "poll: login, STAT, UIDL, QUIT", measure_poll, "poll", 0,
	  POP3_CLEAR, NULL, FALSE }
};

/* --- the table --- */

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Sorts values. */
static double median(double *values, unsigned int count)
{
	qsort(values, count, sizeof(*values), compare_doubles);
	return count % 2 == 1 ? values[count / 2] :
		(values[count / 2 - 1] + values[count / 2]) / 2;
}

static void
report(const struct measurement *m, struct sample *samples[SERVERS])
{
	double value[SERVERS], cpu[SERVERS], peak[SERVERS], noise = 0, ratio;
	double *values = g_new(double, opt_rounds), limit = 0;
	char limit_text[16] = "";
	int s, i;

	for (s = 0; s < SERVERS; s++) {
		for (i = 0; i < opt_rounds; i++)
			values[i] = samples[s][i].cpu_secs;
		cpu[s] = median(values, opt_rounds);
		peak[s] = 0;
		for (i = 0; i < opt_rounds; i++) {
			peak[s] = MAX(peak[s], samples[s][i].peak_kib);
			values[i] = m->throughput ? samples[s][i].bytes /
				samples[s][i].secs / 1e6 :
				samples[s][i].secs * 1e3;
		}
		value[s] = median(values, opt_rounds);
		noise = MAX(noise, (values[opt_rounds * 3 / 4] -
				    values[opt_rounds / 4]) / value[s]);
	}
	if (m->throughput && m->security == POP3_CLEAR) {
		double bytes = samples[OURS][0].bytes;

		for (i = 0; i < opt_rounds; i++)
			values[i] = bytes / bench_sendfile_secs(bytes) / 1e6;
		limit = median(values, opt_rounds);
		g_snprintf(limit_text, sizeof(limit_text), "%.0f", limit);
	}
	/* above 1 is better than stock, for rates as for times */
	ratio = m->throughput ? value[OURS] / value[STOCK] :
		value[STOCK] / value[OURS];

	if (opt_json) {
		printf("{\"name\":\"%s\",\"unit\":\"%s\",\"stock\":%.3f,"
		       "\"popinjay\":%.3f,\"ratio\":%.3f,"
		       "\"sendfile\":%.3f,"
		       "\"stock_cpu_secs\":%.3f,\"popinjay_cpu_secs\":%.3f,"
		       "\"stock_peak_kib\":%.0f,\"popinjay_peak_kib\":%.0f,"
		       "\"noise\":%.3f,\"rounds\":%d}\n", m->name,
		       m->throughput ? "MB/s" : "ms", value[STOCK],
		       value[OURS], ratio, limit, cpu[STOCK], cpu[OURS],
		       peak[STOCK], peak[OURS], noise, opt_rounds);
	} else {
		printf("%-34s %8.1f %8.1f %-4s %6.2f %8s   %6.2f %6.2f   "
		       "%6.0f %6.0f   %3.0f %%%s\n", m->name, value[STOCK],
		       value[OURS], m->throughput ? "MB/s" : "ms", ratio,
		       limit_text, cpu[STOCK], cpu[OURS], peak[STOCK],
		       peak[OURS], noise * 100, noise > NOISE_LIMIT ?
		       " too noisy to tell" : "");
	}
	fflush(stdout);
	g_free(values);
}

static void
run(struct fixture *servers[SERVERS], const struct measurement *m)
{
	struct sample *samples[SERVERS], unused;
	int i, s;

	for (s = 0; s < SERVERS; s++) {
		samples[s] = g_new0(struct sample, opt_rounds);
		/* caches are warm when it counts */
		m->measure(servers[s], m, &unused);
	}
	for (i = 0; i < opt_rounds; i++) {
		for (s = 0; s < SERVERS; s++)
			m->measure(servers[s], m, &samples[s][i]);
	}
	report(m, samples);
	for (s = 0; s < SERVERS; s++)
		g_free(samples[s]);
}

static char *user_name(const char *name)
{
	return g_strdup_printf("%s@%s", name,
			       opt_storage != NULL ? opt_storage : "maildir");
}

static void prepare(struct fixture *f, const char *wanted)
{
	static const struct {
		const char *user;
		unsigned int count;
		gsize size;
	} mailboxes[] = {
		{ "big", BIG_COUNT, BIG_BYTES },
		{ "mixed", MIXED_COUNT, 0 },
		{ "many", 0, 500 },
		{ "poll", POLL_COUNT, 3000 }
	};
	unsigned int i;

	for (i = 0; i < G_N_ELEMENTS(mailboxes); i++) {
		char *user;

		if (strstr(wanted, mailboxes[i].user) == NULL)
			continue;
		user = user_name(mailboxes[i].user);
		deliver(f, user, mailboxes[i].count > 0 ? mailboxes[i].count :
			(unsigned int)opt_messages, mailboxes[i].size);
		g_free(user);
	}
}

int main(int argc, char **argv)
{
	static const struct fixture_options stock_options = { .stock = TRUE };
	GOptionContext *context;
	struct fixture *servers[SERVERS];
	GString *wanted = g_string_new(NULL);
	GError *error = NULL;
	unsigned int i;
	int s;

	context = g_option_context_new("- POP3 with Popinjay against without");
	g_option_context_add_main_entries(context, options, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error) ||
	    opt_rounds < 1 || opt_messages < 1) {
		fprintf(stderr, "bench: %s\n", error != NULL ?
			error->message : "rounds and messages are above 0");
		return 2;
	}
	g_option_context_free(context);

	for (i = 0; i < G_N_ELEMENTS(measurements); i++) {
		if (opt_only == NULL ||
		    strstr(measurements[i].name, opt_only) != NULL)
			g_string_append(wanted, measurements[i].user);
	}
	servers[STOCK] = fixture_new(&stock_options);
	servers[OURS] = fixture_new(NULL);
	for (s = 0; s < SERVERS; s++)
		prepare(servers[s], wanted->str);

	if (!opt_json) {
		printf("%-34s %8s %8s %-4s %6s %8s   %13s   %13s   noise\n"
		       "%-34s %8s %8s %-4s %6s %8s   %6s %6s   %6s %6s\n",
		       "medians", "stock", "popinjay", "", "ratio", "sendfile",
		       "CPU s of pop3", "peak KiB",
		       "", "", "", "", "", "", "stock", "ours", "stock",
		       "ours");
	}
	for (i = 0; i < G_N_ELEMENTS(measurements); i++) {
		struct measurement m = measurements[i];
		char *user = user_name(m.user);

		if (opt_only == NULL || strstr(m.name, opt_only) != NULL) {
			m.user = user;
			run(servers, &m);
		}
		g_free(user);
	}

	for (s = 0; s < SERVERS; s++)
		fixture_free(servers[s]);
	g_string_free(wanted, TRUE);
	return 0;
}
