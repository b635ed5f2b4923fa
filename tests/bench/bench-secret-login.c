/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Measures logins at the auth process, by its client protocol, without a POP3
   session behind them.

   usage: bench-secret-login [rate | guesses] [COUNT]

   rate: logins per second by mechanism, of a user with three secrets, against
   stock Dovecot's passwd-file passdb with {PLAIN}, in turns on one machine.
   guesses: the times of COUNT wrong guesses at users who have secrets and at
   one who is unknown, in turns, without the delay that Dovecot adds to them.
   Status 1 if an onlooker could tell users with one secret from unknown ones:
   if of two times, one of each, the known user's is the longer one in more than
   60 or fewer than 40 of 100 cases. */

#include "../secrets/secrets.h"

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <sys/stat.h>

#define ROUNDS 5
#define ALL_MECHS "plain,apop,cram-md5,scram-sha-1,scram-sha-256"
#define AT_A_TIME 10
#define USER "joe"
#define UNKNOWN_USER "jim"
#define QUIET_CONFIG \
	"auth_mechanisms = plain login apop cram-md5 scram-sha-1 " \
		"scram-sha-256\n" \
	"auth_debug = no\nauth_verbose = no\nmail_debug = no\n"
/* 2.3 looks only every half second which failures it may tell, whatever
   auth_failure_delay is. */
#define NO_DELAY_PASSDB_2_3 \
	"passdb {\n" \
	"  driver = static\n" \
	"  args = nopassword=y noauthenticate=y nodelay=y\n" \
	"}\n"

static const char *const mechs[] = {
	"PLAIN", "APOP", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"
};

/* A connection to an auth process. */
struct auth {
	GSocketConnection *conn;
	GDataInputStream *input;
	GOutputStream *output;
	/* of its handshake */
	unsigned int pid, connect_uid;

	unsigned int last_id;
	const char *user, *text;
	/* id -> what the client has sent of SCRAM */
	GHashTable *scram_first;
	/* salt and iterations -> SaltedPassword, which clients keep */
	GHashTable *salted;
};

static char *base64(const void *data, gsize size)
{
	return g_base64_encode(data, size);
}

static void put(struct auth *a, const char *line)
{
	g_autoptr(GError) error = NULL;

	if (!g_output_stream_write_all(a->output, line, strlen(line), NULL,
				       NULL, &error))
		g_error("%s", error->message);
}

static char *get(struct auth *a)
{
	g_autoptr(GError) error = NULL;
	char *line = g_data_input_stream_read_line(a->input, NULL, NULL,
						   &error);

	if (line == NULL)
		g_error("auth: %s", error == NULL ? "EOF" : error->message);
	return line;
}

static void
auth_connect(struct auth *a, struct fixture *f, const char *user,
	     const char *text)
{
	g_autoptr(GSocketClient) client = g_socket_client_new();
	g_autofree char *path = g_build_filename(f->dir, "run", "auth-client",
						 NULL);
	g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
	g_autoptr(GError) error = NULL;
	gboolean done = FALSE;

	a->conn = g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address),
					  NULL, &error);
	if (a->conn == NULL)
		g_error("%s: %s", path, error->message);
	a->input = g_data_input_stream_new(
		g_io_stream_get_input_stream(G_IO_STREAM(a->conn)));
	a->output = g_io_stream_get_output_stream(G_IO_STREAM(a->conn));
	a->scram_first = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	a->salted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
					  g_free);
	a->user = user;
	a->text = text;
	put(a, "VERSION\t1\t2\nCPID\t4242\n");
	while (!done) {
		g_autofree char *line = get(a);

		(void)sscanf(line, "SPID\t%u", &a->pid);
		(void)sscanf(line, "CUID\t%u", &a->connect_uid);
		done = strcmp(line, "DONE") == 0;
	}
}

static void auth_disconnect(struct auth *a)
{
	g_object_unref(a->input);
	g_object_unref(a->conn);
	g_hash_table_unref(a->scram_first);
	g_hash_table_unref(a->salted);
}

/* --- the client's side of the mechanisms --- */

static char *apop_response(struct auth *a, const char *user, const char *text)
{
	g_autofree char *challenge = g_strdup_printf("<%x.%x.%x.%08x%08x@host>",
		a->pid, a->connect_uid,
		(unsigned int)(g_get_real_time() / G_USEC_PER_SEC),
		g_random_int(), g_random_int());
	g_autoptr(GByteArray) data = g_byte_array_new();
	g_autoptr(GChecksum) md5 = g_checksum_new(G_CHECKSUM_MD5);
	guint8 digest[16];
	gsize size = sizeof(digest);

	g_checksum_update(md5, (guchar *)challenge, -1);
	g_checksum_update(md5, (const guchar *)text, -1);
	g_checksum_get_digest(md5, digest, &size);
	g_byte_array_append(data, (guint8 *)challenge, strlen(challenge) + 1);
	g_byte_array_append(data, (const guint8 *)user, strlen(user) + 1);
	g_byte_array_append(data, digest, size);
	return base64(data->data, data->len);
}

static char *plain_response(const char *user, const char *text)
{
	g_autoptr(GString) s = g_string_new(NULL);

	g_string_append_c(s, '\0');
	g_string_append(s, user);
	g_string_append_c(s, '\0');
	g_string_append(s, text);
	return base64(s->str, s->len);
}

static unsigned int
start(struct auth *a, const char *mech, const char *user, const char *text)
{
	unsigned int id = ++a->last_id;
	g_autofree char *response = NULL, *line = NULL;

	if (strcmp(mech, "PLAIN") == 0)
		response = plain_response(user, text);
	else if (strcmp(mech, "APOP") == 0)
		response = apop_response(a, user, text);
	else if (g_str_has_prefix(mech, "SCRAM-")) {
		char *bare = g_strdup_printf("n=%s,r=nonce%u", user, id);
		g_autofree char *first = g_strconcat("n,,", bare, NULL);

		response = base64(first, strlen(first));
		g_hash_table_insert(a->scram_first, GUINT_TO_POINTER(id), bare);
	}
	line = g_strdup_printf("AUTH\t%u\t%s\tservice=pop3\tprotocol=pop3\t"
			       "secured=tls\tno-penalty%s%s\n", id, mech,
			       response == NULL ? "" : "\tresp=",
			       response == NULL ? "" : response);
	put(a, line);
	return id;
}

static void
hmac(const EVP_MD *md, const void *key, const char *data, guchar *out_r)
{
	g_assert_nonnull(HMAC(md, key, EVP_MD_size(md), (const guchar *)data,
			      strlen(data), out_r, NULL));
}

static char *
scram_response(struct auth *a, unsigned int id, const char *server,
	       gboolean sha1)
{
	const EVP_MD *md = sha1 ? EVP_sha1() : EVP_sha256();
	unsigned int size = EVP_MD_size(md);
	const char *bare = g_hash_table_lookup(a->scram_first,
					       GUINT_TO_POINTER(id));
	g_auto(GStrv) fields = g_strsplit(server, ",", 3);
	g_autofree char *final = NULL, *message = NULL, *proof = NULL;
	g_autofree char *whole = NULL;
	guchar key[EVP_MAX_MD_SIZE], stored[EVP_MAX_MD_SIZE];
	guchar signature[EVP_MAX_MD_SIZE];
	guchar *salted = g_hash_table_lookup(a->salted, fields[1]);

	if (salted == NULL) {
		gsize salt_size;
		g_autofree guchar *salt = g_base64_decode(fields[1] + 2,
							  &salt_size);

		salted = g_malloc(EVP_MAX_MD_SIZE);
		PKCS5_PBKDF2_HMAC(a->text, strlen(a->text), salt, salt_size,
				  atoi(fields[2] + 2), md, size, salted);
		/* stock makes a new salt for each login */
		if (g_hash_table_size(a->salted) > 100)
			g_hash_table_remove_all(a->salted);
		g_hash_table_insert(a->salted, g_strdup(fields[1]), salted);
	}
	final = g_strdup_printf("c=biws,%s", fields[0]);
	message = g_strdup_printf("%s,%s,%s", bare, server, final);
	hmac(md, salted, "Client Key", key);
	EVP_Digest(key, size, stored, NULL, md, NULL);
	hmac(md, stored, message, signature);
	for (unsigned int i = 0; i < size; i++)
		key[i] ^= signature[i];
	proof = base64(key, size);
	whole = g_strdup_printf("%s,p=%s", final, proof);
	return base64(whole, strlen(whole));
}

static void
answer(struct auth *a, const char *mech, unsigned int id, const char *encoded)
{
	gsize size;
	g_autofree guchar *data = g_base64_decode(encoded, &size);
	g_autofree char *challenge = g_strndup((char *)data, size);
	g_autofree char *response = NULL, *line = NULL;

	if (strcmp(mech, "CRAM-MD5") == 0) {
		g_autofree char *text = secrets_cram_md5_response(challenge,
			a->user, a->text);

		response = base64(text, strlen(text));
	} else if (g_str_has_prefix(challenge, "v=")) {
		/* the server has proved itself */
		response = g_strdup("");
	} else {
		response = scram_response(a, id, challenge,
					  strcmp(mech, "SCRAM-SHA-1") == 0);
	}
	line = g_strdup_printf("CONT\t%u\t%s\n", id, response);
	put(a, line);
}

/* Go on until a login is finished. Returns TRUE if it succeeded. */
static gboolean finish_one(struct auth *a, const char *mech)
{
	for (;;) {
		g_autofree char *line = get(a);
		g_auto(GStrv) words = g_strsplit(line, "\t", 4);

		if (strcmp(words[0], "CONT") == 0) {
			answer(a, mech, atoi(words[1]),
			       words[2] == NULL ? "" : words[2]);
			continue;
		}
		g_hash_table_remove(a->scram_first,
				    GUINT_TO_POINTER(atoi(words[1])));
		if (strcmp(words[0], "OK") == 0)
			return TRUE;
		if (strcmp(words[0], "FAIL") == 0)
			return FALSE;
	}
}

/* --- rate --- */

/* Returns logins per second. */
static double measure(struct auth *a, const char *mech, unsigned int count)
{
	gint64 begin = g_get_monotonic_time();
	unsigned int started = 0;

	for (unsigned int done = 0; done < count; done++) {
		while (started < count && started < done + AT_A_TIME) {
			start(a, mech, a->user, a->text);
			started++;
		}
		if (!finish_one(a, mech))
			g_error("%s: a login failed", mech);
	}
	return count * (double)G_USEC_PER_SEC /
		(g_get_monotonic_time() - begin);
}

static int compare_doubles(gconstpointer p1, gconstpointer p2)
{
	double d1 = *(const double *)p1, d2 = *(const double *)p2;

	return d1 < d2 ? -1 : d1 > d2;
}

static double median(double *values, unsigned int count)
{
	qsort(values, count, sizeof(*values), compare_doubles);
	return values[count / 2];
}

static struct fixture *stock_new(const char *users_file)
{
	g_autofree char *head = g_strdup_printf(
		fixture_dovecot_version() < 20400 ?
		"passdb {\n  driver = passwd-file\n  args = %s\n}\n" :
		"passdb passwd-file {\n  passwd_file_path = %s\n}\n",
		users_file);
	struct fixture_options options = {
		.stock = TRUE, .config_head = head, .config =
			"auth_mechanisms = plain login apop cram-md5 "
			"scram-sha-1 scram-sha-256\n"
	};

	return fixture_new(&options);
}

static struct secrets *secrets_quiet(enum secrets_store store)
{
	const struct secrets_options options = {
		.store = store, .config = QUIET_CONFIG,
		.before = fixture_is_2_3() ? NO_DELAY_PASSDB_2_3 : NULL
	};

	return secrets_new_with(&options);
}

/* Returns the text of the last secret. */
static char *
add_secrets(struct secrets *s, const char *user, unsigned int count,
	    const char *mechanisms)
{
	char *text = NULL;

	for (unsigned int i = 0; i < count; i++) {
		g_autofree char *label = g_strdup_printf("device%u", i);

		g_free(text);
		text = secrets_add(s, user, NULL, "-l", label, "-m",
				   mechanisms, NULL);
	}
	return text;
}

static void rate(unsigned int count)
{
	static const enum secrets_store stores[] = {
		SECRETS_SQLITE, SECRETS_FS
	};
	static const char *const names[] = { "sqlite", "fs", "passwd-file" };
	g_autofree char *dir = g_dir_make_tmp("popinjay-bench-XXXXXX", NULL);
	g_autofree char *users = g_build_filename(dir, "users", NULL);
	g_autofree char *text_stock = g_strdup("ew6h-k9vt-3ndc-xq8m-2gpa-7rjs");
	g_autofree char *line = g_strdup_printf(USER":{PLAIN}%s\n", text_stock);
	char *texts[3] = { NULL, NULL, text_stock };
	struct secrets *s[2];
	struct auth auths[3] = { { .conn = NULL } };
	struct fixture *stock;

	g_assert_cmpint(chmod(dir, 0755), ==, 0);
	secrets_write_file(users, line, 0644);
	stock = stock_new(users);
	for (unsigned int i = 0; i < 2; i++) {
		s[i] = secrets_quiet(stores[i]);
		texts[i] = add_secrets(s[i], USER, 3, ALL_MECHS);
	}
	for (unsigned int i = 0; i < 3; i++)
		auth_connect(&auths[i], i < 2 ? s[i]->f : stock, USER,
			     texts[i]);
	printf("logins per second, median of %u rounds of %u, %u at a time\n",
	       ROUNDS, count, AT_A_TIME);
	printf("%-14s %10s %10s %12s\n", "", names[0], names[1], names[2]);
	for (unsigned int m = 0; m < G_N_ELEMENTS(mechs); m++) {
		double rates[3][ROUNDS];

		for (unsigned int r = 0; r < ROUNDS; r++) {
			for (unsigned int i = 0; i < 3; i++)
				rates[i][r] = measure(&auths[i], mechs[m],
						      count);
		}
		printf("%-14s %10.0f %10.0f %12.0f\n", mechs[m],
		       median(rates[0], ROUNDS), median(rates[1], ROUNDS),
		       median(rates[2], ROUNDS));
		fflush(stdout);
	}
	for (unsigned int i = 0; i < 3; i++)
		auth_disconnect(&auths[i]);
	for (unsigned int i = 0; i < 2; i++) {
		secrets_free(s[i]);
		g_free(texts[i]);
	}
	fixture_free(stock);
	secrets_remove(dir);
}

/* --- guesses --- */

static double guess(struct auth *a, const char *mech, const char *user)
{
	gint64 begin = g_get_monotonic_time();

	start(a, mech, user, "ew6h-k9vt-3ndc-xq8m-2gpa-7rjs-b4uf");
	if (finish_one(a, mech))
		g_error("%s: a wrong guess succeeded", mech);
	return g_get_monotonic_time() - begin;
}

static void import_secret(struct secrets *s, const char *user, unsigned int i)
{
	g_autofree char *label = g_strdup_printf("typed%u", i);
	g_autofree char *line = g_strdup_printf("%s:{PLAIN}Typed-%u\n", user,
						i);

	g_assert_cmpint(secrets_doveadm(s, "import", user, line, NULL, "-l",
					label, NULL), ==, 0);
}

/* Returns how often a value of the first kind is the greater one of a pair of
   each, ties counted half. */
static double
share_greater(const double *first, const double *second, unsigned int count)
{
	double sum = 0;

	for (unsigned int i = 0; i < count; i++) {
		for (unsigned int j = 0; j < count; j++)
			sum += first[i] > second[j] ? 1 :
				first[i] == second[j] ? 0.5 : 0;
	}
	return sum / count / count;
}

/* Wrong guesses at the user and at an unknown one. Returns as above. */
static double
guess_pairs(struct auth *a, const char *mech, const char *user,
	    unsigned int count)
{
	g_autofree double *known = g_new(double, count);
	g_autofree double *unknown = g_new(double, count);
	double share;

	for (unsigned int i = 0; i < 100; i++)
		(void)guess(a, mech, i % 2 == 0 ? user : UNKNOWN_USER);
	for (unsigned int i = 0; i < count; i++) {
		/* neither is always the first */
		if (i % 2 == 0)
			known[i] = guess(a, mech, user);
		unknown[i] = guess(a, mech, UNKNOWN_USER);
		if (i % 2 != 0)
			known[i] = guess(a, mech, user);
	}
	share = share_greater(known, unknown, count);
	printf("%-6s %-9s %9.0f %9.0f %9.1f %%\n", mech, user,
	       median(known, count), median(unknown, count), share * 100);
	fflush(stdout);
	return share;
}

static int guesses(unsigned int count)
{
	static const struct {
		const char *name, *mechanisms;
		unsigned int secrets, typed;
	} users[] = {
		{ "one", ALL_MECHS, 1, 0 },
		{ "one-plain", "plain,scram-sha-1,scram-sha-256", 1, 0 },
		{ "twenty", ALL_MECHS, 20, 0 },
		{ "typed", NULL, 0, 1 },
		{ "typed-3", NULL, 0, 3 },
	};
	static const char *const guessed[] = { "APOP", "PLAIN" };
	struct secrets *s = secrets_quiet(SECRETS_SQLITE);
	struct auth a = { .conn = NULL };
	int status = 0;

	for (unsigned int i = 0; i < G_N_ELEMENTS(users); i++) {
		if (users[i].secrets > 0)
			g_free(add_secrets(s, users[i].name, users[i].secrets,
					   users[i].mechanisms));
		for (unsigned int j = 0; j < users[i].typed; j++)
			import_secret(s, users[i].name, j);
	}
	auth_connect(&a, s->f, USER, "");
	printf("%u guesses each: microseconds (median) at a known and an "
	       "unknown user,\nand how often the known one takes longer\n",
	       count);
	for (unsigned int m = 0; m < G_N_ELEMENTS(guessed); m++) {
		for (unsigned int i = 0; i < G_N_ELEMENTS(users); i++) {
			double share = guess_pairs(&a, guessed[m],
						   users[i].name, count);

			if (users[i].secrets == 1 &&
			    (share < 0.4 || share > 0.6))
				status = 1;
		}
	}
	auth_disconnect(&a);
	secrets_free(s);
	return status;
}

int main(int argc, char *argv[])
{
	const char *what = argc > 1 ? argv[1] : "rate";
	unsigned int count = argc > 2 ? atoi(argv[2]) : 1000;

	if (strcmp(what, "guesses") == 0)
		return guesses(count);
	if (strcmp(what, "rate") != 0 || count == 0)
		g_error("usage: bench-secret-login [rate | guesses] [COUNT]");
	rate(count);
	return 0;
}
