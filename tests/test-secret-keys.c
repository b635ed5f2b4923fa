/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* App secrets when the keys are wrong, or change while people log in. */

#include "secrets/secrets.h"

#include <stdio.h>

#define ALL_MECHS "plain,apop,cram-md5,scram-sha-1,scram-sha-256"
#define K1 "k1 000102030405060708090a0b0c0d0e0f" \
	"101112131415161718191a1b1c1d1e1f"
#define K2 "k2 f00102030405060708090a0b0c0d0e0f" \
	"101112131415161718191a1b1c1d1e1f"

static const char *const mechs[] = {
	"PLAIN", "APOP", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"
};

#define assert_accepted(s, security, mech, user, text) G_STMT_START { \
	g_autofree char *login_reply = \
		secrets_login(s, security, mech, user, text, NULL); \
	g_assert_cmpstr(login_reply, ==, "+OK Logged in."); \
} G_STMT_END

static void test_keys(void)
{
	const struct secrets_options options = {
		.store = SECRETS_FS, .fast_logins = TRUE
	};
	struct secrets *s = secrets_new_with(&options);
	g_autofree char *text = secrets_add(s, "alice", NULL, "-l", "phone",
					    "-m", ALL_MECHS, NULL);
	g_autofree char *keys = NULL;

	fixture_user_add(s->f, "alice");
	fixture_log_allow(s->f, "popinjay: |The secrets of user");
	g_assert_true(g_file_get_contents(s->key_file, &keys, NULL, NULL));
	assert_accepted(s, POP3_STLS, "APOP", "alice", text);

	/* another key of the same id, none, and a file that all may read */
	for (unsigned int i = 0; i < 3; i++) {
		g_autofree char *reply = NULL;

		fixture_stop(s->f);
		if (i == 0) {
			g_autofree char *other = g_strdup(keys);

			other[5] ^= 1;
			secrets_set_keys(s, other);
		} else if (i == 1) {
			g_assert_cmpint(remove(s->key_file), ==, 0);
		} else {
			secrets_set_keys(s, "k1 00 current");
		}
		fixture_start(s->f);
		for (unsigned int j = 0; j < G_N_ELEMENTS(mechs); j++) {
			g_free(reply);
			reply = secrets_login(s, POP3_STLS, mechs[j], "alice",
					      text, NULL);
			g_assert_true(g_str_has_prefix(reply,
						       "-ERR [SYS/TEMP] "));
		}
		assert_accepted(s, POP3_STLS, "PLAIN", "alice",
				FIXTURE_PASSWORD);
		g_assert_cmpint(secrets_doveadm(s, "add", "alice", NULL, NULL,
						"-l", "x", NULL), !=, 0);
	}

	fixture_stop(s->f);
	secrets_set_keys(s, keys);
	fixture_start(s->f);
	assert_accepted(s, POP3_STLS, "APOP", "alice", text);
	secrets_free(s);
}

/* A key that nobody has any more: what it sealed can be seen and removed, and
   nothing else that is still good is lost by that. */
static void test_lost_key(void)
{
	const struct secrets_options options = {
		.store = SECRETS_FS, .fast_logins = TRUE
	};
	struct secrets *s = secrets_new_with(&options);
	g_autofree char *phone = secrets_add(s, "alice", NULL, "-l", "phone",
					     NULL);
	g_autofree char *tablet = secrets_add(s, "alice", NULL, "-l", "tablet",
					      NULL);
	g_autofree char *keys = NULL, *list = NULL, *show = NULL, *text = NULL;

	fixture_user_add(s->f, "alice");
	g_assert_true(g_file_get_contents(s->key_file, &keys, NULL, NULL));
	secrets_set_keys(s, K2" current\n");
	g_assert_cmpint(secrets_doveadm(s, "list", "alice", NULL, &list, NULL),
			==, 75);
	g_assert_nonnull(strstr(list, "\tphone\t"));
	g_assert_nonnull(strstr(list, "\ttablet\t"));
	g_assert_cmpint(secrets_doveadm(s, "show", "alice", NULL, &show,
					"phone", NULL), ==, 75);
	g_assert_nonnull(strstr(show, "\tk1\t"));
	/* whoever makes another one might think that all is well */
	g_assert_cmpint(secrets_doveadm(s, "add", "alice", NULL, NULL, "-l",
					"new", NULL), ==, 75);
	g_assert_cmpint(secrets_doveadm(s, "revoke", "alice", NULL, NULL,
					"phone", NULL), ==, 0);
	/* the right keys are found again */
	secrets_set_keys(s, keys);
	assert_accepted(s, POP3_TLS, "PLAIN", "alice", tablet);
	/* they are not */
	secrets_set_keys(s, K2" current\n");
	g_assert_cmpint(secrets_doveadm(s, "revoke", "alice", NULL, NULL,
					"tablet", NULL), ==, 0);
	text = secrets_add(s, "alice", NULL, "-l", "phone", NULL);
	fixture_stop(s->f);
	fixture_start(s->f);
	assert_accepted(s, POP3_TLS, "PLAIN", "alice", text);
	secrets_free(s);
}

/* Users log in at each step of the man page's. */
static void test_change_keys(void)
{
	const struct secrets_options options = {
		.store = SECRETS_FS, .fast_logins = TRUE
	};
	static const struct {
		const char *keys;
		/* what rekey says, or NULL: not run */
		const char *moved;
	} steps[] = {
		{ K1" current\n"K2"\n", NULL },
		{ K1"\n"K2" current\n", "alice\t1\t1\n" },
		{ K1"\n"K2" current\n", "alice\t0\t1\n" },
		{ K2" current\n", NULL }
	};
	struct secrets *s = secrets_new_with(&options);
	g_autofree char *text = secrets_add(s, "alice", NULL, "-l", "phone",
					    "-m", ALL_MECHS, NULL);

	fixture_user_add(s->f, "alice");
	for (unsigned int i = 0; i < G_N_ELEMENTS(steps); i++) {
		g_autofree char *out = NULL;

		secrets_set_keys(s, steps[i].keys);
		assert_accepted(s, POP3_STLS, "APOP", "alice", text);
		/* not a reload, which ends connections when it likes */
		if (i == 0 || strcmp(steps[i].keys, steps[i - 1].keys) != 0) {
			fixture_stop(s->f);
			fixture_start(s->f);
		}
		if (steps[i].moved != NULL) {
			g_assert_cmpint(secrets_doveadm(s, "rekey", NULL, NULL,
							&out, "-A", NULL), ==,
					0);
			g_assert_nonnull(strstr(out, steps[i].moved));
		}
		for (unsigned int j = 0; j < G_N_ELEMENTS(mechs); j++) {
			assert_accepted(s, POP3_STLS, mechs[j], "alice",
					text);
		}
	}
	secrets_free(s);
}

/* How many of the users n1 to n200 have their secret sealed with that key; the
   others must have theirs sealed with another. */
static unsigned int sealed_with(const struct secrets *s, const char *key)
{
	g_autofree char *word = g_strdup_printf(";key=%s;", key);
	const char *other = strcmp(key, "k1") == 0 ? ";key=k2;" :
		";key=k1;";
	unsigned int count = 0;

	for (unsigned int i = 1; i <= 200; i++) {
		g_autofree char *path = g_strdup_printf(
			"%s/store/popinjay/secrets/n%u@maildir", s->dir, i);
		g_autofree char *value = NULL;

		if (!g_file_get_contents(path, &value, NULL, NULL))
			g_error("%s cannot be read", path);
		if (strstr(value, word) != NULL)
			count++;
		g_assert_true((strstr(value, word) == NULL) !=
			      (strstr(value, other) == NULL));
	}
	return count;
}

/* doveadm is killed when it has done some of the users. */
static void test_rekey_killed(void)
{
	static const char script[] =
		"cd \"$2\" || exit 1\n"
		"doveadm -c \"$1\" popinjay secret rekey -F users & pid=$!\n"
		"n20=store/popinjay/secrets/n20@maildir\n"
		"until grep -q \";key=$3;\" $n20; do\n"
		"	kill -0 $pid || exit 1\n"
		"done\n"
		"kill -9 $pid\n"
		"wait $pid\n";
	static const struct {
		const char *key, *both, *one;
	} ways[] = {
		{ "k2", K1"\n"K2" current\n", K2" current\n" },
		{ "k1", K1" current\n"K2"\n", K1" current\n" }
	};
	const struct secrets_options options = {
		.store = SECRETS_FS, .fast_logins = TRUE
	};
	struct secrets *s = secrets_new_with(&options);
	g_autofree char *users = g_build_filename(s->dir, "users", NULL);
	g_autoptr(GString) names = g_string_new(NULL);
	g_autofree char *out = NULL;
	g_auto(GStrv) lines = NULL;
	unsigned int moved, way;

	for (unsigned int i = 1; i <= 200; i++)
		g_string_append_printf(names, "n%u@maildir\n", i);
	secrets_write_file(users, names->str, 0644);
	g_assert_cmpint(secrets_doveadm(s, "add", NULL, NULL, &out, "-F",
					users, "-l", "phone", NULL), ==, 0);
	lines = g_strsplit(out, "\n", -1);
	g_assert_cmpuint(g_strv_length(lines), ==, 202);
	/* where doveadm was too fast, the other way */
	for (unsigned int i = 0; ; i++) {
		const char *const argv[] = {
			"sh", "-c", script, "sh", s->f->config_file, s->dir,
			ways[i % 2].key, NULL
		};

		way = i % 2;
		secrets_set_keys(s, ways[way].both);
		(void)fixture_run(s->f, argv, NULL, NULL, NULL);
		moved = sealed_with(s, ways[way].key);
		g_test_message("%u moved", moved);
		g_assert_cmpuint(moved, >=, 20);
		if (moved < 200)
			break;
		g_assert_cmpuint(i, <, 20);
	}
	g_assert_cmpint(secrets_doveadm(s, "rekey", NULL, NULL, NULL, "-F",
					users, NULL), ==, 0);
	g_assert_cmpuint(sealed_with(s, ways[way].key), ==, 200);
	secrets_set_keys(s, ways[way].one);
	fixture_stop(s->f);
	fixture_start(s->f);
	/* those about whom it stopped, and the ends */
	for (unsigned int i = 1; i <= 200; i++) {
		g_auto(GStrv) fields = g_strsplit(lines[i], "\t", -1);

		if ((i + 5 < moved || i > moved + 5) && i != 1 && i != 200)
			continue;
		fixture_user_add(s->f, fields[0]);
		assert_accepted(s, POP3_TLS, "PLAIN", fields[0], fields[3]);
	}
	secrets_free(s);
}

struct load {
	struct secrets *s;
	const char *user, *text;
	gint stop;
	gint accepted, other;
};

static gpointer load_thread(gpointer data)
{
	struct load *load = data;

	for (unsigned int i = 0; !g_atomic_int_get(&load->stop); i++) {
		g_autofree char *reply = secrets_login(load->s, POP3_TLS,
			i % 2 == 0 ? "APOP" : "PLAIN", load->user, load->text,
			NULL);

		if (strcmp(reply, "+OK Logged in.") == 0)
			g_atomic_int_inc(&load->accepted);
		else {
			g_atomic_int_inc(&load->other);
			g_test_message("%s", reply);
		}
	}
	return NULL;
}

/* 50 logins at a time while the keys change ten times: nobody is refused. */
static void test_rekey_under_load(void)
{
	const struct secrets_options options = {
		.store = SECRETS_SQLITE, .fast_logins = TRUE,
		.config = "auth_mechanisms = plain apop\n"
			"service pop3 {\n  process_limit = 200\n}\n"
			"mail_max_userip_connections = 200\n"
	};
	struct secrets *s = secrets_new_with(&options);
	g_autofree char *text = secrets_add(s, "alice", NULL, "-l", "phone",
					    "-m", "plain,apop", NULL);
	struct load load = { s, "alice", text, 0, 0, 0 };
	GThread *threads[50];
	static const char *const keys[] = {
		K1"\n"K2" current\n", K1" current\n"K2"\n"
	};

	/* both keys are there from the start; doveadm's current one changes */
	fixture_user_add(s->f, "alice");
	fixture_stop(s->f);
	secrets_set_keys(s, keys[1]);
	fixture_start(s->f);
	for (unsigned int i = 0; i < G_N_ELEMENTS(threads); i++)
		threads[i] = g_thread_new("load", load_thread, &load);
	for (unsigned int i = 0; i < 10; i++) {
		g_autofree char *out = NULL;

		secrets_set_keys(s, keys[i % 2]);
		g_assert_cmpint(secrets_doveadm(s, "rekey", "alice", NULL,
						&out, NULL), ==, 0);
		g_assert_cmpstr(out, ==, "moved\tsecrets\n1\t1\n");
	}
	g_atomic_int_set(&load.stop, 1);
	for (unsigned int i = 0; i < G_N_ELEMENTS(threads); i++)
		g_thread_join(threads[i]);
	g_test_message("%d logins", load.accepted);
	g_assert_cmpint(load.accepted, >, 50);
	g_assert_cmpint(load.other, ==, 0);
	secrets_free(s);
}

int main(int argc, char *argv[])
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/keys/wrong", test_keys);
	g_test_add_func("/keys/lost", test_lost_key);
	g_test_add_func("/keys/change", test_change_keys);
	g_test_add_func("/keys/rekey-killed", test_rekey_killed);
	g_test_add_func("/keys/rekey-under-load", test_rekey_under_load);
	return g_test_run();
}
