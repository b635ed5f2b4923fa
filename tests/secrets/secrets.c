/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tests of app secrets: a private Dovecot with a store, and logins by each
   mechanism. The client side of SCRAM is here, written from RFC 5802. */

#include "secrets.h"

#include <glib/gstdio.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define KEYS \
	"k1 000102030405060708090a0b0c0d0e0f" \
	"101112131415161718191a1b1c1d1e1f current\n"

void secrets_set_keys(struct secrets *s, const char *text)
{
	secrets_write_file(s->key_file, text, 0600);
}

/* What Dovecot 2.3 is told. */
static char *
config_2_3(struct secrets *s, const struct secrets_options *o, char **conf_r)
{
	g_autofree char *dict = secrets_store_config(s);
	g_auto(GStrv) words = g_strsplit(o->fields == NULL ? "" : o->fields,
					 " ", -1);
	g_autofree char *text = NULL, *fields = g_strjoinv("", words);

	*conf_r = g_build_filename(s->dir, "secret.conf", NULL);
	text = g_strdup_printf("%s"
			       "key_file = %s\n"
			       "separator = +\n"
			       "apop_max_age_secs = 3\n",
			       o->broken ? "" : "dict = proxy::popinjay\n",
			       s->key_file);
	secrets_write_file(*conf_r, text, 0644);
	return g_strdup_printf(
		"passdb {\n"
		"  driver = popinjay\n"
		"  args = %s\n"
		"  override_fields = %s\n"
		"}\n"
		"dict {\n"
		"%s"
		"}\n", *conf_r, fields, dict);
}

static char *
config_2_4(struct secrets *s, const struct secrets_options *o)
{
	g_autofree char *dict = secrets_store_config(s);

	return g_strdup_printf(
		/* a failure is answered at once, as in 2.3 */
		"auth_internal_failure_delay = 0\n"
		"passdb popinjay {\n"
		"  fields {\n"
		"    %s\n"
		"  }\n"
		"}\n"
		"popinjay_secret {\n"
		"  key_file = %s\n"
		"  separator = +\n"
		"  apop_max_age = 3 secs\n"
		"  dict proxy {\n"
		"    name = popinjay\n"
		"  }\n"
		"}\n"
		"dict_server {\n"
		"  dict popinjay {\n"
		"%s"
		"  }\n"
		"}\n", o->fields == NULL ? "" : o->fields,
		o->broken ? "" : s->key_file, dict);
}

struct secrets *
secrets_new_with(const struct secrets_options *o)
{
	struct secrets *s = g_new0(struct secrets, 1);
	g_autofree char *conf = NULL, *popinjay = NULL, *head = NULL;
	const char *settings[] = { "popinjay_secret_config", NULL, NULL };
	struct fixture_options options = { .fast_logins = o->fast_logins };

	s->store = o->store;
	s->dir = g_dir_make_tmp("popinjay-secrets-XXXXXX", NULL);
	g_assert_nonnull(s->dir);
	g_assert_cmpint(g_chmod(s->dir, 0755), ==, 0);
	s->key_file = g_build_filename(s->dir, "keys", NULL);
	secrets_set_keys(s, KEYS);
	secrets_store_init(s);

	if (fixture_dovecot_version() < 20400) {
		popinjay = config_2_3(s, o, &conf);
		settings[1] = conf;
		options.settings = settings;
	} else {
		popinjay = config_2_4(s, o);
	}
	head = g_strdup_printf(
		"%s"
		"%s"
		"auth_verbose = yes\n"
		"auth_debug = yes\n"
		"mail_debug = yes\n"
		"auth_username_chars = abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ01234567890.-_@+\n",
		o->before == NULL ? "" : o->before, popinjay);
	options.password = o->plain ? NULL : FIXTURE_PASSWORD_HASH;
	options.config_head = head;
	options.config = o->config == NULL ?
		"auth_mechanisms = plain login apop cram-md5 digest-md5 "
		"scram-sha-1 scram-sha-256\n" : o->config;
	s->f = fixture_new(&options);
	return s;
}

struct secrets *
secrets_new(enum secrets_store store, gboolean plain, const char *config)
{
	const struct secrets_options options = {
		.store = store, .plain = plain, .config = config
	};

	return secrets_new_with(&options);
}

void secrets_free(struct secrets *s)
{
	fixture_free(s->f);
	if (s->server_pid != 0)
		secrets_store_stop(s);
	secrets_remove(s->dir);
	g_free(s->dir);
	g_free(s->key_file);
	g_free(s);
}

/* What "doveadm dict" calls the dict. */
static const char *dict_name(void)
{
	return fixture_dovecot_version() < 20400 ? "proxy::popinjay" :
		"popinjay_secret";
}

char *secrets_get_value(struct secrets *s, const char *user)
{
	g_autofree char *key = g_strconcat("shared/popinjay/secrets/", user,
					   NULL);
	g_autoptr(GString) out = NULL;

	if (fixture_doveadm(s->f, NULL, &out, NULL, "dict", "get", dict_name(),
			    key, NULL) != 0)
		return NULL;
	return g_strdup(g_strchomp(out->str));
}

void secrets_set_dict(struct secrets *s, const char *key, const char *value)
{
	g_assert_cmpint(fixture_doveadm(s->f, NULL, NULL, NULL, "dict", "set",
					dict_name(), key, value, NULL), ==, 0);
}

void secrets_set_value(struct secrets *s, const char *user, const char *value)
{
	g_autofree char *key = g_strconcat("shared/popinjay/secrets/", user,
					   NULL);

	secrets_set_dict(s, key, value);
}

/* --- doveadm --- */

static int
doveadm_va(struct secrets *s, const char *command, const char *user,
	   const char *input, char **out_r, va_list args)
{
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	g_autoptr(GBytes) bytes = input == NULL ? NULL :
		g_bytes_new_static(input, strlen(input));
	g_autoptr(GString) out = NULL;
	GString *err = NULL;
	const char *const first[] = {
		"doveadm", "-c", s->f->config_file, "-f", "tab", "popinjay",
		"secret", command
	};
	int ret;

	for (unsigned int i = 0; i < G_N_ELEMENTS(first); i++)
		g_ptr_array_add(argv, (char *)first[i]);
	if (user != NULL) {
		g_ptr_array_add(argv, (char *)"-u");
		g_ptr_array_add(argv, (char *)user);
	}
	do
		g_ptr_array_add(argv, va_arg(args, char *));
	while (argv->pdata[argv->len - 1] != NULL);
	ret = fixture_run(s->f, (const char *const *)argv->pdata, bytes, &out,
			  &err);
	if (ret != 0)
		g_test_message("doveadm %s: %s", command, err->str);
	g_string_free(err, TRUE);
	if (out_r != NULL)
		*out_r = g_string_free(g_steal_pointer(&out), FALSE);
	return ret;
}

int secrets_doveadm(struct secrets *s, const char *command, const char *user,
		    const char *input, char **out_r, ...)
{
	va_list args;
	int ret;

	va_start(args, out_r);
	ret = doveadm_va(s, command, user, input, out_r, args);
	va_end(args);
	return ret;
}

char *secrets_add(struct secrets *s, const char *user, char **id_r, ...)
{
	g_autofree char *out = NULL;
	g_auto(GStrv) lines = NULL, fields = NULL;
	va_list args;

	va_start(args, id_r);
	g_assert_cmpint(doveadm_va(s, "add", user, NULL, &out, args), ==, 0);
	va_end(args);
	lines = g_strsplit(out, "\n", -1);
	g_assert_cmpuint(g_strv_length(lines), ==, 3);
	g_assert_cmpstr(lines[0], ==, "id\tlabel\tsecret\tservices");
	fields = g_strsplit(lines[1], "\t", -1);
	g_assert_cmpuint(g_strv_length(fields), ==, 4);
	g_assert_cmpuint(strlen(fields[2]), ==, 34);
	if (id_r != NULL)
		*id_r = g_strdup(fields[0]);
	return g_strdup(fields[2]);
}

/* --- mechanisms --- */

char *secrets_apop_digest(const struct pop3 *pop3, const char *text)
{
	const char *begin = strchr(pop3->greeting, '<');
	const char *end = strchr(pop3->greeting, '>');
	g_autofree char *data = NULL;

	g_assert_nonnull(begin);
	g_assert_nonnull(end);
	data = g_strdup_printf("%.*s%s", (int)(end + 1 - begin), begin, text);
	return g_compute_checksum_for_string(G_CHECKSUM_MD5, data, -1);
}

static char *base64(const char *text)
{
	return g_base64_encode((const guchar *)text, strlen(text));
}

/* The text of a "+ BASE64" line. */
static char *continuation(const char *line)
{
	g_autofree guchar *data = NULL;
	gsize size;

	if (!g_str_has_prefix(line, "+ "))
		return NULL;
	data = g_base64_decode(line + 2, &size);
	return g_strndup((char *)data, size);
}

char *secrets_cram_md5_response(const char *challenge, const char *user,
				const char *text)
{
	g_autofree char *digest = g_compute_hmac_for_string(G_CHECKSUM_MD5,
		(const guchar *)text, strlen(text), challenge, -1);

	return g_strdup_printf("%s %s", user, digest);
}

static char *cram_md5(struct pop3 *pop3, const char *user, const char *text)
{
	g_autofree char *line = pop3_ask(pop3, "AUTH CRAM-MD5");
	g_autofree char *challenge = continuation(line);
	g_autofree char *reply = NULL, *encoded = NULL;

	if (challenge == NULL)
		return g_steal_pointer(&line);
	reply = secrets_cram_md5_response(challenge, user, text);
	encoded = base64(reply);
	return pop3_ask(pop3, "%s", encoded);
}

static void
hmac(const EVP_MD *md, const void *key, const char *data, guchar *out_r)
{
	g_assert_nonnull(HMAC(md, key, EVP_MD_size(md), (const guchar *)data,
			      strlen(data), out_r, NULL));
}

static char *
scram(struct pop3 *pop3, const char *mech, const EVP_MD *md, const char *user,
      const char *text)
{
	g_autofree char *bare = g_strdup_printf("n=%s,r=clientnonce%u", user,
						g_random_int());
	g_autofree char *first = g_strconcat("n,,", bare, NULL);
	g_autofree char *first64 = base64(first), *line = NULL, *server = NULL;
	g_autofree char *without_proof = NULL, *message = NULL, *final = NULL;
	g_autofree char *final64 = NULL, *proof64 = NULL, *answer = NULL;
	g_autofree char *expected = NULL, *line2 = NULL;
	g_autofree guchar *salt = NULL;
	g_auto(GStrv) fields = NULL;
	guchar salted[64], key[64], stored[64], signature[64];
	unsigned int size = EVP_MD_size(md);
	gsize salt_size;

	line = pop3_ask(pop3, "AUTH %s %s", mech, first64);
	if ((server = continuation(line)) == NULL)
		return g_steal_pointer(&line);
	fields = g_strsplit(server, ",", -1);
	g_assert_cmpuint(g_strv_length(fields), ==, 3);
	salt = g_base64_decode(fields[1] + 2, &salt_size);
	without_proof = g_strdup_printf("c=biws,%s", fields[0]);
	message = g_strdup_printf("%s,%s,%s", bare, server, without_proof);

	PKCS5_PBKDF2_HMAC(text, strlen(text), salt, salt_size,
			  atoi(fields[2] + 2), md, size, salted);
	hmac(md, salted, "Client Key", key);
	EVP_Digest(key, size, stored, NULL, md, NULL);
	hmac(md, stored, message, signature);
	for (unsigned int i = 0; i < size; i++)
		key[i] ^= signature[i];
	proof64 = g_base64_encode(key, size);
	final = g_strdup_printf("%s,p=%s", without_proof, proof64);
	final64 = base64(final);
	line2 = pop3_ask(pop3, "%s", final64);
	if ((answer = continuation(line2)) == NULL)
		return g_steal_pointer(&line2);
	/* the server has to know the secret, too */
	hmac(md, salted, "Server Key", key);
	hmac(md, key, message, signature);
	proof64 = (g_free(proof64), g_base64_encode(signature, size));
	expected = g_strconcat("v=", proof64, NULL);
	g_assert_cmpstr(answer, ==, expected);
	return pop3_ask(pop3, "%s", "");
}

char *secrets_login(struct secrets *s, enum pop3_security security,
		    const char *mech, const char *user, const char *text,
		    struct pop3 **session_r)
{
	struct pop3 *pop3 = pop3_connect(s->f, security);
	char *reply;

	if (strcmp(mech, "PLAIN") == 0) {
		g_free(pop3_ask(pop3, "USER %s", user));
		reply = pop3_ask(pop3, "PASS %s", text);
	} else if (strcmp(mech, "APOP") == 0) {
		g_autofree char *digest = secrets_apop_digest(pop3, text);

		reply = pop3_ask(pop3, "APOP %s %s", user, digest);
	} else if (strcmp(mech, "CRAM-MD5") == 0) {
		reply = cram_md5(pop3, user, text);
	} else if (strcmp(mech, "SCRAM-SHA-1") == 0) {
		reply = scram(pop3, mech, EVP_sha1(), user, text);
	} else {
		g_assert_cmpstr(mech, ==, "SCRAM-SHA-256");
		reply = scram(pop3, mech, EVP_sha256(), user, text);
	}
	if (session_r != NULL && g_str_has_prefix(reply, "+OK")) {
		*session_r = pop3;
		return reply;
	}
	/* let the session come to its end before Dovecot is stopped */
	if (g_str_has_prefix(reply, "+OK"))
		g_free(pop3_ask(pop3, "QUIT"));
	pop3_close(pop3);
	return reply;
}
