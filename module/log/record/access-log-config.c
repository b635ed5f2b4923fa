/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: the settings popinjay_access_log*. */

#include "lib.h"
#include "array.h"
#include "net.h"
#include "access-log-config.h"
#include "key-file.h"

#include <unistd.h>

#define FILE_PREFIX "file:"
#define SYSLOG_PREFIX "syslog:"
#define HMAC_PREFIX "hmac:"
#define CUT_IPV4_BITS 24
#define CUT_IPV6_BITS 64

static int invalid(const char *setting, const char *value, const char *reason,
		   const char **error_r)
{
	*error_r = t_strdup_printf("popinjay_access_log%s=%s: Invalid value: "
				   "%s", setting, value, reason);
	return -1;
}

/* The path behind prefix, or NULL if word is something else. */
static const char *word_path(const char *word, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(word, prefix, len) == 0 && word[len] == '/' ?
		word + len : NULL;
}

static int
parse_sinks(pool_t pool, const char *value,
	    struct popinjay_access_log_config *config, const char **error_r)
{
	const char *const *words = t_strsplit_spaces(value, " ");
	ARRAY_TYPE(const_string) files, syslogs;
	const char *path;
	bool none = FALSE;
	unsigned int i;

	p_array_init(&files, pool, 2);
	p_array_init(&syslogs, pool, 2);
	for (i = 0; words[i] != NULL; i++) {
		if (strcmp(words[i], "log") == 0) {
			config->log = TRUE;
		} else if (strcmp(words[i], "service") == 0) {
			config->service = TRUE;
		} else if (strcmp(words[i], "none") == 0) {
			none = TRUE;
		} else if (strcmp(words[i], "syslog") == 0) {
			path = POPINJAY_ACCESS_LOG_SYSLOG_SOCKET;
			array_push_back(&syslogs, &path);
		} else if ((path = word_path(words[i], SYSLOG_PREFIX)) !=
			   NULL) {
			path = p_strdup(pool, path);
			array_push_back(&syslogs, &path);
		} else if ((path = word_path(words[i], FILE_PREFIX)) != NULL) {
			path = p_strdup(pool, path);
			array_push_back(&files, &path);
		} else {
			return invalid("", value, t_strdup_printf(
				"'%s' is not a sink; use log, syslog, "
				"syslog:/SOCKET, service, file:/PATH or none",
				words[i]), error_r);
		}
	}
	if (i == 0 || (none && i > 1)) {
		return invalid("", value, i == 0 ?
			"It is empty; use none to log nothing" :
			"none excludes all others", error_r);
	}
	array_append_zero(&files);
	array_append_zero(&syslogs);
	config->files = array_front(&files);
	config->syslogs = array_front(&syslogs);
	return 0;
}

static bool has_sinks(const struct popinjay_access_log_config *config)
{
	return config->log || config->service || *config->syslogs != NULL ||
		*config->files != NULL;
}

struct flag {
	const char *name;
	bool *yes;
};

/* A list of flags, or "none" alone. flags ends with a NULL name. */
static int
parse_flags(const char *setting, const char *value, const struct flag *flags,
	    const char *help, const char **error_r)
{
	const char *const *words = t_strsplit_spaces(value, " ");
	const struct flag *flag;
	unsigned int i;

	if (words[0] != NULL && strcmp(words[0], "none") == 0 &&
	    words[1] == NULL)
		return 0;
	for (i = 0; words[i] != NULL; i++) {
		for (flag = flags; flag->name != NULL; flag++) {
			if (strcmp(words[i], flag->name) == 0)
				break;
		}
		if (flag->name == NULL)
			return invalid(setting, value, help, error_r);
		*flag->yes = TRUE;
	}
	return i > 0 ? 0 : invalid(setting, value, help, error_r);
}

static int
parse_anonymize(const char *value, struct popinjay_access_log_config *config,
		const char **error_r)
{
	bool user_hash = FALSE, user_cut = FALSE;
	bool ip_hash = FALSE, ip_cut = FALSE;
	const struct flag flags[] = {
		{ "user=hash", &user_hash },
		{ "user=cut", &user_cut },
		{ "ip=hash", &ip_hash },
		{ "ip=cut", &ip_cut },
		{ NULL, NULL }
	};

	if (*value == '\0')
		return 0;
	if (parse_flags("_anonymize", value, flags, "use one or both of "
			"user=hash or user=cut and ip=hash or ip=cut, or none",
			error_r) < 0)
		return -1;
	if ((user_hash && user_cut) || (ip_hash && ip_cut)) {
		return invalid("_anonymize", value, "hash and cut exclude each "
			       "other", error_r);
	}
	config->user = user_hash ? POPINJAY_ANONYMIZE_HASH :
		user_cut ? POPINJAY_ANONYMIZE_CUT : POPINJAY_ANONYMIZE_NOT;
	config->ip = ip_hash ? POPINJAY_ANONYMIZE_HASH :
		ip_cut ? POPINJAY_ANONYMIZE_CUT : POPINJAY_ANONYMIZE_NOT;
	return 0;
}

static int
read_key(const struct popinjay_access_log_values *values,
	 struct popinjay_access_log_config *config, const char **error_r)
{
	const char *error;

	/* if addresses are cut, session ids are hashed */
	if (config->user != POPINJAY_ANONYMIZE_HASH &&
	    config->ip == POPINJAY_ANONYMIZE_NOT)
		return 0;
	if (*values->key_file == '\0') {
		return invalid("_anonymize", values->anonymize,
			t_strdup_printf("It needs popinjay_access_log_key_file,"
				" the path of a file with a key of %d to %d "
				"bytes", POPINJAY_KEY_MIN_BYTES,
				POPINJAY_KEY_MAX_BYTES), error_r);
	}
	config->key = buffer_create_dynamic(default_pool, 64);
	if (popinjay_key_file_read(values->key_file, config->key, &error) < 0) {
		*error_r = t_strdup_printf("popinjay_access_log_key_file=%s: "
			"%s; make it a file that uid %s can read, such as by "
			"mail_access_groups, with a key of %d to %d bytes",
			values->key_file, error,
			dec2str(geteuid()), POPINJAY_KEY_MIN_BYTES,
			POPINJAY_KEY_MAX_BYTES);
		return -1;
	}
	return 0;
}

int popinjay_access_log_config_parse(pool_t pool,
	const struct popinjay_access_log_values *values,
	struct popinjay_access_log_config *config_r, const char **error_r)
{
	const struct flag events[] = {
		{ "session", &config_r->session },
		{ "message", &config_r->message },
		{ "expunge", &config_r->expunge },
		{ "command", &config_r->command },
		{ NULL, NULL }
	};
	const struct flag headers[] = {
		{ "message-id", &config_r->message_id },
		{ "subject", &config_r->subject },
		{ NULL, NULL }
	};

	i_zero(config_r);
	if (parse_sinks(pool, values->access_log, config_r, error_r) < 0 ||
	    parse_flags("_events", values->events, events, "use one or more of "
			"session, message, expunge and command, or none",
			error_r) < 0 ||
	    parse_flags("_headers", values->headers, headers, "use message-id, "
			"subject or both, or none", error_r) < 0 ||
	    parse_anonymize(values->anonymize, config_r, error_r) < 0)
		return -1;
	config_r->expunge = config_r->expunge || config_r->message;
	if (!has_sinks(config_r)) {
		config_r->session = config_r->message = FALSE;
		config_r->expunge = config_r->command = FALSE;
	}
	config_r->logfmt = strcmp(values->format, "logfmt") == 0;
	if (!config_r->logfmt && strcmp(values->format, "json") != 0) {
		return invalid("_format", values->format, "use json or logfmt",
			       error_r);
	}
	return read_key(values, config_r, error_r);
}

void popinjay_access_log_config_free(struct popinjay_access_log_config *config)
{
	popinjay_key_free(&config->key);
}

/* --- anonymity --- */

/* The name of what is hashed keeps the hash of a user apart from that of equal
   text that is an address or a session id. */
static const char *
hash(const struct popinjay_access_log_config *config, const char *what,
     const char *value)
{
	return t_strconcat(HMAC_PREFIX, popinjay_key_hmac(config->key,
		t_strconcat(what, ":", value, NULL)), NULL);
}

const char *
popinjay_anonymize_user(const struct popinjay_access_log_config *config,
			 const char *user)
{
	if (user == NULL)
		return NULL;
	switch (config->user) {
	case POPINJAY_ANONYMIZE_NOT:
		break;
	case POPINJAY_ANONYMIZE_HASH:
		return hash(config, "user", user);
	case POPINJAY_ANONYMIZE_CUT:
		return strrchr(user, '@');
	}
	return user;
}

const char *
popinjay_anonymize_ip(const struct popinjay_access_log_config *config,
		       const struct ip_addr *ip)
{
	struct ip_addr cut;
	unsigned int i;

	if (ip == NULL || ip->family == 0)
		return NULL;
	switch (config->ip) {
	case POPINJAY_ANONYMIZE_NOT:
		break;
	case POPINJAY_ANONYMIZE_HASH:
		return hash(config, "ip", net_ip2addr(ip));
	case POPINJAY_ANONYMIZE_CUT:
		cut = *ip;
		if (net_ipv6_mapped_ipv4_convert(ip, &cut) < 0)
			cut = *ip;
		if (IPADDR_IS_V4(&cut)) {
			cut.u.ip4.s_addr &= htonl(0xffffff00U);
			return t_strdup_printf("%s/%d", net_ip2addr(&cut),
					       CUT_IPV4_BITS);
		}
		for (i = CUT_IPV6_BITS / CHAR_BIT; i < 16; i++)
			cut.u.ip6.s6_addr[i] = 0;
		return t_strdup_printf("%s/%d", net_ip2addr(&cut),
				       CUT_IPV6_BITS);
	}
	return net_ip2addr(ip);
}

const char *
popinjay_anonymize_session(const struct popinjay_access_log_config *config,
			    const char *session)
{
	if (session == NULL || config->ip == POPINJAY_ANONYMIZE_NOT)
		return session;
	return hash(config, "session", session);
}
