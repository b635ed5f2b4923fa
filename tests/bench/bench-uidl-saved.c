/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Measures UIDL with popinjay_uidl_save against stock Dovecot: the first one,
   which saves, and those that follow; the memory of the pop3 process; and what
   a message takes on disk. usage: bench-uidl-saved [MESSAGES] */

#include "../fixture/numbered.h"
#include "../fixture/uidl-list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAIL_BYTES 200
#define CHUNK 20
#define ROUNDS 5

struct side {
	const char *name;
	struct fixture *f;
	char *user;
	double first_msecs, next_msecs[ROUNDS];
	unsigned long first_kb, next_kb;
};

static unsigned long peak_kb(pid_t pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/status", pid);
	g_autofree char *text = NULL;
	const char *line;

	if (!g_file_get_contents(path, &text, NULL, NULL) ||
	    (line = strstr(text, "VmHWM:")) == NULL)
		return 0;
	return strtoul(line + strlen("VmHWM:"), NULL, 10);
}

/* Milliseconds of CPU that a process has used. */
static double cpu_msecs(pid_t pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid);
	g_autofree char *text = NULL;
	unsigned long user = 0, sys = 0;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_assert_cmpint(sscanf(strrchr(text, ')') + 1, " %*c %*d %*d %*d %*d "
		"%*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys), ==, 2);
	return (double)(user + sys) * 1000 / sysconf(_SC_CLK_TCK);
}

static int double_cmp(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Returns milliseconds of CPU from UIDL to the end of its reply: others may
   use the machine too. */
static double measure_uidl(struct side *side, unsigned long *kb_r)
{
	gsize since = fixture_log_size(side->f);
	struct pop3 *pop3 = pop3_session(side->f, POP3_CLEAR, side->user);
	g_autoptr(GString) reply = NULL;
	double msecs;
	pid_t pid;

	/* what opening the mailbox takes is not measured */
	pop3_check(pop3, "NOOP", "+OK");
	pid = fixture_session_pid(side->f, since, side->user);
	msecs = cpu_msecs(pid);
	pop3_send(pop3, "UIDL");
	reply = pop3_multiline(pop3);
	msecs = cpu_msecs(pid) - msecs;
	*kb_r = peak_kb(pid);
	pop3_quit(pop3, "Logging out.");
	g_assert_true(g_str_has_prefix(reply->str, "+OK"));
	return msecs;
}

static double file_bytes(struct side *side, const char *storage)
{
	g_autofree char *dir = fixture_mail_dir(side->f, side->user);
	g_autofree char *path = g_str_equal(storage, "maildir") ?
		g_build_filename(dir, "popinjay-uidl", NULL) :
		g_build_filename(dir, "mailboxes", "INBOX", "dbox-Mails",
				 "popinjay-uidl", NULL);
	struct stat st;

	g_assert_cmpint(stat(path, &st), ==, 0);
	return st.st_size;
}

/* Let the names of a Maildir's files tell their sizes, as those that Dovecot
   makes do: it needs long to tell names apart that end alike. */
static void name_sizes(struct fixture *f, const char *user)
{
	static const char *const folders[] = { "new", "cur" };
	g_autofree char *mail_dir = fixture_mail_dir(f, user);

	for (unsigned int i = 0; i < G_N_ELEMENTS(folders); i++) {
		g_autofree char *path = g_build_filename(mail_dir, folders[i],
							 NULL);
		g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
		g_autoptr(GPtrArray) names =
			g_ptr_array_new_with_free_func(g_free);
		const char *name;

		while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
			g_ptr_array_add(names, g_strdup(name));
		for (unsigned int j = 0; j < names->len; j++) {
			g_autofree char *from = g_build_filename(path,
				names->pdata[j], NULL);
			g_autofree char *to = NULL;
			struct stat st;

			g_assert_cmpint(stat(from, &st), ==, 0);
			if (strchr(from, ':') != NULL)
				continue;
			to = g_strdup_printf("%s,S=%"PRId64, from,
					     (gint64)st.st_size);
			g_assert_cmpint(rename(from, to), ==, 0);
		}
	}
}

static void measure(const char *storage, unsigned int messages)
{
	g_autofree char *config = uidl_settings("popinjay_uidl_save", "yes",
						NULL);
	const struct fixture_options stock = { .stock = TRUE };
	const struct fixture_options ours = { .config = config };
	struct side sides[2] = {
		{ .name = "stock" }, { .name = "saved" }
	};
	g_autofree char *from = NULL;

	sides[0].f = fixture_new(&stock);
	sides[1].f = fixture_new(&ours);
	sides[0].user = fixture_user(sides[0].f, storage);
	sides[1].user = fixture_user(sides[1].f, storage);
	from = fixture_user(sides[0].f, "maildir");
	for (unsigned int i = 0; i < messages; i += CHUNK) {
		numbered_deliver(sides[0].f, from, i + 1,
				 MIN(i + CHUNK, messages),
				 MAIL_BYTES + i / CHUNK * 7 % 1999);
	}
	name_sizes(sides[0].f, from);
	numbered_import(sides[0].f, sides[0].user, from);
	/* with index and caches, as a mailbox in use has them */
	(void)measure_uidl(&sides[0], &sides[0].first_kb);
	fixture_user_copy(sides[0].f, sides[0].user, sides[1].f,
			  sides[1].user);
	for (unsigned int i = 0; i < 2; i++) {
		sides[i].first_msecs = measure_uidl(&sides[i],
						    &sides[i].first_kb);
	}
	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (unsigned int i = 0; i < 2; i++) {
			sides[i].next_msecs[round] =
				measure_uidl(&sides[i], &sides[i].next_kb);
		}
	}
	for (unsigned int i = 0; i < 2; i++) {
		qsort(sides[i].next_msecs, ROUNDS, sizeof(double), double_cmp);
		printf("%s, %u messages, %s: first UIDL %.0f ms (%lu KB), "
		       "next %.0f ms (%lu KB)\n", storage, messages,
		       sides[i].name, sides[i].first_msecs, sides[i].first_kb,
		       sides[i].next_msecs[ROUNDS / 2], sides[i].next_kb);
	}
	printf("%s: %.1f bytes a message on disk\n", storage,
	       file_bytes(&sides[1], storage) / messages);
	for (unsigned int i = 0; i < 2; i++) {
		g_free(sides[i].user);
		fixture_free(sides[i].f);
	}
}

int main(int argc, char *argv[])
{
	unsigned int messages = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;

	measure("maildir", messages);
	measure("mdbox", messages);
	return 0;
}
