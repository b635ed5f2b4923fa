/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A mail client's directories, and the mails that it has put there. */

#define _GNU_SOURCE
#include "clients.h"
#include "numbered.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_USECS (10 * 1000)

void client_account_init(struct client_account *account, struct fixture *f,
			 const char *user, enum pop3_security security)
{
	*account = (struct client_account){
		.f = f,
		.user = g_strdup(user),
		.security = security,
		.ca_file = f->ca_file,
		.dir = g_build_filename(f->dir, "client-XXXXXX", NULL)
	};
	g_assert_nonnull(g_mkdtemp(account->dir));
	account->mail_dir = g_build_filename(account->dir, "mail", NULL);
	g_assert_cmpint(mkdir(account->mail_dir, 0700), ==, 0);
}

void client_account_deinit(struct client_account *account)
{
	g_free((char *)account->user);
	g_free(account->mail_dir);
	g_free(account->dir);
}

void client_wait_ended(const struct client_account *account, gsize since)
{
	struct fixture *f = account->f;
	g_autofree char *begun = g_strdup_printf(
		": (Login|Logged in): user=<%s>", account->user);
	g_autofree char *ended = g_strdup_printf(
		"\"popinjay_session_finished\".*\"user\":\"%s\"",
		account->user);
	gint64 deadline = g_get_monotonic_time() +
		(gint64)fixture_timeout_secs() * G_USEC_PER_SEC;

	g_free(fixture_log_wait(f, since, begun));
	while (fixture_log_count(f, 0, ended) <
	       fixture_log_count(f, 0, begun)) {
		if (g_get_monotonic_time() > deadline)
			g_error("a session of %s does not end", account->user);
		g_usleep(WAIT_USECS);
	}
}

void client_put_mail(const struct client_account *account, const void *data,
		     gsize size)
{
	g_autofree char *path = NULL;
	g_autoptr(GError) error = NULL;
	unsigned int number = 0;

	do {
		g_free(path);
		path = g_strdup_printf("%s/%u", account->mail_dir, ++number);
	} while (g_file_test(path, G_FILE_TEST_EXISTS));
	if (!g_file_set_contents(path, data, (gssize)size, &error))
		g_error("%s", error->message);
}

static int compare_numbers(gconstpointer p1, gconstpointer p2)
{
	return atoi(*(const char *const *)p1) - atoi(*(const char *const *)p2);
}

GPtrArray *client_take_mails(const struct client_account *account)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	GPtrArray *fetched = g_ptr_array_new_with_free_func(
		(GDestroyNotify)g_bytes_unref);
	GDir *dir = g_dir_open(account->mail_dir, 0, NULL);
	const char *name;

	while ((name = g_dir_read_name(dir)) != NULL)
		g_ptr_array_add(names, g_strdup(name));
	g_dir_close(dir);
	g_ptr_array_sort(names, compare_numbers);
	for (unsigned int i = 0; i < names->len; i++) {
		g_autofree char *path = g_build_filename(account->mail_dir,
							 names->pdata[i], NULL);
		char *data;
		gsize size;

		g_assert_true(g_file_get_contents(path, &data, &size, NULL));
		g_ptr_array_add(fetched, g_bytes_new_take(data, size));
		g_assert_cmpint(unlink(path), ==, 0);
	}
	return fetched;
}

/* Clients change headers and line ends, but no text. */
static unsigned int mail_number(GBytes *mail, gsize mail_bytes)
{
	static const char header[] = "X-Number: ";
	g_autoptr(GBytes) sent = NULL;
	gsize size, sent_size;
	const char *text = g_bytes_get_data(mail, &size), *end, *last;
	const char *number = g_strstr_len(text, (gssize)size, header);
	unsigned int ret;

	if (number == NULL)
		return 0;
	ret = (unsigned int)strtoul(number + strlen(header), NULL, 10);
	sent = numbered_mail(ret, mail_bytes);
	end = g_bytes_get_data(sent, &sent_size);
	end += sent_size - 1;
	last = (const char *)memrchr(g_bytes_get_data(sent, NULL), '\n',
				     sent_size - 1) + 1;
	return memmem(text, size, last, (gsize)(end - last)) != NULL ? ret : 0;
}

GArray *client_take_numbers(const struct client_account *account,
			    gsize mail_bytes)
{
	g_autoptr(GPtrArray) mails = client_take_mails(account);
	GArray *numbers = g_array_new(FALSE, FALSE, sizeof(guint));

	for (unsigned int i = 0; i < mails->len; i++) {
		unsigned int number = mail_number(mails->pdata[i], mail_bytes);

		if (number == 0)
			g_test_fail_printf("%s got a mail that is not whole",
					   account->user);
		else
			g_array_append_val(numbers, number);
	}
	return numbers;
}
