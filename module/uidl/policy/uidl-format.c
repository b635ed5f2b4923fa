/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: the UIDL policy "format", a template of Dovecot's
   variables (RFC 1939 section 7) and of two more: %{hmac}, which tells a
   client nothing about the message or its mailbox, and %{date}. */

#include "lib.h"
#include "str.h"
#include "mail-storage-private.h"
#include "key-file.h"
#include "popinjay-settings.h"
#include "template.h"
#include "uidl-format.h"
#include "uidl-plain.h"

#include <time.h>
#include <unistd.h>

enum uidl_variable {
	UIDL_VARIABLE_UID,
	UIDL_VARIABLE_UIDVALIDITY,
	UIDL_VARIABLE_MD5,
	UIDL_VARIABLE_FILENAME,
	UIDL_VARIABLE_GUID,
	UIDL_VARIABLE_HMAC,
	UIDL_VARIABLE_DATE,

	UIDL_VARIABLE_COUNT
};

static const struct popinjay_variable uidl_variables[] = {
	[UIDL_VARIABLE_UID] = { "uid", 'u', "4711", TRUE },
	[UIDL_VARIABLE_UIDVALIDITY] = {
		"uidvalidity", 'v', "1700000123", TRUE
	},
	[UIDL_VARIABLE_MD5] = {
		"md5", 'm', "0123456789abcdef0123456789abcdef", FALSE
	},
	[UIDL_VARIABLE_FILENAME] = {
		"filename", 'f', "1700000123.M12345P678.mail.example.com",
		FALSE
	},
	[UIDL_VARIABLE_GUID] = {
		"guid", 'g', "0123456789abcdef0123456789abcdef", FALSE
	},
	[UIDL_VARIABLE_HMAC] = {
		"hmac", '\0', "0123456789abcdef0123456789abcdef", FALSE
	},
	[UIDL_VARIABLE_DATE] = { "date", '\0', "20260102030405", FALSE },
	[UIDL_VARIABLE_COUNT] = { NULL, '\0', NULL, FALSE }
};

struct popinjay_uidl_format {
	struct popinjay_template *template;
	buffer_t *key;
	/* NULL if a UIDL needs more than uid and UIDVALIDITY */
	const struct popinjay_uidl_plain *plain;
};

static bool format_tells_messages_apart(const struct popinjay_template *t)
{
	return popinjay_template_uses(t, UIDL_VARIABLE_UID) ||
		popinjay_template_uses(t, UIDL_VARIABLE_MD5) ||
		popinjay_template_uses(t, UIDL_VARIABLE_FILENAME) ||
		popinjay_template_uses(t, UIDL_VARIABLE_GUID) ||
		popinjay_template_uses(t, UIDL_VARIABLE_HMAC);
}

static const struct popinjay_uidl_plain *
format_find_plain(pool_t pool, const struct popinjay_template *t)
{
	const struct popinjay_template_piece *pieces;
	unsigned int count;

	pieces = popinjay_template_pieces(t, &count);
	if (pieces == NULL)
		return NULL;
	return popinjay_uidl_plain_create(pool, pieces, count,
					  UIDL_VARIABLE_UID,
					  UIDL_VARIABLE_UIDVALIDITY);
}

int popinjay_uidl_format_create(struct mail_user *user,
				const struct popinjay_settings *set,
				const char *name, const char *value,
				bool ours,
				struct popinjay_uidl_format **format_r,
				const char **error_r)
{
	const char *text = ours ? popinjay_template_from_braces(value) : value;
	struct popinjay_uidl_format *format;
	const char *error;

	format = i_new(struct popinjay_uidl_format, 1);
	format->key = buffer_create_dynamic(default_pool, 64);
	if (popinjay_template_parse(text, uidl_variables, &format->template,
				    &error) < 0) {
		*error_r = t_strdup_printf("%s=%s: Invalid template: %s "
			"(variables: uid, uidvalidity, md5, filename, guid, "
			"hmac, date)", name, value, error);
		popinjay_uidl_format_free(&format);
		return -1;
	}
	if (!format_tells_messages_apart(format->template)) {
		*error_r = t_strdup_printf("%s=%s: Invalid template: It has "
			"none of the variables that tell messages apart "
			"(uid, md5, filename, guid, hmac)", name, value);
		popinjay_uidl_format_free(&format);
		return -1;
	}
	format->plain = format_find_plain(user->pool, format->template);
	if (!popinjay_template_uses(format->template, UIDL_VARIABLE_HMAC)) {
		*format_r = format;
		return 0;
	}

	if (*set->popinjay_uidl_key_file == '\0') {
		*error_r = t_strdup_printf("%s=%s: hmac needs "
			"popinjay_uidl_key_file, the path of a file with a key "
			"of %d to %d bytes", name, value,
			POPINJAY_KEY_MIN_BYTES, POPINJAY_KEY_MAX_BYTES);
		popinjay_uidl_format_free(&format);
		return -1;
	}
	if (popinjay_key_file_read(set->popinjay_uidl_key_file, format->key,
			  &error) < 0) {
		*error_r = t_strdup_printf("popinjay_uidl_key_file=%s: %s; "
			"make it a file that the mail user (uid %s) can read, "
			"such as by mail_access_groups, with a key of %d to %d "
			"bytes", set->popinjay_uidl_key_file, error,
			dec2str(geteuid()), POPINJAY_KEY_MIN_BYTES,
			POPINJAY_KEY_MAX_BYTES);
		popinjay_uidl_format_free(&format);
		return -1;
	}
	*format_r = format;
	return 0;
}

void popinjay_uidl_format_free(struct popinjay_uidl_format **_format)
{
	struct popinjay_uidl_format *format = *_format;

	if (format == NULL)
		return;
	*_format = NULL;
	popinjay_template_free(&format->template);
	popinjay_key_free(&format->key);
	i_free(format);
}

const struct popinjay_uidl_plain *
popinjay_uidl_format_plain(const struct popinjay_uidl_format *format)
{
	return format->plain;
}

enum mail_fetch_field
popinjay_uidl_format_fields(const struct popinjay_uidl_format *format)
{
	enum mail_fetch_field fields = 0;

	if (popinjay_template_uses(format->template, UIDL_VARIABLE_MD5))
		fields |= MAIL_FETCH_HEADER_MD5;
	if (popinjay_template_uses(format->template, UIDL_VARIABLE_FILENAME))
		fields |= MAIL_FETCH_STORAGE_ID;
	if (popinjay_template_uses(format->template, UIDL_VARIABLE_GUID) ||
	    popinjay_template_uses(format->template, UIDL_VARIABLE_HMAC))
		fields |= MAIL_FETCH_GUID;
	if (popinjay_template_uses(format->template, UIDL_VARIABLE_DATE))
		fields |= MAIL_FETCH_RECEIVED_DATE;
	return fields;
}

int popinjay_uidl_lookup_failed(struct mail *mail, const char *what,
				const char **error_r)
{
	enum mail_error error;
	const char *errstr;

	errstr = mailbox_get_last_internal_error(mail->box, &error);
	if (error == MAIL_ERROR_EXPUNGED || error == MAIL_ERROR_NOTFOUND ||
	    error == MAIL_ERROR_NOTPOSSIBLE)
		return 0;
	*error_r = t_strdup_printf("Looking up the %s failed: %s", what,
				   errstr);
	return -1;
}

/* Returns 1 and the value, 0 if this mail has none, -1 on other errors. */
static int
uidl_get_special(struct mail *mail, enum mail_fetch_field field,
		 const char *what, const char **value_r, const char **error_r)
{
	if (mail_get_special(mail, field, value_r) < 0)
		return popinjay_uidl_lookup_failed(mail, what, error_r);
	return **value_r == '\0' ? 0 : 1;
}

static const char *uidl_date(time_t date)
{
	char buf[32];
	struct tm tm;

	if (gmtime_r(&date, &tm) == NULL ||
	    strftime(buf, sizeof(buf), "%Y%m%d%H%M%S", &tm) == 0)
		return "";
	return t_strdup(buf);
}

int popinjay_uidl_format_get(const struct popinjay_uidl_format *format,
			     struct mail *mail, string_t *dest,
			     const char **error_r)
{
	const struct popinjay_template *t = format->template;
	const char *values[UIDL_VARIABLE_COUNT];
	struct mailbox_status status;
	const char *guid;
	time_t date;
	int ret;

	i_zero(&values);
	if (popinjay_template_uses(t, UIDL_VARIABLE_UID))
		values[UIDL_VARIABLE_UID] = dec2str(mail->uid);
	if (popinjay_template_uses(t, UIDL_VARIABLE_UIDVALIDITY)) {
		mailbox_get_open_status(mail->box, STATUS_UIDVALIDITY,
					&status);
		values[UIDL_VARIABLE_UIDVALIDITY] = dec2str(status.uidvalidity);
	}
	if (popinjay_template_uses(t, UIDL_VARIABLE_MD5)) {
		ret = uidl_get_special(mail, MAIL_FETCH_HEADER_MD5,
				       "MD5 of the header",
				       &values[UIDL_VARIABLE_MD5], error_r);
		if (ret <= 0)
			return ret;
	}
	if (popinjay_template_uses(t, UIDL_VARIABLE_FILENAME)) {
		ret = uidl_get_special(mail, MAIL_FETCH_STORAGE_ID,
				       "file name",
				       &values[UIDL_VARIABLE_FILENAME],
				       error_r);
		if (ret <= 0)
			return ret;
	}
	if (popinjay_template_uses(t, UIDL_VARIABLE_GUID) ||
	    popinjay_template_uses(t, UIDL_VARIABLE_HMAC)) {
		ret = uidl_get_special(mail, MAIL_FETCH_GUID, "GUID", &guid,
				       error_r);
		if (ret <= 0)
			return ret;
		values[UIDL_VARIABLE_GUID] = guid;
		if (popinjay_template_uses(t, UIDL_VARIABLE_HMAC))
			values[UIDL_VARIABLE_HMAC] =
				popinjay_key_hmac(format->key, guid);
	}
	if (popinjay_template_uses(t, UIDL_VARIABLE_DATE)) {
		if (mail_get_received_date(mail, &date) < 0)
			return popinjay_uidl_lookup_failed(mail,
				"received date", error_r);
		values[UIDL_VARIABLE_DATE] = uidl_date(date);
	}
	return popinjay_template_expand(t, values, dest, error_r) < 0 ? -1 : 1;
}
