/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The service popinjay-log when there is no room for its file: no record is
   lost, no line is cut, and it goes on when there is room again. */

#define _GNU_SOURCE
#include "pop3.h"
#include "records.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAIL "Message-ID: <m@example.com>\r\n\r\nText.\r\n"
#define MARKED "+OK Marked to be deleted."

static struct fixture *f;
/* the collector's file, where the test sees it */
static char *log_path;

/* Let the collector write to path. */
static void set_file(const char *path)
{
	g_autofree char *config = collector_config(f, path);

	fixture_reload(f, config);
}

static char *user_with_mail(unsigned int count)
{
	char *user = fixture_user(f, "maildir");

	for (unsigned int i = 0; i < count; i++)
		fixture_deliver(f, user, MAIL, strlen(MAIL));
	return user;
}

/* A session with three records. */
static void run_session(const char *user)
{
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);

	pop3_check(pop3, "DELE 1", MARKED);
	pop3_quit(pop3, "Logging out, messages deleted.");
}

static unsigned int count_in_file(const char *user)
{
	g_autofree char *text = NULL;
	g_autoptr(GPtrArray) records = NULL;
	unsigned int lines = 0;

	g_assert_true(g_file_get_contents(log_path, &text, NULL, NULL));
	g_assert_true(g_str_has_suffix(text, "\n"));
	/* there is nothing in it that is no record */
	records = records_parse(text, NULL);
	for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	g_assert_cmpuint(records->len, ==, lines);
	g_ptr_array_unref(g_steal_pointer(&records));
	records = records_parse(text, user);
	return records->len;
}

static void set_file_limit(pid_t pid, const char *size)
{
	g_autofree char *arg = g_strdup_printf("--fsize=%s", size);
	g_autofree char *pid_arg = g_strdup_printf("%d", pid);
	const char *const argv[] = { "prlimit", "--pid", pid_arg, arg, NULL };

	g_assert_cmpint(fixture_run(f, argv, NULL, NULL, NULL), ==, 0);
}

/* A file that may not grow beyond 1000 bytes is like a disk that has no more
   room: the write is cut there. */
static void test_file_limit(void)
{
	g_autofree char *user = NULL;
	gsize since;
	pid_t pid;

	log_path = g_build_filename(f->dir, "access.log", NULL);
	set_file(log_path);
	user = user_with_mail(3);
	run_session(user);
	/* so it runs */
	g_ptr_array_unref(records_in_file(log_path, 3));
	pid = collector_pid(f);
	g_assert_cmpint(truncate(log_path, 0), ==, 0);
	set_file_limit(pid, "1000:unlimited");
	fixture_log_allow(f, "popinjay-log: Error: write\\(.*\\) failed: File "
			  "too large - records go to this log$");
	since = fixture_log_size(f);
	run_session(user);
	g_free(fixture_log_wait(f, since, "popinjay-log: Info: "
				"\\{.*popinjay_session_finished"));
	records_check_nothing_lost(f, log_path, since, 3, 1);
	set_file_limit(pid, "unlimited:unlimited");
	run_session(user);
	g_free(fixture_log_wait(f, since, "can be written again$"));
	records_check_nothing_lost(f, log_path, since, 6, 2);
	(void)count_in_file(user);
	g_assert_cmpint(collector_pid(f), ==, pid);
	g_clear_pointer(&log_path, g_free);
}

/* Mount a file system of so many bytes where Dovecot sees it, and nobody
   else. */
static void mount_small(const char *dir, unsigned int kilobytes)
{
	g_autofree char *user_ns = g_strdup_printf("/proc/%d/ns/user", f->pid);
	g_autofree char *mount_ns = g_strdup_printf("/proc/%d/ns/mnt", f->pid);
	g_autofree char *options = g_strdup_printf("size=%uk,mode=0755",
						   kilobytes);
	int status;
	pid_t pid;

	pid = fork();
	g_assert_cmpint(pid, >=, 0);
	if (pid == 0) {
		int user_fd = open(user_ns, O_RDONLY);
		int mount_fd = open(mount_ns, O_RDONLY);

		/* root's tests are in one user namespace with it */
		if (geteuid() != 0 && setns(user_fd, CLONE_NEWUSER) < 0)
			_exit(1);
		if (setns(mount_fd, CLONE_NEWNS) < 0)
			_exit(2);
		_exit(mount("popinjay-test", dir, "tmpfs", MS_NOSUID | MS_NODEV,
			    options) < 0 ? 3 : 0);
	}
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_cmpint(status, ==, 0);
}

/* The disk becomes full in the middle of a session, and then has room again. */
static void test_full_disk(void)
{
	enum { MAILS = 200, KILOBYTES = 64, FILLER_BYTES = 32 * 1024 };
	g_autofree char *dir = NULL, *path = NULL, *seen_dir = NULL;
	g_autofree char *user = NULL, *later = NULL;
	g_autofree char *filler = NULL, *filler_path = NULL;
	g_autoptr(GString) commands = g_string_new(NULL);
	struct pop3 *pop3;
	gsize since;

	dir = g_build_filename(f->dir, "small", NULL);
	path = g_build_filename(dir, "access.log", NULL);
	seen_dir = g_strdup_printf("/proc/%d/root%s", f->pid, dir);
	log_path = g_build_filename(seen_dir, "access.log", NULL);
	filler_path = g_build_filename(seen_dir, "filler", NULL);
	g_assert_cmpint(mkdir(dir, 0755), ==, 0);
	mount_small(dir, KILOBYTES);
	fixture_log_allow(f, "popinjay-log: Error: write\\(.*\\) failed: No "
			  "space left on device - records go to this log$");
	set_file(path);
	filler = g_strnfill(FILLER_BYTES, 'x');
	g_assert_true(g_file_set_contents_full(filler_path, filler,
		FILLER_BYTES, G_FILE_SET_CONTENTS_NONE, 0600, NULL));

	user = user_with_mail(MAILS);
	later = user_with_mail(1);
	since = fixture_log_size(f);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	for (unsigned int i = 1; i <= MAILS; i++)
		g_string_append_printf(commands, "DELE %u\r\n", i);
	pop3_send(pop3, "%sQUIT", commands->str);
	g_string_free(pop3_read_to_eof(pop3, NULL), TRUE);
	pop3_close(pop3);
	g_free(fixture_log_wait(f, since, "Error: write\\(.*No space left"));
	records_check_nothing_lost(f, log_path, since, 2 * MAILS + 1, 1);
	g_assert_cmpuint(count_in_file(user), >, 0);

	g_assert_cmpint(unlink(filler_path), ==, 0);
	run_session(later);
	records_check_nothing_lost(f, log_path, since, 2 * MAILS + 4, 2);
	g_assert_cmpuint(count_in_file(later), ==, 3);
	g_clear_pointer(&log_path, g_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/disk/file-limit", test_file_limit);
	g_test_add_func("/disk/full", test_full_disk);
	f = fixture_new(NULL);
	ret = g_test_run();
	fixture_free(f);
	return ret;
}
