/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: who may log in with which secret. */

#include "lib.h"
#include "md5.h"
#include "str-sanitize.h"
#include "secret-login.h"
#include "secret-text.h"
#include "secret-verifier.h"

static bool
ip_is_in(const struct ip_addr *ip, const char *nets)
{
	const char *const *netp;
	struct ip_addr net, ip4 = *ip;
	unsigned int bits;

	/* ::ffff:192.0.2.1 is the host 192.0.2.1 */
	(void)net_ipv6_mapped_ipv4_convert(ip, &ip4);
	for (netp = t_strsplit(nets, ","); *netp != NULL; netp++) {
		if (net_parse_range(*netp, &net, &bits) == 0 &&
		    (net_is_in_network(ip, &net, bits) ||
		     net_is_in_network(&ip4, &net, bits)))
			return TRUE;
	}
	return FALSE;
}

static bool
has_tls(const struct popinjay_secret *secret,
	const struct popinjay_secret_login *login)
{
	/* Postfix and Exim say "secured" and mean TLS. Older records were made
	   when that did not count as TLS, and must not allow more now. */
	return login->tls || (login->secured && secret->services != 0 &&
			      strcmp(login->service, "smtp") == 0);
}

const char *
popinjay_secret_login_refusal(const struct popinjay_secret *secret,
			      const struct popinjay_secret_login *login)
{
	/* by default auth_username_format turns names into lower case */
	if (login->label != NULL &&
	    strcasecmp(login->label, secret->label) != 0)
		return "another secret was named";
	if (secret->expires != 0 && secret->expires <= login->now)
		return "it has expired";
	if ((secret->mechs & login->mech) == 0)
		return "it does not allow the mechanism";
	if (!secret->tls_optional && !has_tls(secret, login))
		return "it requires TLS";
	if (*secret->nets != '\0' &&
	    (login->remote_ip.family == 0 ||
	     !ip_is_in(&login->remote_ip, secret->nets)))
		return "it does not allow the client's address";
	if (!popinjay_secret_serves(secret, login->service)) {
		return t_strdup_printf("it does not serve %s",
				       str_sanitize(login->service, 32));
	}
	return NULL;
}

bool popinjay_secret_login_split(const char *name, const char *separator,
				 const char **user_r, const char **label_r)
{
	const char *at, *p, *label, *end;

	if (*separator == '\0')
		return FALSE;
	at = strchr(name, '@');
	p = at == NULL ? NULL : strstr(t_strdup_until(name, at), separator);
	end = p == NULL ? name + strlen(name) : at;

	/* the last one before end */
	for (p = end; p > name; p--) {
		if ((size_t)(end - p) >= strlen(separator) &&
		    strncmp(p, separator, strlen(separator)) == 0)
			break;
	}
	if (p == name)
		return FALSE;
	label = t_strdup_until(p + strlen(separator), end);
	if (!popinjay_secret_label_is_valid(label))
		return FALSE;
	*user_r = t_strconcat(t_strdup_until(name, p), end, NULL);
	*label_r = label;
	return TRUE;
}

bool popinjay_secret_plain_is_slow(const struct popinjay_secret *secret,
				   const char *opened_text)
{
	return opened_text == NULL &&
		(!secret->generated || *secret->plain == '\0');
}

bool popinjay_secret_plain_matches(const struct popinjay_secret *secret,
				   const char *opened_text, const char *text)
{
	size_t len;

	if (secret->generated) {
		text = popinjay_secret_text_normalize(text);
		if (*secret->plain != '\0')
			return popinjay_verifier_plain_check(secret->plain,
							     text) > 0;
	}
	if (opened_text != NULL) {
		len = strlen(opened_text);
		return strlen(text) == len &&
			mem_equals_timing_safe(opened_text, text, len);
	}
	if (*secret->scram_sha256 != '\0') {
		return popinjay_verifier_scram_check(POPINJAY_SCRAM_SHA256,
			secret->scram_sha256, text) > 0;
	}
	return *secret->scram_sha1 != '\0' &&
		popinjay_verifier_scram_check(POPINJAY_SCRAM_SHA1,
					      secret->scram_sha1, text) > 0;
}

int popinjay_apop_parse(const unsigned char *data, size_t size,
			const char **challenge_r,
			const unsigned char **digest_r)
{
	const unsigned char *user, *digest;

	if (size == 0 || (user = memchr(data, '\0', size)) == NULL)
		return -1;
	user++;
	digest = memchr(user, '\0', size - (user - data));
	if (digest == NULL ||
	    size - (digest + 1 - data) != POPINJAY_APOP_DIGEST_BYTES)
		return -1;
	*challenge_r = t_strdup_until(data, user - 1);
	*digest_r = digest + 1;
	return 0;
}

int popinjay_apop_challenge_time(const char *challenge, time_t *time_r)
{
	const char *const *parts = t_strsplit(challenge, ".");
	uintmax_t secs;

	if (*challenge != '<' || str_array_length(parts) < 4 ||
	    str_to_uintmax_hex(parts[2], &secs) < 0 || secs > INT32_MAX * 4ULL)
		return -1;
	*time_r = secs;
	return 0;
}

bool popinjay_apop_matches(const char *challenge, const char *text,
			   const unsigned char *digest)
{
	unsigned char expected[MD5_RESULTLEN];
	struct md5_context ctx;

	md5_init(&ctx);
	md5_update(&ctx, challenge, strlen(challenge));
	md5_update(&ctx, text, strlen(text));
	md5_final(&ctx, expected);
	return mem_equals_timing_safe(expected, digest, sizeof(expected));
}
