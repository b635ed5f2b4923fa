/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From another server to this one: real clients fetch from Courier and Cyrus,
   the mail and its UIDLs are moved, and the same clients, with what they
   remember, find their server in another make. None of them may fetch an old
   mail again. */

#include "numbered.h"
#include "uidl-list.h"
#include "uidl-tool.h"
#include "../clients/clients.h"
#include "servers.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char new_mail[] = "Subject: new\n\nOne that came later\n";

static struct fixture *f;
static struct courier *courier;
static struct cyrus *cyrus;
static struct relay *relay;
/* of GBytes: those that every client and every server can have */
static GPtrArray *mails;
/* how many of them the old server took */
static unsigned int taken;

static void make_mails(void)
{
	g_autoptr(GPtrArray) all = client_mails_new();

	mails = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	for (unsigned int i = 0; i < all->len; i++) {
		struct client_mail *mail = g_ptr_array_index(all, i);
		gsize size;
		const char *data = g_bytes_get_data(mail->bytes, &size);

		/* without a header there is nothing to know it by, and LMTP
		   takes no bare CR, no NUL, and no mbox line */
		if (mail->unfit == NULL && g_strstr_len(data, size, ": ") &&
		    !g_str_has_prefix(data, "From ") &&
		    memchr(data, '\0', size) == NULL &&
		    memchr(data, '\r', size) == NULL)
			g_ptr_array_add(mails, g_bytes_ref(mail->bytes));
	}
	g_assert_cmpuint(mails->len, >=, 15);
}

/* --- Clients --- */

/* Those that remember UIDLs. Not poplib: what fetches with it also checks what
   is none of UIDLs, and finds fault with other servers. */
static const char *const client_names[] = {
	"fetchmail", "mpop", "getmail", NULL
};

static const struct client_program *find_client(const char *name)
{
	const struct client_program *program = client_programs;

	while (g_strcmp0(program->name, name) != 0)
		program++;
	g_assert_true(program->remembers);
	return program;
}

/* The clients' server is the relay, whatever is behind it. */
struct customer {
	struct fixture server;
	const struct client_program *program;
	struct client_account account;
};

static void
customer_init(struct customer *customer, const char *name, const char *user)
{
	*customer = (struct customer){
		.server = *f,
		.program = find_client(name),
		.account = {
			.user = user,
			.security = POP3_CLEAR,
			.ca_file = f->ca_file,
			.dir = g_build_filename(f->dir, "client-XXXXXX", NULL)
		}
	};
	customer->server.pop3_port = relay_port(relay);
	customer->account.f = &customer->server;
	g_assert_nonnull(g_mkdtemp(customer->account.dir));
	customer->account.mail_dir = g_build_filename(customer->account.dir,
						      "mail", NULL);
	g_assert_cmpint(mkdir(customer->account.mail_dir, 0700), ==, 0);
}

static void customer_deinit(struct customer *customer)
{
	g_free(customer->account.dir);
	g_free(customer->account.mail_dir);
}

/* Fetch what is new and keep it. Returns how many mails that was. */
static unsigned int customer_fetch(struct customer *customer)
{
	const char *path = customer->account.mail_dir, *name;
	unsigned int count = 0;
	GDir *dir;

	if (!customer->program->fetch(&customer->account, FALSE))
		g_error("%s failed", customer->program->name);
	dir = g_dir_open(path, 0, NULL);
	while ((name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *file = g_build_filename(path, name, NULL);

		g_assert_cmpint(unlink(file), ==, 0);
		count++;
	}
	g_dir_close(dir);
	return count;
}

/* --- Moving --- */

static char *password_file(void)
{
	char *path = g_build_filename(f->dir, "password", NULL);

	g_assert_true(g_file_set_contents(path, FIXTURE_PASSWORD "\n", -1,
					  NULL));
	g_assert_cmpint(chmod(path, 0600), ==, 0);
	return path;
}

/* Copy a Maildir, without the files of its server, into the user's INBOX. */
static void move_maildir(const char *maildir, const char *user)
{
	g_autofree char *copy = g_build_filename(f->dir, "copy", NULL);
	g_autofree char *command = g_strdup_printf(
		"rm -rf '%s' && mkdir '%s' && cp -a '%s/cur' '%s/new' "
		"'%s/tmp' '%s'", copy, copy, maildir, maildir, maildir, copy);
	g_autofree char *location = g_strconcat("maildir:", copy, NULL);
	const char *const argv[] = { "sh", "-c", command, NULL };
	GString *err;

	g_assert_cmpint(fixture_run(f, argv, NULL, NULL, NULL), ==, 0);
	fixture_give(f, user, copy);
	if (fixture_doveadm(f, NULL, NULL, &err, "import", "-u", user,
			    location, "", "mailbox", "INBOX", NULL) != 0)
		g_error("doveadm import: %s", err->str);
	g_string_free(err, TRUE);
}

/* The list is whole: every mail is matched and no other. */
static void import_all(const char *user, const char *from)
{
	static const char *const zero[] = {
		"kept", "ambiguous", "invalid", "left"
	};
	static const char *const all[] = { "listed", "matched", "saved" };
	g_autofree char *password = password_file(), *out = NULL;
	g_autofree char *count = g_strdup_printf("%u", taken);

	out = uidl_tool(f, NULL, 0, "import", "-u", user, "-f", from, "-p",
			password, NULL);
	for (unsigned int i = 0; i < G_N_ELEMENTS(all); i++) {
		g_auto(GStrv) column = uidl_tool_column(out, all[i]);

		if (strcmp(column[0], count) != 0)
			g_error("%s is not %s in: %s", all[i], count, out);
	}
	for (unsigned int i = 0; i < G_N_ELEMENTS(zero); i++) {
		g_auto(GStrv) column = uidl_tool_column(out, zero[i]);

		if (strcmp(column[0], "0") != 0)
			g_error("%s is not 0 in: %s", zero[i], out);
	}
}

/* All that a client does: before the move, after it, when mail comes. */
static void
check_clients(guint16 old_port, const char *old_user, const char *user,
	      const char *from, void (*move)(const char *old_user,
					     const char *user))
{
	struct customer customers[G_N_ELEMENTS(client_names)];
	unsigned int i, fetched;

	relay_set_target(relay, old_port);
	for (i = 0; client_names[i] != NULL; i++) {
		/* they log in by the same name before and after */
		customer_init(&customers[i], client_names[i], user);
		fetched = customer_fetch(&customers[i]);
		if (fetched != taken)
			g_error("%s fetched %u mails", client_names[i],
				fetched);
	}
	move(old_user, user);
	import_all(user, from);

	relay_set_target(relay, f->pop3_port);
	for (i = 0; client_names[i] != NULL; i++) {
		fetched = customer_fetch(&customers[i]);
		if (fetched != 0) {
			g_test_fail_printf("%s fetched %u old mails",
					   client_names[i], fetched);
		}
	}
	fixture_deliver(f, user, new_mail, strlen(new_mail));
	for (i = 0; client_names[i] != NULL; i++) {
		/* what is new they do get */
		fetched = customer_fetch(&customers[i]);
		if (fetched != 1) {
			g_test_fail_printf("%s fetched %u new mails",
					   client_names[i], fetched);
		}
		customer_deinit(&customers[i]);
	}
}

/* --- Courier --- */

static void courier_move(const char *old_user, const char *user)
{
	g_autofree char *maildir = courier_maildir(courier, old_user);

	move_maildir(maildir, user);
}

static void test_courier(gconstpointer storage, gboolean files)
{
	g_autofree char *user = fixture_user(f, storage), *from = NULL;
	g_autofree char *maildir = courier_maildir(courier, user);

	for (unsigned int i = 0; i < mails->len; i++)
		courier_deliver(courier, user, mails->pdata[i]);
	taken = mails->len;
	if (files)
		from = g_strconcat("courier:", maildir, NULL);
	else
		from = g_strdup_printf("pop3://127.0.0.1:%u",
				       courier_port(courier));
	check_clients(courier_port(courier), user, user, from, courier_move);
}

static void test_courier_pop3(gconstpointer storage)
{
	test_courier(storage, FALSE);
}

static void test_courier_files(gconstpointer storage)
{
	test_courier(storage, TRUE);
}

/* --- Cyrus --- */

/* What is in Cyrus's directory as a Maildir. */
static void cyrus_move(const char *old_user G_GNUC_UNUSED, const char *user)
{
	g_autofree char *dir = cyrus_dir(cyrus);
	g_autofree char *maildir = g_build_filename(f->dir, "from-cyrus", NULL);
	g_autofree char *command = g_strdup_printf(
		"rm -rf '%s' && mkdir -p '%s/cur' '%s/new' '%s/tmp' && "
		"for uid in $(cd '%s' && ls | grep '^[0-9]*\\.$'); do "
		"cp \"%s/$uid\" '%s/new/'17000$uid\"M$uid\"cyrus; done",
		maildir, maildir, maildir, maildir, dir, dir, maildir);
	const char *const argv[] = { "sh", "-c", command, NULL };

	g_assert_cmpint(fixture_run(f, argv, NULL, NULL, NULL), ==, 0);
	move_maildir(maildir, user);
}

/* A copy that the mail user may read. */
static char *cyrus_copy(const char *user)
{
	g_autofree char *dir = cyrus_dir(cyrus);
	char *copy = g_build_filename(f->dir, "cyrus-copy", NULL);
	const char *const argv[] = { "cp", "-a", dir, copy, NULL };

	g_assert_cmpint(fixture_run(f, argv, NULL, NULL, NULL), ==, 0);
	fixture_give(f, user, copy);
	return copy;
}

static void test_cyrus(gconstpointer data)
{
	gboolean files = strcmp(data, "files") == 0;
	const char *user = files ? "u1" : "u2";
	g_autofree char *copy = NULL, *from = NULL;

	cyrus = cyrus_new(f);
	fixture_user_add(f, user);
	cyrus_user(cyrus, user);
	taken = 0;
	for (unsigned int i = 0; i < mails->len; i++)
		taken += cyrus_deliver(cyrus, user, mails->pdata[i]);
	g_assert_cmpuint(taken, >=, mails->len - 3);
	if (files) {
		copy = cyrus_copy(user);
		from = g_strconcat("cyrus:", copy, NULL);
	} else {
		from = g_strdup_printf("pop3://127.0.0.1:%u",
				       cyrus_port(cyrus));
	}
	check_clients(cyrus_port(cyrus), user, user, from,
		      cyrus_move);
	cyrus_free(cyrus);
}

static void test_stop(void)
{
	g_clear_pointer(&f, fixture_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/uidl-move/courier/pop3/mdbox", "mdbox",
			     test_courier_pop3);
	g_test_add_data_func("/uidl-move/courier/files/maildir", "maildir",
			     test_courier_files);
	g_test_add_data_func("/uidl-move/cyrus/pop3", "pop3", test_cyrus);
	g_test_add_data_func("/uidl-move/cyrus/files", "files", test_cyrus);
	g_test_add_func("/stop/uidl-move", test_stop);
	f = fixture_new(NULL);
	make_mails();
	courier = courier_new(f);
	relay = relay_new();
	ret = g_test_run();
	relay_free(relay);
	courier_free(courier);
	test_stop();
	g_ptr_array_unref(mails);
	return ret;
}
