/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* App secrets that are changed from two hosts at once, which have one store and
   each a copy of the key file. What a command says that it did is so. */

#include "secrets/secrets.h"

#define ADD_COUNT 15
#define REVOKE_COUNT 8

/* A copy of the file in which a path stands for another. */
static char *
copy_file(struct secrets *s, const char *from, const char *name,
	  const char *old_path, const char *new_path)
{
	char *path = g_build_filename(s->dir, name, NULL);
	g_autoptr(GString) text = NULL;
	g_autofree char *data = NULL;

	g_assert_true(g_file_get_contents(from, &data, NULL, NULL));
	text = g_string_new(data);
	if (old_path != NULL)
		g_assert_cmpuint(g_string_replace(text, old_path, new_path, 0),
				 >, 0);
	secrets_write_file(path, text->str, 0600);
	return path;
}

/* Dovecot's configuration as another host has it. Returns its path. */
static char *second_host(struct secrets *s)
{
	g_autofree char *keys = copy_file(s, s->key_file, "keys2", NULL, NULL);
	g_autofree char *conf = g_build_filename(s->dir, "secret.conf", NULL);
	g_autofree char *conf2 = NULL;

	if (!fixture_is_2_3()) {
		return copy_file(s, s->f->config_file, "host2.conf",
				 s->key_file, keys);
	}
	conf2 = copy_file(s, conf, "secret2.conf", s->key_file, keys);
	return copy_file(s, s->f->config_file, "host2.conf", conf, conf2);
}

struct host {
	struct secrets *s;
	const char *config_file;
	unsigned int number;
	/* labels that it added and revoked, by exit status 0 */
	GHashTable *added, *revoked;
};

static int
host_doveadm(struct host *host, const char *command, const char *option,
	     const char *label)
{
	const char *const argv[] = {
		"doveadm", "-c", host->config_file, "popinjay", "secret",
		command, "-u", "alice", option, label, NULL
	};
	GString *err = NULL;
	int ret = fixture_run(host->s->f, argv, NULL, NULL, &err);

	if (ret != 0)
		g_test_message("%s %s: %d %s", command, label, ret, err->str);
	g_string_free(err, TRUE);
	/* or it says that it could not, or does not know */
	g_assert_true(ret == 0 || ret == 75);
	return ret;
}

static gpointer host_thread(gpointer data)
{
	struct host *host = data;

	for (unsigned int i = 0; i < ADD_COUNT; i++) {
		char *label = g_strdup_printf("h%u-%u", host->number, i);
		char *old = g_strdup_printf("old%u-%u", host->number, i);

		if (host_doveadm(host, "add", "-l", label) == 0)
			g_hash_table_add(host->added, label);
		if (i < REVOKE_COUNT &&
		    host_doveadm(host, "revoke", "--", old) == 0)
			g_hash_table_add(host->revoked, old);
	}
	return NULL;
}

static void assert_listed(struct secrets *s, GHashTable *labels, gboolean are)
{
	g_autofree char *out = NULL;
	GHashTableIter iter;
	gpointer key;

	g_assert_cmpint(secrets_doveadm(s, "list", "alice", NULL, &out, NULL),
			==, 0);
	g_hash_table_iter_init(&iter, labels);
	while (g_hash_table_iter_next(&iter, &key, NULL)) {
		g_autofree char *field = g_strdup_printf("\t%s\t",
							 (char *)key);

		if ((strstr(out, field) != NULL) != are) {
			g_test_message("%s is %s", (char *)key, are ? "lost" :
				       "back");
			g_test_fail();
		}
	}
}

static void test_at_once(enum secrets_store store, gboolean one_host)
{
	const struct secrets_options options = { .store = store };
	struct secrets *s = secrets_new_with(&options);
	g_autofree char *config2 = second_host(s);
	struct host hosts[2] = {
		{ .s = s, .config_file = s->f->config_file, .number = 1 },
		{ .s = s, .config_file = one_host ? s->f->config_file : config2,
		  .number = 2 }
	};
	GThread *threads[2];

	for (unsigned int i = 0; i < 2 * REVOKE_COUNT; i++) {
		g_autofree char *label = g_strdup_printf("old%u-%u", i % 2 + 1,
							 i / 2);

		g_free(secrets_add(s, "alice", NULL, "-l", label, NULL));
	}
	for (unsigned int i = 0; i < 2; i++) {
		hosts[i].added = g_hash_table_new(g_str_hash, g_str_equal);
		hosts[i].revoked = g_hash_table_new(g_str_hash, g_str_equal);
		threads[i] = g_thread_new("host", host_thread, &hosts[i]);
	}
	for (unsigned int i = 0; i < 2; i++) {
		g_thread_join(threads[i]);
		g_test_message("host %u: %u added, %u revoked", i + 1,
			       g_hash_table_size(hosts[i].added),
			       g_hash_table_size(hosts[i].revoked));
	}
	for (unsigned int i = 0; i < 2; i++) {
		/* the lock keeps them apart, and nothing has to be repeated */
		if (one_host) {
			g_assert_cmpuint(g_hash_table_size(hosts[i].added), ==,
					 ADD_COUNT);
			g_assert_cmpuint(g_hash_table_size(hosts[i].revoked),
					 ==, REVOKE_COUNT);
		}
		/* both get their turn */
		g_assert_cmpuint(g_hash_table_size(hosts[i].added), >,
				 ADD_COUNT / 2);
		assert_listed(s, hosts[i].added, TRUE);
		assert_listed(s, hosts[i].revoked, FALSE);
		g_hash_table_unref(hosts[i].added);
		g_hash_table_unref(hosts[i].revoked);
	}
	secrets_free(s);
}

static void test_two_hosts(gconstpointer data)
{
	test_at_once(GPOINTER_TO_INT(data), FALSE);
}

/* Two doveadm of one host, which share the key file and its lock. */
static void test_one_host(void)
{
	test_at_once(SECRETS_FS, TRUE);
}

/* A host that died while it was its turn. */
static void test_dead_host(void)
{
	const struct secrets_options options = { .store = SECRETS_SQLITE };
	struct secrets *s = secrets_new_with(&options);
	gint64 start = g_get_monotonic_time();

	secrets_set_dict(s, "shared/popinjay/used/@/changing",
			 "0123456789abcdef 0123456789abcdef-1 taken mail9");
	g_free(secrets_add(s, "alice", NULL, "-l", "phone", NULL));
	g_assert_cmpint(g_get_monotonic_time() - start, >,
			9 * G_USEC_PER_SEC);
	/* what is nobody's turn is no reason to wait */
	start = g_get_monotonic_time();
	secrets_set_dict(s, "shared/popinjay/used/@/changing", "?");
	g_free(secrets_add(s, "alice", NULL, "-l", "tablet", NULL));
	g_assert_cmpint(g_get_monotonic_time() - start, <,
			9 * G_USEC_PER_SEC);
	secrets_free(s);
}

int main(int argc, char *argv[])
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/hosts/two/fs", GINT_TO_POINTER(SECRETS_FS),
			     test_two_hosts);
	g_test_add_data_func("/hosts/two/sqlite",
			     GINT_TO_POINTER(SECRETS_SQLITE), test_two_hosts);
	g_test_add_data_func("/hosts/two/redis", GINT_TO_POINTER(SECRETS_REDIS),
			     test_two_hosts);
	g_test_add_data_func("/hosts/two/pgsql",
			     GINT_TO_POINTER(SECRETS_PGSQL), test_two_hosts);
	g_test_add_func("/hosts/one", test_one_host);
	g_test_add_func("/hosts/dead", test_dead_host);
	return g_test_run();
}
