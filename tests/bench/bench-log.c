/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Measures what the access log costs: the same sessions on private Dovecots,
   which log nothing, what is logged unless settings say more, and each message
   to Dovecot's log and to the service, asked in turns; and how many lines the
   service can take, by the CPU time it needs for them. What counts are the
   ratios. CPU is that of all processes of a Dovecot, in all rounds. */

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

enum { NONE, DEFAULT, LOG, SERVICE, SERVERS };

static const char *const server_names[SERVERS] = {
	"none", "default", "log", "service"
};

static gint opt_rounds = 9;

static const GOptionEntry options[] = {
	{ "rounds", 0, 0, G_OPTION_ARG_INT, &opt_rounds,
	  "how often each side is measured", "N" },
	{ NULL }
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

/* Of Dovecot's processes, those that have ended among them. */
static double all_cpu_secs(struct fixture *f)
{
	g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
	long ticks = sysconf(_SC_CLK_TCK);
	unsigned long long sum = 0;
	const char *name;

	g_assert_nonnull(dir);
	while ((name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = g_strdup_printf("/proc/%s/stat", name);
		g_autofree char *text = NULL;
		unsigned long user, system;
		long user_ended, system_ended;
		int group;

		if (!g_ascii_isdigit(*name) ||
		    !g_file_get_contents(path, &text, NULL, NULL) ||
		    sscanf(strrchr(text, ')'), ") %*c %*d %d %*d %*d %*d %*u "
			   "%*u %*u %*u %*u %lu %lu %ld %ld", &group, &user,
			   &system, &user_ended, &system_ended) != 5 ||
		    group != f->pid)
			continue;
		sum += user + system + user_ended + system_ended;
	}
	return sum / (double)ticks;
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
	fixture_deliver_all(f, user, (GBytes *const *)mails->pdata, count);
}

static double fetch(struct fixture *f, const char *user, gboolean dele)
{
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	g_autoptr(GString) commands = g_string_new(NULL);
	gint64 start;

	g_free(pop3_ask(pop3, "STAT"));
	for (unsigned int i = 1; i <= FETCH_COUNT; i++) {
		g_string_append_printf(commands, "RETR %u\r\n", i);
		if (dele)
			g_string_append_printf(commands, "DELE %u\r\n", i);
	}
	start = g_get_monotonic_time();
	if (!pop3_send_bytes(pop3, commands->str, commands->len, NULL))
		g_error("the connection was lost");
	for (unsigned int i = 0; i < FETCH_COUNT; i++) {
		g_string_free(pop3_multiline(pop3), TRUE);
		if (dele)
			pop3_expect(pop3,
				    "+OK Marked to be deleted.\r\n");
	}
	pop3_quit(pop3, dele ? "Logging out, messages deleted." :
		  "Logging out.");
	return (g_get_monotonic_time() - start) / (double)G_USEC_PER_SEC;
}

static double measure_fetch(struct fixture *f)
{
	return fetch(f, "fetch", FALSE);
}

static double measure_delete(struct fixture *f)
{
	deliver(f, "delete", FETCH_COUNT);
	return fetch(f, "delete", TRUE);
}

static double measure_polls(struct fixture *f)
{
	gint64 start = g_get_monotonic_time();

	for (unsigned int i = 0; i < POLLS_PER_ROUND; i++) {
		struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, "poll");

		g_free(pop3_ask(pop3, "STAT"));
		pop3_quit(pop3, "Logging out.");
	}
	return (g_get_monotonic_time() - start) / (double)G_USEC_PER_SEC /
		POLLS_PER_ROUND;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Sorts values. */
static double median(double *values)
{
	qsort(values, opt_rounds, sizeof(*values), compare);
	return values[opt_rounds / 2];
}

static void
run(struct fixture *servers[SERVERS], const char *name,
    double (*measure)(struct fixture *f))
{
	double *secs[SERVERS], cpu[SERVERS];

	for (int s = 0; s < SERVERS; s++) {
		secs[s] = g_new(double, opt_rounds);
		(void)measure(servers[s]);
	}
	/* the last sessions end */
	g_usleep(G_USEC_PER_SEC / 2);
	for (int s = 0; s < SERVERS; s++)
		cpu[s] = all_cpu_secs(servers[s]);
	for (int i = 0; i < opt_rounds; i++) {
		for (int s = 0; s < SERVERS; s++)
			secs[s][i] = measure(servers[s]);
	}
	g_usleep(G_USEC_PER_SEC / 2);
	for (int s = 0; s < SERVERS; s++)
		cpu[s] = all_cpu_secs(servers[s]) - cpu[s];
	for (int s = 0; s < SERVERS; s++) {
		printf("%-26s %-8s %9.2f ms  ratio %5.2f   CPU ratio %5.2f\n",
		       name, server_names[s], median(secs[s]) * 1e3,
		       median(secs[s]) / median(secs[NONE]),
		       cpu[s] / cpu[NONE]);
		fflush(stdout);
	}
	for (int s = 0; s < SERVERS; s++)
		g_free(secs[s]);
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

	fixture_user_add(f, "many");
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
		{ NULL },
		{ "popinjay_access_log_events", "session message", NULL },
		{ "popinjay_access_log_events", "session message", NULL },
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
		fixture_user_add(servers[s], "delete");
		fixture_user_add(servers[s], "fetch");
		deliver(servers[s], "fetch", FETCH_COUNT);
		fixture_user_add(servers[s], "poll");
		deliver(servers[s], "poll", 50);
	}
	run(servers, "a poll", measure_polls);
	run(servers, "a fetch of 2000", measure_fetch);
	run(servers, "a fetch and delete of 2000", measure_delete);
	measure_service(servers[SERVICE]);
	for (int s = 0; s < SERVERS; s++)
		fixture_free(servers[s]);
	return 0;
}
