/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Measures stores of app secrets at 100,000 users with three secrets each, as
   the auth process of Dovecot 2.3 sees them: through its dict process, and in
   batches of one lookup and of 50.

   usage: bench-secret-store [USERS [STORE...]] */

#include "../secrets/secrets.h"

#include "lib.h"
#include "ioloop.h"
#include "array.h"
#include "dict.h"
#include "compat-dict.h"
#include "secret-key.h"
#include "secret-record.h"
#include "secret-settings.h"
#include "secret-text.h"

#include <stdio.h>

#define LOOKUPS 2000
#define SECRETS_OF_A_USER 3
#define CHANGES 200

static const char *const store_names[] = {
	[SECRETS_SQLITE] = "sqlite",
	[SECRETS_FS] = "fs",
	[SECRETS_REDIS] = "redis",
	[SECRETS_PGSQL] = "pgsql"
};

struct batch {
	unsigned int left, found;
};

static void
lookup_callback(const struct dict_lookup_result *result, void *context)
{
	struct batch *batch = context;

	if (result->ret < 0)
		g_error("%s", result->error);
	batch->found += result->ret;
	if (--batch->left == 0)
		io_loop_stop(current_ioloop);
}

static const char *key_of(unsigned int user)
{
	return t_strdup_printf("shared/popinjay/secrets/user%u@example.com",
			       user);
}

static char *value_of_user(void)
{
	struct popinjay_secret_keys *keys;
	ARRAY_TYPE(popinjay_secret) secrets;
	const char *error;
	char *value;

	g_assert_cmpint(popinjay_secret_keys_parse("k1 "
		"000102030405060708090a0b0c0d0e0f"
		"101112131415161718191a1b1c1d1e1f current", &keys, &error),
		==, 0);
	t_array_init(&secrets, SECRETS_OF_A_USER);
	for (unsigned int i = 0; i < SECRETS_OF_A_USER; i++) {
		struct popinjay_secret secret = {
			.id = t_strdup_printf("%08x", i), .label = "phone",
			.created = 1700000000, .nets = "", .plain = "",
			.scram_sha1 = "", .scram_sha256 = "",
			.generated = TRUE, .mechs =
				POPINJAY_SECRET_MECHS_DEFAULT |
				POPINJAY_SECRET_MECH_APOP
		};

		g_assert_cmpint(popinjay_secret_seal(&secret,
			pool_datastack_create(), keys, "user",
			popinjay_secret_text_generate(), &error), ==, 0);
		array_push_back(&secrets, &secret);
	}
	value = g_strdup(popinjay_secrets_format(&secrets));
	popinjay_secret_keys_free(&keys);
	return value;
}

/* Returns microseconds for a lookup. */
static double
measure_lookups(struct dict *dict, unsigned int users, unsigned int at_a_time)
{
	gint64 start = g_get_monotonic_time();

	for (unsigned int i = 0; i < LOOKUPS; i += at_a_time) T_BEGIN {
		struct batch batch = { at_a_time, 0 };

		for (unsigned int j = 0; j < at_a_time; j++) {
			popinjay_dict_lookup_async(dict,
				key_of(g_random_int_range(0, users)),
				lookup_callback, &batch);
		}
		if (batch.left > 0)
			io_loop_run(current_ioloop);
		g_assert_cmpuint(batch.found, ==, at_a_time);
	} T_END;
	return (double)(g_get_monotonic_time() - start) / LOOKUPS;
}

static void
set_users(struct dict *dict, const char *value, unsigned int first,
	  unsigned int count, unsigned int at_a_time)
{
	const char *error;

	for (unsigned int i = 0; i < count; i += at_a_time) T_BEGIN {
		struct dict_transaction_context *trans =
			popinjay_dict_begin(dict);

		for (unsigned int j = i; j < count && j < i + at_a_time; j++)
			dict_set(trans, key_of(first + j), value);
		if (dict_transaction_commit(&trans, &error) < 0)
			g_error("%s", error);
	} T_END;
}

static void measure(enum secrets_store store, unsigned int users)
{
	struct secrets *s = secrets_new(store, FALSE, NULL);
	g_autofree char *base_dir = g_build_filename(s->f->dir, "run", NULL);
	g_autofree char *value = value_of_user();
	struct ioloop *ioloop = io_loop_create();
	struct dict *dict;
	const char *error;
	gint64 start;

	fixture_log_allow(s->f, "dict");
	if (popinjay_secret_dict_init("proxy::popinjay", base_dir, NULL, &dict,
				      &error) < 0)
		g_error("%s", error);
	set_users(dict, value, 0, users, 1000);
	(void)measure_lookups(dict, users, 1);
	printf("%s: %u users, %zu bytes each; lookup %.0f us",
	       store_names[store], users, strlen(value),
	       measure_lookups(dict, users, 1));
	printf(", 50 at a time %.0f us", measure_lookups(dict, users, 50));
	start = g_get_monotonic_time();
	set_users(dict, value, 0, CHANGES, 1);
	printf(", change %.0f us\n",
	       (double)(g_get_monotonic_time() - start) / CHANGES);
	fflush(stdout);
	dict_deinit(&dict);
	io_loop_destroy(&ioloop);
	secrets_free(s);
}

int main(int argc, char *argv[])
{
	unsigned int users = argc > 1 ? atoi(argv[1]) : 100000;

	if (fixture_dovecot_version() >= 20400)
		g_error("this needs the dict URIs of Dovecot 2.3");
	lib_init();
	dict_drivers_register_builtin();
	for (unsigned int i = 0; i < G_N_ELEMENTS(store_names); i++) {
		const char *const *wanted = (const char *const *)argv + 2;

		if (argc <= 2 || g_strv_contains(wanted, store_names[i]))
			measure(i, users);
	}
	dict_drivers_unregister_builtin();
	lib_deinit();
	return 0;
}
