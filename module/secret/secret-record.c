/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: records of secrets, their text and their limits. secret-seal.c
   seals them. */

#include "lib.h"
#include "array.h"
#include "net.h"
#include "str.h"
#include "strescape.h"
#include "secret-record.h"
#include "secret-record-private.h"

#define HEADER "popinjay-secrets:1:"
#define LABEL_MAX_LEN 64
#define ID_LEN 8
/* Far more than anybody has devices: a value with more is not ours. */
#define SECRETS_MAX 1000

/* A name of one bit of a set. */
struct name {
	const char *name;
	unsigned int bit;
};

static const struct name mechs[] = {
	{ "PLAIN", POPINJAY_SECRET_MECH_PLAIN },
	{ "APOP", POPINJAY_SECRET_MECH_APOP },
	{ "CRAM-MD5", POPINJAY_SECRET_MECH_CRAM_MD5 },
	{ "DIGEST-MD5", POPINJAY_SECRET_MECH_DIGEST_MD5 },
	{ "SCRAM-SHA-1", POPINJAY_SECRET_MECH_SCRAM_SHA1 },
	{ "SCRAM-SHA-256", POPINJAY_SECRET_MECH_SCRAM_SHA256 },
	/* accepted, but never written to records */
	{ "LOGIN", POPINJAY_SECRET_MECH_PLAIN },
	{ "SCRAM-SHA-1-PLUS", POPINJAY_SECRET_MECH_SCRAM_SHA1 },
	{ "SCRAM-SHA-256-PLUS", POPINJAY_SECRET_MECH_SCRAM_SHA256 },
	{ NULL, 0 }
};

static const struct name services[] = {
	{ "pop3", POPINJAY_SECRET_SERVICE_POP3 },
	{ "imap", POPINJAY_SECRET_SERVICE_IMAP },
	{ "smtp", POPINJAY_SECRET_SERVICE_SMTP },
	{ "submission", POPINJAY_SECRET_SERVICE_SUBMISSION },
	{ "sieve", POPINJAY_SECRET_SERVICE_SIEVE },
	{ "lmtp", POPINJAY_SECRET_SERVICE_LMTP },
	{ "all", POPINJAY_SECRET_SERVICE_ALL },
	{ NULL, 0 }
};

static const char *const delete_names[] = { "native", "refuse" };

/* --- sets of names --- */

static unsigned int name_find(const struct name *list, const char *name)
{
	for (; list->name != NULL; list++) {
		if (strcasecmp(list->name, name) == 0)
			return list->bit;
	}
	return 0;
}

static const char *set_str(const struct name *list, unsigned int set)
{
	string_t *str = t_str_new(64);

	for (; list->name != NULL; list++) {
		if ((set & list->bit) == 0)
			continue;
		/* by its first name only */
		set &= ~list->bit;
		if (str_len(str) > 0)
			str_append_c(str, ',');
		str_append(str, list->name);
	}
	return str_c(str);
}

static int
set_parse(const struct name *list, const char *what, const char *names,
	  unsigned int *set_r, const char **error_r)
{
	const char *const *namep = t_strsplit_spaces(names, ", ");
	unsigned int bit;

	*set_r = 0;
	for (; *namep != NULL; namep++) {
		bit = name_find(list, *namep);
		if (bit == 0) {
			*error_r = t_strdup_printf(
				"Unknown %s %s: use %s", what, *namep,
				set_str(list, ~0U));
			return -1;
		}
		*set_r |= bit;
	}
	if (*set_r == 0) {
		*error_r = t_strdup_printf("Give at least one %s", what);
		return -1;
	}
	return 0;
}

enum popinjay_secret_mech popinjay_secret_mech_find(const char *name)
{
	return name_find(mechs, name);
}

int popinjay_secret_mechs_parse(const char *names,
				enum popinjay_secret_mech *mechs_r,
				const char **error_r)
{
	unsigned int set;

	if (set_parse(mechs, "mechanism", names, &set, error_r) < 0)
		return -1;
	*mechs_r = set;
	return 0;
}

const char *popinjay_secret_mechs_str(enum popinjay_secret_mech set)
{
	return set_str(mechs, set);
}

int popinjay_secret_services_parse(const char *names,
				   enum popinjay_secret_service *services_r,
				   const char **error_r)
{
	unsigned int set;

	if (set_parse(services, "service", names, &set, error_r) < 0)
		return -1;
	if ((set & POPINJAY_SECRET_SERVICE_ALL) != 0 &&
	    set != POPINJAY_SECRET_SERVICE_ALL) {
		*error_r = "The service all cannot be combined with others";
		return -1;
	}
	*services_r = set;
	return 0;
}

/* Returns what the secret serves, whether its record says so or not. */
static unsigned int services_of(const struct popinjay_secret *secret)
{
	if (popinjay_secret_has_view_limits(secret))
		return POPINJAY_SECRET_SERVICE_POP3;
	return secret->services != 0 ? secret->services :
		POPINJAY_SECRET_SERVICE_ALL;
}

const char *popinjay_secret_services_str(const struct popinjay_secret *secret)
{
	return set_str(services, services_of(secret));
}

bool popinjay_secret_serves(const struct popinjay_secret *secret,
			    const char *service)
{
	return (services_of(secret) & (POPINJAY_SECRET_SERVICE_ALL |
				       name_find(services, service))) != 0;
}

int popinjay_secret_delete_parse(const char *name,
				 enum popinjay_secret_delete *action_r)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(delete_names); i++) {
		if (strcmp(delete_names[i], name) == 0) {
			*action_r = i;
			return 0;
		}
	}
	return -1;
}

const char *popinjay_secret_delete_str(enum popinjay_secret_delete action)
{
	return delete_names[action];
}

bool popinjay_secret_has_view_limits(const struct popinjay_secret *secret)
{
	return secret->delete_action != POPINJAY_SECRET_DELETE_NATIVE;
}

bool popinjay_secret_label_is_valid(const char *label)
{
	size_t len = strlen(label);

	return len > 0 && len <= LABEL_MAX_LEN &&
		strspn(label, "abcdefghijklmnopqrstuvwxyz"
		       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

int popinjay_secret_nets_check(const char *nets, const char **error_r)
{
	const char *const *netp;
	struct ip_addr ip;
	unsigned int bits;

	if (*nets == '\0')
		return 0;
	for (netp = t_strsplit(nets, ","); *netp != NULL; netp++) {
		if (strspn(*netp, "0123456789abcdefABCDEF.:/") !=
		    strlen(*netp) ||
		    net_parse_range(*netp, &ip, &bits) < 0) {
			*error_r = t_strdup_printf("Invalid network '%s': "
				"use addresses and ranges such as "
				"192.0.2.0/24,2001:db8::/32", *netp);
			return -1;
		}
	}
	return 0;
}

bool popinjay_secret_is_recoverable(const struct popinjay_secret *secret)
{
	return (secret->mechs & POPINJAY_SECRET_MECHS_RECOVERABLE) != 0;
}

/* --- text --- */

void popinjay_secret_append_fields(const struct popinjay_secret *secret,
				   string_t *dest)
{
	str_printfa(dest, "id=%s;label=%s;created=%jd;"
		    "expires=%jd;mechs=%s;nets=%s;",
		    secret->id, secret->label, (intmax_t)secret->created,
		    (intmax_t)secret->expires,
		    popinjay_secret_mechs_str(secret->mechs), secret->nets);
	if (secret->services != 0) {
		str_printfa(dest, "services=%s;",
			    set_str(services, secret->services));
	}
	str_printfa(dest, "flags=%s%s%s;plain=%s;scram-sha-1=%s;"
		    "scram-sha-256=%s;key=%s;seal=",
		    secret->tls_optional ? "t" : "",
		    secret->delete_action == POPINJAY_SECRET_DELETE_REFUSE ?
		    "r" : "",
		    secret->generated ? "g" : "", secret->plain,
		    secret->scram_sha1, secret->scram_sha256, secret->key_id);
}

static bool parse_flags(struct popinjay_secret *secret, const char *flags)
{
	for (; *flags != '\0'; flags++) {
		switch (*flags) {
		case 't':
			secret->tls_optional = TRUE;
			break;
		case 'r':
			secret->delete_action = POPINJAY_SECRET_DELETE_REFUSE;
			break;
		case 'g':
			secret->generated = TRUE;
			break;
		default:
			return FALSE;
		}
	}
	return TRUE;
}

enum field {
	FIELD_ID,
	FIELD_LABEL,
	FIELD_CREATED,
	FIELD_EXPIRES,
	FIELD_MECHS,
	FIELD_NETS,
	FIELD_SERVICES,
	FIELD_FLAGS,
	FIELD_PLAIN,
	FIELD_SCRAM_SHA1,
	FIELD_SCRAM_SHA256,
	FIELD_KEY,
	FIELD_SEAL
};

/* In the order of a record. Those that came later are only there if they say
   something: a version that does not know one takes the record for damaged, so
   that it does not allow what the field forbids. */
static const struct {
	const char *name;
	bool optional;
} fields[] = {
	[FIELD_ID] = { "id", FALSE },
	[FIELD_LABEL] = { "label", FALSE },
	[FIELD_CREATED] = { "created", FALSE },
	[FIELD_EXPIRES] = { "expires", FALSE },
	[FIELD_MECHS] = { "mechs", FALSE },
	[FIELD_NETS] = { "nets", FALSE },
	[FIELD_SERVICES] = { "services", TRUE },
	[FIELD_FLAGS] = { "flags", FALSE },
	[FIELD_PLAIN] = { "plain", FALSE },
	[FIELD_SCRAM_SHA1] = { "scram-sha-1", FALSE },
	[FIELD_SCRAM_SHA256] = { "scram-sha-256", FALSE },
	[FIELD_KEY] = { "key", FALSE },
	[FIELD_SEAL] = { "seal", FALSE }
};

static bool
parse_field(struct popinjay_secret *secret, enum field field,
	    const char *value)
{
	const char *error;

	switch (field) {
	case FIELD_ID:
		secret->id = value;
		return strlen(value) == ID_LEN &&
			strspn(value, "0123456789abcdef") == ID_LEN;
	case FIELD_LABEL:
		secret->label = value;
		return popinjay_secret_label_is_valid(value);
	case FIELD_CREATED:
		return str_to_time(value, &secret->created) == 0;
	case FIELD_EXPIRES:
		return str_to_time(value, &secret->expires) == 0;
	case FIELD_MECHS:
		return popinjay_secret_mechs_parse(value, &secret->mechs,
						   &error) == 0;
	case FIELD_NETS:
		secret->nets = value;
		return popinjay_secret_nets_check(value, &error) == 0;
	case FIELD_SERVICES:
		return popinjay_secret_services_parse(value, &secret->services,
						      &error) == 0;
	case FIELD_FLAGS:
		return parse_flags(secret, value);
	case FIELD_PLAIN:
		secret->plain = value;
		return TRUE;
	case FIELD_SCRAM_SHA1:
		secret->scram_sha1 = value;
		return TRUE;
	case FIELD_SCRAM_SHA256:
		secret->scram_sha256 = value;
		return TRUE;
	case FIELD_KEY:
		secret->key_id = value;
		return *value != '\0';
	case FIELD_SEAL:
		secret->seal = value;
		return *value != '\0';
	}
	i_unreached();
}

/* Returns what follows "NAME=", or NULL if text does not begin so. */
static const char *field_value(const char *text, const char *name)
{
	size_t len = strlen(name);

	return text == NULL || strncmp(text, name, len) != 0 ||
		text[len] != '=' ? NULL : text + len + 1;
}

static int
parse_record(const char *record, pool_t pool, struct popinjay_secret *secret,
	     const char **error_r)
{
	const char *const *parts = t_strsplit(record, ";"), *value;
	string_t *again = t_str_new(512);
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(fields); i++) {
		value = field_value(*parts, fields[i].name);
		if (value == NULL && fields[i].optional)
			continue;
		if (value == NULL)
			break;
		if (!parse_field(secret, i, p_strdup(pool, value))) {
			*error_r = t_strdup_printf(
				"a record's field %s is invalid",
				fields[i].name);
			return -1;
		}
		parts++;
	}
	if (i < N_ELEMENTS(fields) || *parts != NULL) {
		*error_r = "a record is cut off or has unknown fields";
		return -1;
	}
	/* The seal authenticates the text, but the parsed fields are what
	   counts: so the text must be exactly what they would be written as. */
	popinjay_secret_append_fields(secret, again);
	if (strncmp(str_c(again), record, str_len(again)) != 0) {
		*error_r = "a record is not in its canonical form";
		return -1;
	}
	secret->sealed_fields = p_strdup(pool, str_c(again));
	return 0;
}

int popinjay_secrets_parse(const char *value, pool_t pool,
			   ARRAY_TYPE(popinjay_secret) *secrets_r,
			   const char **error_r)
{
	const char *const *parts;
	unsigned int i, count;

	p_array_init(secrets_r, pool, 4);
	if (strncmp(value, HEADER, strlen(HEADER)) != 0) {
		*error_r = "it does not begin with "HEADER;
		return -1;
	}
	parts = t_strsplit(value + strlen(HEADER), " ");
	if (parts[0] == NULL || str_to_uint(parts[0], &count) < 0 ||
	    count > SECRETS_MAX || strcmp(parts[0], dec2str(count)) != 0) {
		*error_r = "its count is invalid";
		return -1;
	}
	if (str_array_length(parts) != count + 1) {
		*error_r = t_strdup_printf("it has %u of %u records",
			str_array_length(parts) - 1, count);
		return -1;
	}
	for (i = 1; i <= count; i++) {
		struct popinjay_secret secret;
		const struct popinjay_secret *other;

		i_zero(&secret);
		if (parse_record(parts[i], pool, &secret, error_r) < 0)
			return -1;
		array_foreach(secrets_r, other) {
			if (strcmp(other->id, secret.id) == 0) {
				*error_r = "two records have the same id";
				return -1;
			}
		}
		array_push_back(secrets_r, &secret);
	}
	return 0;
}

const char *
popinjay_secrets_format(const ARRAY_TYPE(popinjay_secret) *secrets)
{
	const struct popinjay_secret *secret;
	string_t *dest = t_str_new(1024);

	str_printfa(dest, HEADER"%u", array_count(secrets));
	array_foreach(secrets, secret) {
		str_append_c(dest, ' ');
		str_append(dest, secret->sealed_fields);
		str_append(dest, secret->seal);
	}
	return str_c(dest);
}

struct popinjay_secret *
popinjay_secrets_find(const ARRAY_TYPE(popinjay_secret) *secrets,
		      const char *id_or_label)
{
	struct popinjay_secret *secret, *found = NULL;

	array_foreach_modifiable(secrets, secret) {
		if (strcmp(secret->id, id_or_label) == 0)
			return secret;
		if (strcasecmp(secret->label, id_or_label) != 0)
			continue;
		if (found != NULL)
			return NULL;
		found = secret;
	}
	return found;
}
