/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The mailboxes of the benchmark, the same in every run. */

#include "mailboxes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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

GPtrArray *bench_mails(unsigned int count, gsize size)
{
	GPtrArray *mails = g_ptr_array_new_with_free_func(
		(GDestroyNotify)g_bytes_unref);
	GRand *rand = g_rand_new_with_seed(1939);
	unsigned int i;

	for (i = 0; i < count; i++) {
		g_ptr_array_add(mails, make_mail(rand, i + 1,
			size > 0 ? size : mixed_size(rand)));
	}
	g_rand_free(rand);
	return mails;
}

void
bench_deliver(struct fixture *f, const char *user, const GPtrArray *mails)
{
	GRand *rand = g_rand_new_with_seed(1939);

	fixture_user_add(f, user);
	fixture_deliver_all(f, user, (GBytes *const *)mails->pdata,
			    mails->len);
	if (g_str_equal(fixture_user_storage(user), "maildir"))
		rename_files(f, user, rand);
	g_rand_free(rand);
}
