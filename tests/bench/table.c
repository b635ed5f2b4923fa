/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of the benchmark: medians, and how far they can be trusted. */

#include "table.h"

#include <stdio.h>
#include <stdlib.h>

/* An interquartile range above this part of the median says that the machine
   was busy with other things. */
#define NOISE_LIMIT 0.3

static int round_count;

/* Of the last minute. */
static const char *load_average(void)
{
	static char text[16];
	double load = 0;

	(void)getloadavg(&load, 1);
	g_snprintf(text, sizeof(text), "%.2f", load);
	return text;
}

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

/* The median of what is told of a side; sets *noise_r to the interquartile
   range as a part of it. */
static double
median_value(const struct measurement *m, const struct sample *samples,
	     double *noise_r)
{
	double *values = g_new(double, round_count), value;
	int i;

	for (i = 0; i < round_count; i++) {
		values[i] = m->throughput ?
			samples[i].bytes / samples[i].secs / 1e6 :
			samples[i].secs * 1e3;
	}
	value = median(values, round_count);
	*noise_r = (values[round_count * 3 / 4] - values[round_count / 4]) /
		value;
	g_free(values);
	return value;
}

static double median_cpu_secs(const struct sample *samples)
{
	double *values = g_new(double, round_count), value;
	int i;

	for (i = 0; i < round_count; i++)
		values[i] = samples[i].cpu_secs;
	value = median(values, round_count);
	g_free(values);
	return value;
}

static double peak_kib(const struct sample *samples)
{
	double peak = 0;
	int i;

	for (i = 0; i < round_count; i++)
		peak = MAX(peak, samples[i].peak_kib);
	return peak;
}

/* The MB/s that sendfile() comes to, or 0 if it was not measured. */
static double median_sendfile(const struct sample *samples)
{
	double *values = g_new0(double, round_count), value;
	int i;

	for (i = 0; i < round_count; i++) {
		if (samples[i].sendfile_secs > 0) {
			values[i] = samples[i].bytes /
				samples[i].sendfile_secs / 1e6;
		}
	}
	value = median(values, round_count);
	g_free(values);
	return value;
}

void bench_print_head(void)
{
	printf("%u CPUs; load average before: %s\n\n"
	       "%-34s %8s %8s %-4s %6s %8s   %13s   %13s   noise\n"
	       "%-34s %8s %8s %-4s %6s %8s   %6s %6s   %6s %6s\n",
	       g_get_num_processors(), load_average(), "medians", "stock",
	       "popinjay", "", "ratio", "sendfile", "CPU s", "peak KiB", "",
	       "", "", "", "", "", "stock", "ours", "stock", "ours");
}

static void report_text(const struct measurement *m, const double *values,
			double limit, double noise,
			struct sample *const *samples, double ratio)
{
	char limit_text[16] = "";
	unsigned int s;

	if (limit > 0)
		g_snprintf(limit_text, sizeof(limit_text), "%.0f", limit);
	printf("%-34s %8.1f %8.1f %-4s %6.2f %8s   %6.2f %6.2f   %6.0f %6.0f"
	       "   %3.0f %%%s\n", m->name, values[STOCK], values[OURS],
	       m->throughput ? "MB/s" : "ms", ratio, limit_text,
	       median_cpu_secs(samples[STOCK]), median_cpu_secs(samples[OURS]),
	       peak_kib(samples[STOCK]), peak_kib(samples[OURS]), noise * 100,
	       noise > NOISE_LIMIT ? " too noisy to tell" : "");
	for (s = SERVERS; s < ALL_SERVERS; s++) {
		if (values[s] > 0) {
			printf("%34s %8s %8.1f %s\n",
			       bench_peer_names[s - SERVERS], "", values[s],
			       m->throughput ? "MB/s" : "ms");
		}
	}
}

static void report_json(const struct measurement *m, const double *values,
			double limit, double noise,
			struct sample *const *samples, double ratio)
{
	unsigned int s;

	printf("{\"name\":\"%s\",\"unit\":\"%s\",\"stock\":%.3f,"
	       "\"popinjay\":%.3f,\"ratio\":%.3f,\"sendfile\":%.3f,"
	       "\"stock_cpu_secs\":%.3f,\"popinjay_cpu_secs\":%.3f,"
	       "\"stock_peak_kib\":%.0f,\"popinjay_peak_kib\":%.0f,"
	       "\"noise\":%.3f,\"too_noisy\":%s,\"load\":%s,\"rounds\":%d",
	       m->name, m->throughput ? "MB/s" : "ms", values[STOCK],
	       values[OURS], ratio, limit, median_cpu_secs(samples[STOCK]),
	       median_cpu_secs(samples[OURS]), peak_kib(samples[STOCK]),
	       peak_kib(samples[OURS]), noise,
	       noise > NOISE_LIMIT ? "true" : "false", load_average(),
	       round_count);
	for (s = SERVERS; s < ALL_SERVERS; s++) {
		if (values[s] > 0) {
			printf(",\"%s\":%.3f", bench_peer_names[s - SERVERS],
			       values[s]);
		}
	}
	printf("}\n");
}

gboolean
bench_report(const struct measurement *m, struct sample *const *samples,
	     int rounds, gboolean json)
{
	double values[ALL_SERVERS] = { 0 }, noise, side_noise, ratio;
	double limit;
	unsigned int s;

	round_count = rounds;
	/* less says nothing of noise */
	noise = rounds < 3 ? 1 : 0;
	limit = median_sendfile(samples[OURS]);
	for (s = 0; s < ALL_SERVERS; s++) {
		if (samples[s] == NULL)
			continue;
		values[s] = median_value(m, samples[s], &side_noise);
		if (s < SERVERS)
			noise = MAX(noise, side_noise);
	}
	/* above 1 is better than stock, for rates as for times */
	ratio = m->throughput ? values[OURS] / values[STOCK] :
		values[STOCK] / values[OURS];
	(json ? report_json : report_text)(m, values, limit, noise,
					       samples, ratio);
	fflush(stdout);
	return noise <= NOISE_LIMIT;
}

void bench_print_end(unsigned int noisy, unsigned int count)
{
	printf("\nload average after: %s\n", load_average());
	if (noisy > 0) {
		printf("%u of %u were too noisy to tell: the machine has "
		       "other work.\n", noisy, count);
	}
}
