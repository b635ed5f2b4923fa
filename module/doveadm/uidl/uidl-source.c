/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: which source --from names, and the passwords of POP3 servers. */

#include "lib.h"
#include "array.h"
#include "askpass.h"
#include "istream.h"
#include "str.h"
#include "mail-user.h"
#include "pop3-reply.h"
#include "uidl-source.h"

#include <unistd.h>

#define PASSWORD_LINE_MAX_BYTES 1024

/* Put the user's names into a path or a URL. */
static int
expand(const char *str, struct mail_user *user, const char **expanded_r,
       const char **error_r)
{
	const char *name = user->username, *at = strchr(name, '@'), *home;
	string_t *expanded = t_str_new(128);

	for (; *str != '\0'; str++) {
		if (*str != '%') {
			str_append_c(expanded, *str);
			continue;
		}
		switch (*++str) {
		case '%':
			str_append_c(expanded, '%');
			break;
		case 'u':
			str_append(expanded, name);
			break;
		case 'n':
			str_append(expanded, t_strcut(name, '@'));
			break;
		case 'd':
			str_append(expanded, at == NULL ? "" : at + 1);
			break;
		case 'h':
			if (mail_user_get_home(user, &home) <= 0) {
				*error_r = "from: The user has no home for %h";
				return -1;
			}
			str_append(expanded, home);
			break;
		default:
			*error_r = "from: There are only %u, %n, %d, %h and "
				"%% in a directory";
			return -1;
		}
	}
	*expanded_r = str_c(expanded);
	return 0;
}

static void add_password(struct uidl_source *source, pool_t pool,
			 const char *line)
{
	const char *colon = strchr(line, ':'), *user, *password;

	if (colon == NULL)
		return;
	user = p_strdup_until(pool, line, colon);
	password = p_strdup(pool, colon + 1);
	hash_table_update(source->passwords, user, password);
}

static int read_password_file(struct uidl_source *source, pool_t pool,
			      const char *path, bool of_users,
			      const char **error_r)
{
	struct istream *input = i_stream_create_file(path,
						     PASSWORD_LINE_MAX_BYTES);
	const char *line;
	int ret = 0;

	i_stream_set_return_partial_line(input, TRUE);
	while ((line = i_stream_read_next_line(input)) != NULL) {
		if (of_users) {
			add_password(source, pool, line);
		} else {
			source->password = p_strdup(pool, line);
			break;
		}
	}
	if (input->stream_errno != 0) {
		*error_r = t_strdup_printf("read(%s) failed: %s", path,
					   i_stream_get_error(input));
		ret = -1;
	} else if (!of_users && source->password == NULL) {
		*error_r = t_strdup_printf("%s is empty", path);
		ret = -1;
	}
	i_stream_unref(&input);
	return ret;
}

int uidl_source_read_passwords(struct uidl_source *source, pool_t pool,
			       const char *password_file,
			       const char *passwords_file,
			       const char **error_r)
{
	if (password_file != NULL &&
	    read_password_file(source, pool, password_file, FALSE,
			       error_r) < 0)
		return -1;
	if (passwords_file == NULL)
		return 0;
	hash_table_create(&source->passwords, pool, 0, str_hash, strcmp);
	return read_password_file(source, pool, passwords_file, TRUE, error_r);
}

void uidl_source_deinit(struct uidl_source *source)
{
	if (hash_table_is_created(source->passwords))
		hash_table_destroy(&source->passwords);
}

static int
get_password(const struct uidl_source *source,
	     const struct popinjay_pop3_url *url, const char **password_r,
	     const char **error_r)
{
	*password_r = source->password;
	if (hash_table_is_created(source->passwords)) {
		*password_r = hash_table_lookup(source->passwords, url->user);
		if (*password_r == NULL) {
			*error_r = t_strdup_printf(
				"The passwords file has no line %s:PASSWORD",
				url->user);
			return -1;
		}
	}
	if (*password_r != NULL)
		return 0;
	if (!source->interactive || isatty(STDIN_FILENO) == 0) {
		*error_r = "There is no password: use -p FILE, or -P FILE with "
			"lines USER:PASSWORD";
		return -1;
	}
	*password_r = t_askpass(t_strdup_printf("Password of %s on %s: ",
						url->user, url->host));
	return 0;
}

static int
read_url(const struct uidl_source *source, struct mail_user *user, pool_t pool,
	 ARRAY_TYPE(popinjay_uidl_row) *rows, const char **error_r)
{
	struct popinjay_pop3_url url;
	const char *password, *error;

	if (popinjay_pop3_url_parse(source->from, pool_datastack_create(), &url,
				    &error) < 0) {
		*error_r = t_strdup_printf("%s: %s", source->from, error);
		return -1;
	}
	if (url.user == NULL)
		url.user = user->username;
	if (get_password(source, &url, &password, error_r) < 0)
		return -1;
	if (strpbrk(password, "\r\n") != NULL) {
		*error_r = "The password has a line end in it";
		return -1;
	}
	if (uidl_source_read_pop3(&url, password, user, pool, rows,
				  &error) < 0) {
		*error_r = t_strdup_printf("%s: %s", source->from, error);
		return -1;
	}
	return 0;
}

int uidl_source_read(const struct uidl_source *source, struct mail_user *user,
		     pool_t pool, ARRAY_TYPE(popinjay_uidl_row) *rows,
		     const char **error_r)
{
	static const char *const kinds[] = { "courier", "cyrus", "dovecot" };
	const char *colon = strchr(source->from, ':'), *kind, *dir;
	unsigned int i;

	kind = colon == NULL ? "" : t_strdup_until(source->from, colon);
	if (strcmp(kind, "pop3") == 0 || strcmp(kind, "pop3s") == 0)
		return read_url(source, user, pool, rows, error_r);
	for (i = 0; i < N_ELEMENTS(kinds); i++) {
		if (strcmp(kind, kinds[i]) != 0)
			continue;
		if (expand(colon + 1, user, &dir, error_r) < 0)
			return -1;
		return uidl_source_read_files(source, user, kind, dir, pool,
					      rows, error_r);
	}
	*error_r = t_strdup_printf(
		"from=%s: Use pop3s://USER@HOST, pop3://USER@HOST, courier:DIR,"
		" cyrus:DIR or dovecot:DIR", source->from);
	return -1;
}
