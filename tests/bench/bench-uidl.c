/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Time and memory of "doveadm popinjay uidl" on a large mailbox, beside UIDL of
   a stock Dovecot on the same one.

   bench-uidl [MESSAGES [STORAGE [TO-STORAGE]]]: 100,000 messages in a Maildir
   by default; their UIDLs are imported into an mdbox with the same mail. */

#include "numbered.h"
#include "uidl-list.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define MAIL_BYTES 300

/* Runs a program and says how long it took and how much memory it had. */
static const char measure[] =
	"import resource, subprocess, sys, time\n"
	"start = time.monotonic()\n"
	"status = subprocess.call(sys.argv[1:])\n"
	"used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
	"print('%.2f s, %.2f s CPU, %d MB' % (time.monotonic() - start,\n"
	"      used.ru_utime + used.ru_stime, used.ru_maxrss // 1024),\n"
	"      file=sys.stderr)\n"
	"sys.exit(status)\n";

static struct fixture *f, *stock;

static void
bench(const char *name, const char *user, const char *command,
      const char *input, const char *output)
{
	g_autofree char *script = g_strdup_printf(
		"exec python3 -c \"$0\" doveadm -c '%s' -f tab popinjay uidl "
		"%s -u '%s' <'%s' >'%s'", f->config_file, command, user, input,
		output);
	const char *const argv[] = { "sh", "-c", script, measure, NULL };
	GString *err;

	if (fixture_run(f, argv, NULL, NULL, &err) != 0)
		g_error("%s: %s", command, err->str);
	printf("%-32s %s", name, err->str);
	fflush(stdout);
	g_string_free(err, TRUE);
}

static void bench_uidl(const char *name, struct fixture *server,
		       const char *user)
{
	struct pop3 *pop3 = pop3_session(server, POP3_CLEAR, user);
	gint64 start = g_get_monotonic_time();
	g_autoptr(GString) reply = NULL;

	pop3_send(pop3, "UIDL");
	reply = pop3_multiline(pop3);
	printf("%-32s %.2f s\n", name,
	       (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC);
	fflush(stdout);
	pop3_quit(pop3, "Logging out.");
}

int main(int argc, char *argv[])
{
	const struct fixture_options options = { .stock = TRUE };
	unsigned int count = argc > 1 ? (unsigned int)atoi(argv[1]) : 100000;
	const char *storage = argc > 2 ? argv[2] : "maildir";
	const char *to_storage = argc > 3 ? argv[3] : "mdbox";
	g_autofree char *user = NULL, *to = NULL, *stock_user = NULL;
	g_autofree char *list = NULL;

	/* delivering takes minutes */
	g_setenv("POPINJAY_TEST_TIMEOUT", "1200", FALSE);
	f = fixture_new(NULL);
	stock = fixture_new(&options);
	user = fixture_user(f, storage);
	to = fixture_user(f, to_storage);
	stock_user = fixture_user(stock, storage);
	list = g_build_filename(f->dir, "list", NULL);
	printf("%u messages, from %s to %s\n", count, storage, to_storage);
	numbered_deliver(f, user, 1, count, MAIL_BYTES);
	numbered_deliver(f, to, 1, count, MAIL_BYTES);
	numbered_deliver(stock, stock_user, 1, count, MAIL_BYTES);

	/* the first opening of a mailbox is not what is measured */
	bench_uidl("stock UIDL, first", stock, stock_user);
	bench_uidl("stock UIDL", stock, stock_user);
	bench_uidl("UIDL, first", f, user);
	bench_uidl("UIDL", f, user);
	bench("list", user, "list", "/dev/null", "/dev/null");
	bench("diff, all change", user, "diff -f 'b.%{uid}'", "/dev/null",
	      "/dev/null");
	bench("export", user, "export", "/dev/null", list);
	bench("freeze", user, "freeze", "/dev/null", "/dev/null");
	bench("freeze, nothing to do", user, "freeze", "/dev/null",
	      "/dev/null");
	bench_uidl("UIDL, all saved", f, user);
	bench("diff, nothing changes", user, "diff -f 'b.%{uid}'", "/dev/null",
	      "/dev/null");
	bench("check", user, "check", "/dev/null", "/dev/null");
	bench("import -n", to, "import -n", list, "/dev/null");
	bench("import", to, "import", list, "/dev/null");
	fixture_free(stock);
	fixture_free(f);
	return 0;
}
