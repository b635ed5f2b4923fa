/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The private Dovecot of tests/demo: the one that tests use, with the example
   plugin and a UIDL policy.

   usage: demo-server DIR MAIL...

   DIR has uidl.key. The files MAIL are put into the mailbox of the user alice.
   When Dovecot answers, all that there is to know about it is printed as lines
   "name=value", the last one being "ready=yes". SIGTERM stops it. The status
   is 0 only if Dovecot logged no error. */

#include "fixture.h"

#include <glib-unix.h>
#include <stdio.h>
#include <unistd.h>

#define PLUGIN POPINJAY_BUILDDIR \
	"/tests/plugin/lib30_popinjay_example_plugin.so"

static gboolean stop_on_signal(gpointer loop)
{
	g_main_loop_quit(loop);
	return G_SOURCE_CONTINUE;
}

static void wait_for_end(void)
{
	static const int signals[] = { SIGTERM, SIGINT };
	g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);

	for (unsigned int i = 0; i < G_N_ELEMENTS(signals); i++)
		g_unix_signal_add(signals[i], stop_on_signal, loop);
	g_main_loop_run(loop);
}

static void print_facts(struct fixture *f)
{
	g_autofree char *mail_dir = fixture_mail_dir(f, "alice");

	printf("pid=%d\nconfig=%s\nlog=%s\nca=%s\nport=%u\ntls_port=%u\n"
	       "user=alice\npassword=%s\nmail_dir=%s\nready=yes\n",
	       (int)getpid(), f->config_file, f->log_file, f->ca_file,
	       f->pop3_port, f->pop3s_port, FIXTURE_PASSWORD, mail_dir);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const char *const modules[] = { PLUGIN, NULL };
	g_autofree char *key_file = NULL, *error = NULL;
	const char *settings[] = {
		"popinjay_uidl_key_file", NULL,
		"popinjay_uidl_format", "{hmac}",
		"popinjay_capability_implementation", "yes", NULL
	};
	const struct fixture_options options = {
		.plugins = "popinjay_example",
		.modules = modules,
		.settings = settings
	};
	struct fixture *f;

	if (argc < 3) {
		fprintf(stderr, "usage: demo-server DIR MAIL...\n");
		return 2;
	}
	settings[1] = key_file = g_build_filename(*++argv, "uidl.key", NULL);

	f = fixture_new(&options);
	fixture_user_add(f, "alice");
	while (*++argv != NULL) {
		g_autofree char *mail = NULL;
		g_autoptr(GError) read_error = NULL;
		gsize size;

		if (!g_file_get_contents(*argv, &mail, &size, &read_error))
			g_error("%s", read_error->message);
		fixture_deliver(f, "alice", mail, size);
	}
	print_facts(f);
	wait_for_end();

	fixture_stop(f);
	if ((error = fixture_log_error(f, 0)) != NULL)
		fprintf(stderr, "Dovecot logged an error: %s\n", error);
	fixture_free(f);
	return error == NULL ? 0 : 1;
}
