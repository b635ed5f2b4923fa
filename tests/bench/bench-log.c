/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Measures what the access log costs: the same sessions on three private
   Dovecots, which log nothing, to Dovecot's log, and to the service, asked in
   turns; and how many lines the service can take, by the CPU time it needs for
   them. What counts are the ratios. */

#include "fixture.h"
#include "pop3.h"
#include "records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FETCH_COUNT 2000
#define POLLS_PER_ROUND 20
#define SERVICE_COUNT 10000

enum { NONE, LOG, SERVICE, SERVERS };

static const char *const server_names[SERVERS] = { "none", "log", "service" };

static gint opt_rounds = 9;

static const GOptionEntry options[] = {
	{ "rounds", 0, 0, G_OPTION_ARG_INT, &opt_rounds,
	  "how often each side is measured", "N" },
	{ NULL }
};

struct sample {
	double secs;
	/* of the pop3 process */
	double cpu_secs;
};

static char *log_path(struct fixture *f)
{
	return g_build_filename(f->dir, "access.log", NULL);
}

static double cpu_secs(pid_t pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid);
	g_autofree char *text = NULL;
	unsigned long user, system;
	long ticks = sysconf(_SC_CLK_TCK);

	if (!g_file_get_contents(path, &text, NULL, NULL) ||
	    sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u "
		   "%*u %*u %lu %lu", &user, &system) != 2)
		g_error("%s cannot be read", path);
	return (user + system) / (double)ticks;
}

static void deliver(struct fixture *f, const char *user, unsigned int count)
{
	g_autoptr(GPtrArray) mails = g_ptr_array_new_with_free_func(
		(GDestroyNotify)g_bytes_unref);
	g_autofree char *body = g_strnfill(3000, 'x');

	for (unsigned int i = 0; i < count; i++) {
		char *mail = g_strdup_printf("Message-ID: <%u@example.com>\r\n"
			"From: a@example.com\r\nSubject: %u\r\n\r\n%s\r\n", i,
			i, body);

		g_ptr_array_add(mails, g_bytes_new_take(mail, strlen(mail)));
	}
	fixture_user_add(f, user);
	fixture_deliver_all(f, user, (GBytes *const *)mails->pdata, count);
}

static void read_replies(struct pop3 *pop3, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		g_string_free(pop3_multiline(pop3), TRUE);
}

static void measure_fetch(struct fixture *f, struct sample *sample)
{
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, "fetch");
	g_autoptr(GString) commands = g_string_new(NULL);
	pid_t pid = fixture_session_pid(f, since, "fetch");
	gint64 start;

	g_free(pop3_ask(pop3, "STAT"));
	for (unsigned int i = 1; i <= FETCH_COUNT; i++)
		g_string_append_printf(commands, "RETR %u\r\n", i);
	sample->cpu_secs = cpu_secs(pid);
	start = g_get_monotonic_time();
	if (!pop3_send_bytes(pop3, commands->str, commands->len, NULL))
		g_error("the connection was lost");
	read_replies(pop3, FETCH_COUNT);
	sample->secs = (g_get_monotonic_time() - start) /
		(double)G_USEC_PER_SEC;
	sample->cpu_secs = cpu_secs(pid) - sample->cpu_secs;
	pop3_quit(pop3, "Logging out.");
}

static void measure_polls(struct fixture *f, struct sample *sample)
{
	gint64 start = g_get_monotonic_time();

	for (unsigned int i = 0; i < POLLS_PER_ROUND; i++) {
		struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, "poll");

		g_free(pop3_ask(pop3, "STAT"));
		pop3_quit(pop3, "Logging out.");
	}
	sample->secs = (g_get_monotonic_time() - start) /
		(double)G_USEC_PER_SEC / POLLS_PER_ROUND;
	sample->cpu_secs = 0;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values)
{
	qsort(values, opt_rounds, sizeof(*values), compare);
	return values[opt_rounds / 2];
}

static void
run(struct fixture *servers[SERVERS], const char *name,
    void (*measure)(struct fixture *f, struct sample *sample))
{
	double *secs[SERVERS], *cpu[SERVERS];
	double base = 0, base_cpu = 0;
	struct sample sample;

	for (int s = 0; s < SERVERS; s++) {
		secs[s] = g_new(double, opt_rounds);
		cpu[s] = g_new(double, opt_rounds);
		measure(servers[s], &sample);
	}
	for (int i = 0; i < opt_rounds; i++) {
		for (int s = 0; s < SERVERS; s++) {
			measure(servers[s], &sample);
			secs[s][i] = sample.secs;
			cpu[s][i] = sample.cpu_secs;
		}
	}
	for (int s = 0; s < SERVERS; s++) {
		double value = median(secs[s]) * 1e3;
		double cpu_value = median(cpu[s]) * 1e3;

		if (s == NONE) {
			base = value;
			base_cpu = cpu_value;
		}
		printf("%-24s %-8s %9.2f ms  ratio %5.2f", name,
		       server_names[s], value, value / base);
		if (base_cpu > 0) {
			printf("   CPU of pop3 %7.1f ms  ratio %5.2f",
			       cpu_value, cpu_value / base_cpu);
		}
		printf("\n");
		fflush(stdout);
		g_free(secs[s]);
		g_free(cpu[s]);
	}
}

/* RETR, DELE and QUIT: three lines a message, as fast as one session can. */
static void measure_service(struct fixture *f)
{
	g_autofree char *path = log_path(f);
	g_autoptr(GString) commands = g_string_new(NULL);
	g_autoptr(GPtrArray) records = NULL;
	struct pop3 *pop3;
	pid_t pid;
	double cpu;
	unsigned int lines = 3 * SERVICE_COUNT + 1;

	deliver(f, "many", SERVICE_COUNT);
	pid = collector_pid(f);
	g_assert_cmpint(pid, >, 0);
	g_assert_cmpint(truncate(path, 0), ==, 0);
	cpu = cpu_secs(pid);
	pop3 = pop3_session(f, POP3_CLEAR, "many");
	for (unsigned int i = 1; i <= SERVICE_COUNT; i++) {
		g_string_append_printf(commands, "RETR %u\r\nDELE %u\r\n", i,
				       i);
	}
	g_string_append(commands, "QUIT\r\n");
	if (!pop3_send_bytes(pop3, commands->str, commands->len, NULL))
		g_error("the connection was lost");
	g_string_free(pop3_read_to_eof(pop3, NULL), TRUE);
	pop3_close(pop3);
	records = records_in_file(path, lines);
	cpu = cpu_secs(pid) - cpu;
	printf("%-24s %u lines took %.2f s of its CPU: %.0f lines a second\n",
	       "the service", lines, cpu, lines / cpu);
}

int main(int argc, char **argv)
{
	static const char *const settings[][3] = {
		{ "popinjay_access_log", "none", NULL },
		{ "popinjay_access_log", "log", NULL },
		{ NULL }
	};
	struct fixture *servers[SERVERS];
	GOptionContext *context = g_option_context_new(
		"- what the access log costs");
	GError *error = NULL;

	g_option_context_add_main_entries(context, options, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error) ||
	    opt_rounds < 1) {
		fprintf(stderr, "bench-log: %s\n", error != NULL ?
			error->message : "rounds are above 0");
		return 2;
	}
	g_option_context_free(context);
	for (int s = 0; s < SERVERS; s++) {
		const struct fixture_options fixture_options = {
			.settings = settings[s], .fast_logins = TRUE
		};

		servers[s] = fixture_new(&fixture_options);
		if (s == SERVICE) {
			g_autofree char *path = log_path(servers[s]);
			g_autofree char *config =
				collector_config(servers[s], path);

			fixture_reload(servers[s], config);
		}
		deliver(servers[s], "fetch", FETCH_COUNT);
		deliver(servers[s], "poll", 50);
	}
	run(servers, "a poll", measure_polls);
	run(servers, "a fetch of 2000", measure_fetch);
	measure_service(servers[SERVICE]);
	for (int s = 0; s < SERVERS; s++)
		fixture_free(servers[s]);
	return 0;
}
