/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How to make each mail client fetch a mailbox over each kind of connection,
   with the server's certificate verified, and what it makes of a mail. */

#include "clients.h"

#include <gio/gio.h>
#include <sys/wait.h>

/* None takes two where nothing is wrong. */
#define CLIENT_TIMEOUT_SECS "60"
#define DELIVER POPINJAY_SRCDIR "/tests/clients/deliver"
#define FETCH_POPLIB POPINJAY_SRCDIR "/tests/clients/fetch-poplib"
#define GETMAIL_FORM POPINJAY_SRCDIR "/tests/clients/getmail-form"

static guint16 account_port(const struct client_account *account)
{
	return account->security == POP3_TLS ? account->f->pop3s_port :
		account->f->pop3_port;
}

/* Run a program whose home is the account's directory. argv ends with NULL,
   out_r may be NULL. Returns its exit status; another one than it may have is
   said in the test's output. */
static int
run(const struct client_account *account, int other_status,
    const char *const *argv, char **out_r)
{
	g_autoptr(GPtrArray) args = g_ptr_array_new();
	g_auto(GStrv) env = g_get_environ();
	g_autofree char *out = NULL, *err = NULL;
	g_autoptr(GError) error = NULL;
	int status;

	g_ptr_array_add(args, (char *)"timeout");
	g_ptr_array_add(args, (char *)CLIENT_TIMEOUT_SECS);
	for (const char *const *p = argv; *p != NULL; p++)
		g_ptr_array_add(args, (char *)*p);
	g_ptr_array_add(args, NULL);
	env = g_environ_setenv(env, "HOME", account->dir, TRUE);
	env = g_environ_setenv(env, "FETCHMAILHOME", account->dir, TRUE);
	env = g_environ_setenv(env, "LC_ALL", "C.UTF-8", TRUE);
	if (!g_spawn_sync(account->dir, (char **)args->pdata, env,
			  G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err,
			  &status, &error))
		g_error("%s: %s", argv[0], error->message);
	status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	if (status != 0 && status != other_status)
		g_test_message("%s: status %d: %s", argv[0], status, err);
	if (out_r != NULL)
		*out_r = g_steal_pointer(&out);
	return status;
}

/* Write a client's configuration; it has the password. Returns the path. */
static char *G_GNUC_PRINTF(2, 3)
write_config(const struct client_account *account, const char *format, ...)
{
	char *path = g_build_filename(account->dir, "rc", NULL);
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	va_list args;

	va_start(args, format);
	g_string_vprintf(text, format, args);
	va_end(args);
	if (!g_file_set_contents_full(path, text->str, (gssize)text->len,
				      G_FILE_SET_CONTENTS_CONSISTENT, 0600,
				      &error))
		g_error("%s", error->message);
	return path;
}

static GString *form_crlf(GBytes *mail, GBytes *got G_GNUC_UNUSED)
{
	return client_mail_lines(mail, "\r\n");
}

static GString *form_lf(GBytes *mail, GBytes *got G_GNUC_UNUSED)
{
	return client_mail_lines(mail, "\n");
}

/* --- curl: a program for URLs; it remembers nothing --- */

static char *curl_run(const struct client_account *account, const char *path,
		      const char *const *options)
{
	g_autofree char *login = g_strdup_printf("%s:%s", account->user,
						 FIXTURE_PASSWORD);
	g_autofree char *url = g_strdup_printf("%s://127.0.0.1:%u/%s",
		account->security == POP3_TLS ? "pop3s" : "pop3",
		account_port(account), path);
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	static const char *const always[] = {
		"curl", "-q", "--silent", "--show-error", "--fail",
		"--fail-early"
	};
	char *out;

	for (unsigned int i = 0; i < G_N_ELEMENTS(always); i++)
		g_ptr_array_add(argv, (char *)always[i]);
	if (account->security != POP3_CLEAR) {
		g_ptr_array_add(argv, (char *)"--ssl-reqd");
		g_ptr_array_add(argv, (char *)"--cacert");
		g_ptr_array_add(argv, (char *)account->ca_file);
	}
	for (; *options != NULL; options++)
		g_ptr_array_add(argv, (char *)*options);
	g_ptr_array_add(argv, (char *)"--user");
	g_ptr_array_add(argv, login);
	g_ptr_array_add(argv, url);
	g_ptr_array_add(argv, NULL);
	if (run(account, 0, (const char *const *)argv->pdata, &out) != 0)
		g_clear_pointer(&out, g_free);
	return out;
}

char *client_curl(const struct client_account *account, const char *path,
		  const char *request)
{
	const char *const options[] = { "--request", request, NULL };

	return curl_run(account, path, options);
}

static gboolean curl_fetch(const struct client_account *account, gboolean del)
{
	g_autofree char *path = g_strdup_printf("[1-%u]", account->messages);
	g_autofree char *file = g_build_filename(account->mail_dir, "#1", NULL);
	const char *const retr[] = { "--output", file, NULL };
	/* --head: the reply has one line */
	const char *const dele[] = { "--request", "DELE", "--head", NULL };
	g_autofree char *retr_out = curl_run(account, path, retr);
	g_autofree char *dele_out = NULL;

	if (retr_out == NULL)
		return FALSE;
	if (del)
		dele_out = curl_run(account, path, dele);
	return !del || dele_out != NULL;
}

/* --- fetchmail --- */

static gboolean
fetchmail_fetch(const struct client_account *account, gboolean del)
{
	g_autofree char *security = NULL, *config = NULL;
	/* root's would be that of all tests */
	g_autofree char *pid_file = g_build_filename(account->dir, "pid",
						     NULL);
	int status;

	if (account->security == POP3_CLEAR) {
		/* or it would use STLS */
		security = g_strdup("sslproto ''");
	} else {
		/* it does not find the address in the certificate */
		security = g_strdup_printf("%ssslproto 'TLS1.2+' sslcertck "
			"sslcertfile '%s' sslcommonname 'localhost'",
			account->security == POP3_TLS ? "ssl " : "",
			account->ca_file);
	}
	config = write_config(account,
		"set no bouncemail\n"
		/* no Received: of its own */
		"set invisible\n"
		"poll 127.0.0.1 port %u protocol pop3 no envelope uidl"
		" bad-header accept\n"
		"user '%s' password '%s' %s %s\n"
		"mda '%s %s'\n"
		"no rewrite pass8bits no dropstatus %s\n",
		account_port(account), account->user, FIXTURE_PASSWORD,
		security, account->options == NULL ? "" : account->options,
		DELIVER, account->mail_dir, !del ? "keep" :
		account->only_new ? "no keep" : "no keep fetchall");

	/* 1 is "no new mail" */
	status = run(account, 1, (const char *const[]){
		"fetchmail", "--silent", "--pidfile", pid_file,
		"--fetchmailrc", config, NULL
	}, NULL);
	return status == 0 || (status == 1 && !del);
}

/* What it changes even when it is told to change nothing: all CRs go (stripcr
   is always on for an MDA), the "From " line of an mbox goes, a header without
   end gets one, and a mail without header gets one of three lines. */
static GString *fetchmail_form(GBytes *mail, GBytes *got)
{
	static const char invented[] = "From: FETCHMAIL-DAEMON\n";
	g_autoptr(GString) lines = client_mail_lines(mail, "\n");
	GString *form = g_string_sized_new(lines->len);
	gsize got_size, start = 0;
	const char *got_data = g_bytes_get_data(got, &got_size);

	if (lines->str[0] == '\n' && got_size > strlen(invented) &&
	    memcmp(got_data, invented, strlen(invented)) == 0) {
		const char *end = g_strstr_len(got_data, (gssize)got_size,
					       "\n\n");

		if (end != NULL)
			g_string_append_len(form, got_data, end + 1 - got_data);
	}
	if (g_str_has_prefix(lines->str, "From "))
		start = strcspn(lines->str, "\n") + 1;
	for (gsize i = start; i < lines->len; i++) {
		if (lines->str[i] != '\r')
			g_string_append_c(form, lines->str[i]);
	}
	if (g_strstr_len(form->str, (gssize)form->len, "\n\n") == NULL)
		g_string_append_c(form, '\n');
	return form;
}

/* --- getmail --- */

static gboolean
getmail_fetch(const struct client_account *account, gboolean del)
{
	g_autofree char *security = NULL, *config = NULL;

	if (account->security == POP3_TLS) {
		security = g_strdup_printf("type = SimplePOP3SSLRetriever\n"
					   "ca_certs = %s\n", account->ca_file);
	} else {
		security = g_strdup("type = SimplePOP3Retriever\n");
	}
	config = write_config(account,
		"[retriever]\n%s"
		"server = 127.0.0.1\n"
		"port = %u\n"
		"username = %s\n"
		"password = %s\n"
		"[destination]\n"
		"type = MDA_external\n"
		"path = %s\n"
		"arguments = (\"%s\",)\n"
		"allow_root_commands = true\n"
		"[options]\n"
		"delivered_to = false\n"
		"received = false\n"
		"read_all = %s\n"
		"delete = %s\n",
		security, account_port(account), account->user,
		FIXTURE_PASSWORD, DELIVER, account->mail_dir,
		del && !account->only_new ? "true" : "false",
		del ? "true" : "false");

	return run(account, 0, (const char *const[]){
		"getmail", "--quiet", "--getmaildir", account->dir,
		"--rcfile", config, NULL
	}, NULL) == 0;
}

static GBytes *getmail_form_run(GBytes *mail)
{
	g_autoptr(GSubprocess) process = NULL;
	g_autoptr(GBytes) lines =
		g_string_free_to_bytes(client_mail_lines(mail, "\n"));
	g_autoptr(GError) error = NULL;
	GBytes *out = NULL;

	process = g_subprocess_new(G_SUBPROCESS_FLAGS_STDIN_PIPE |
				   G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error,
				   GETMAIL_FORM, NULL);
	if (process == NULL ||
	    !g_subprocess_communicate(process, lines, NULL, &out, NULL,
				      &error) ||
	    !g_subprocess_wait_check(process, NULL, &error))
		g_error("%s: %s", GETMAIL_FORM, error->message);
	return out;
}

static GString *getmail_form(GBytes *mail, GBytes *got G_GNUC_UNUSED)
{
	/* starting Python for each mail each time would take long */
	static GHashTable *forms;
	GBytes *form;

	if (forms == NULL) {
		forms = g_hash_table_new_full(g_bytes_hash, g_bytes_equal,
			(GDestroyNotify)g_bytes_unref,
			(GDestroyNotify)g_bytes_unref);
	}
	form = g_hash_table_lookup(forms, mail);
	if (form == NULL) {
		form = getmail_form_run(mail);
		g_hash_table_insert(forms, g_bytes_ref(mail), form);
	}
	return g_string_new_len(g_bytes_get_data(form, NULL),
				(gssize)g_bytes_get_size(form));
}

/* --- mpop --- */

static gboolean mpop_fetch(const struct client_account *account, gboolean del)
{
	g_autofree char *security = NULL, *config = NULL;

	if (account->security == POP3_CLEAR) {
		/* on would be anything but a password in clear text */
		security = g_strdup("tls off\nauth user\n");
	} else {
		security = g_strdup_printf("tls on\ntls_starttls %s\n"
			"tls_trust_file %s\n",
			account->security == POP3_STLS ? "on" : "off",
			account->ca_file);
	}
	config = write_config(account,
		"account default\n"
		"host 127.0.0.1\n"
		"port %u\n"
		"user %s\n"
		"password %s\n%s"
		"keep %s\n"
		"only_new %s\n"
		"uidls_file %s/uidls\n"
		"received_header off\n"
		"delivery mda \"%s %s\"\n",
		account_port(account), account->user, FIXTURE_PASSWORD,
		security, del ? "off" : "on",
		del && !account->only_new ? "off" : "on", account->dir,
		DELIVER, account->mail_dir);

	return run(account, 0, (const char *const[]){
		"mpop", "--quiet", "--file", config, NULL
	}, NULL) == 0;
}

/* --- poplib --- */

static gboolean
poplib_fetch(const struct client_account *account, gboolean del)
{
	static const char *const security_names[] = {
		[POP3_CLEAR] = "clear",
		[POP3_STLS] = "stls",
		[POP3_TLS] = "pop3s"
	};
	g_autofree char *port = g_strdup_printf("%u", account_port(account));

	return run(account, 0, (const char *const[]){
		"python3", FETCH_POPLIB, security_names[account->security],
		port, account->ca_file, account->user, FIXTURE_PASSWORD,
		"state", account->mail_dir, del ? "delete" : "keep", NULL
	}, NULL) == 0;
}

const struct client_program client_programs[] = {
	{ "curl", FALSE, TRUE, curl_fetch, form_crlf },
	{ "fetchmail", TRUE, TRUE, fetchmail_fetch, fetchmail_form },
	/* STLS: its version 6.18 has none for POP3 */
	{ "getmail", TRUE, FALSE, getmail_fetch, getmail_form },
	{ "mpop", TRUE, TRUE, mpop_fetch, form_lf },
	{ "poplib", TRUE, TRUE, poplib_fetch, form_crlf },
	{ NULL, FALSE, FALSE, NULL, NULL }
};

gboolean client_fetch(const struct client_program *program,
		      const struct client_account *account, gboolean del)
{
	gsize since = fixture_log_size(account->f);
	gboolean ok = program->fetch(account, del);

	client_wait_ended(account, since);
	return ok;
}

const struct client_program *client_program_find(const char *name)
{
	const struct client_program *program = client_programs;

	while (program->name != NULL && strcmp(program->name, name) != 0)
		program++;
	g_assert_nonnull(program->name);
	return program;
}
