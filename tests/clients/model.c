/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What our own mail clients have in common. */

#include "model.h"

static char *uidls_path(const struct client_account *account)
{
	return g_build_filename(account->dir, "uidls", NULL);
}

GHashTable *model_read_uidls(const struct client_account *account)
{
	GHashTable *uidls = g_hash_table_new_full(g_str_hash, g_str_equal,
						  g_free, NULL);
	g_autofree char *path = uidls_path(account), *text = NULL;
	g_auto(GStrv) lines = NULL;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return uidls;
	lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line != NULL && **line != '\0'; line++) {
		g_hash_table_insert(uidls, g_strdup(*line + 2),
				    GINT_TO_POINTER(**line));
	}
	return uidls;
}

void model_write_uidls(const struct client_account *account, GHashTable *uidls)
{
	g_autofree char *path = uidls_path(account);
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	GHashTableIter iter;
	gpointer uidl, letter;

	g_hash_table_iter_init(&iter, uidls);
	while (g_hash_table_iter_next(&iter, &uidl, &letter)) {
		g_string_append_printf(text, "%c %s\n",
				       GPOINTER_TO_INT(letter), (char *)uidl);
	}
	if (!g_file_set_contents(path, text->str, (gssize)text->len, &error))
		g_error("%s", error->message);
}

gboolean model_open(struct model *model, const struct client_account *account)
{
	g_autoptr(GError) error = NULL;

	*model = (struct model){
		.account = account,
		.since = fixture_log_size(account->f),
		.uidls = model_read_uidls(account),
		.pop3 = pop3_open(account->f, account->security, &error)
	};
	if (model->pop3 == NULL)
		model->end = MODEL_LOST;
	return model->pop3 != NULL;
}

/* Returns whether a status line is "+OK". line is NULL if there came none. */
static gboolean check_status(struct model *model, const GString *line)
{
	if (line == NULL) {
		model->end = MODEL_LOST;
		return FALSE;
	}
	if (g_str_has_prefix(line->str, "+OK"))
		return TRUE;
	model->end = MODEL_ERROR;
	g_free(model->said);
	model->said = g_strchomp(g_strdup(line->str));
	return FALSE;
}

static gboolean G_GNUC_PRINTF(2, 0)
send_line(struct model *model, const char *format, va_list args)
{
	g_autoptr(GString) line = g_string_new(NULL);

	g_string_vprintf(line, format, args);
	g_string_append(line, "\r\n");
	if (pop3_send_bytes(model->pop3, line->str, line->len, NULL))
		return TRUE;
	model->end = MODEL_LOST;
	return FALSE;
}

char *model_ask(struct model *model, const char *format, ...)
{
	g_autoptr(GString) line = NULL;
	gboolean sent;
	va_list args;

	va_start(args, format);
	sent = send_line(model, format, args);
	va_end(args);
	if (!sent)
		return NULL;
	line = pop3_read_line(model->pop3, NULL);
	if (!check_status(model, line))
		return NULL;
	return g_strstrip(g_strdup(line->str + strlen("+OK")));
}

GString *model_text(const char *data)
{
	GString *text = g_string_new(NULL);
	const char *end;

	while (strcmp(data, ".\r\n") != 0) {
		if (*data == '.')
			data++;
		end = strstr(data, "\r\n");
		g_assert_nonnull(end);
		g_string_append_len(text, data, end - data);
		g_string_append_c(text, '\n');
		data = end + 2;
	}
	return text;
}

char *model_ask_lines(struct model *model, const char *format, ...)
{
	g_autoptr(GString) reply = NULL;
	gboolean sent;
	va_list args;

	va_start(args, format);
	sent = send_line(model, format, args);
	va_end(args);
	if (!sent)
		return NULL;
	reply = pop3_read_multiline(model->pop3, NULL);
	if (!check_status(model, reply))
		return NULL;
	return g_string_free(model_text(strchr(reply->str, '\n') + 1), FALSE);
}

gboolean model_login(struct model *model)
{
	g_autofree char *user = model_ask(model, "USER %s",
					  model->account->user);
	g_autofree char *pass = NULL;

	if (user == NULL)
		return FALSE;
	pass = model_ask(model, "PASS %s", FIXTURE_PASSWORD);
	if (pass == NULL && model->end == MODEL_ERROR) {
		model->end = MODEL_WRONG_PASSWORD;
		g_clear_pointer(&model->said, g_free);
	}
	model->logged_in = pass != NULL;
	return model->logged_in;
}

gboolean model_retr(struct model *model, unsigned int msn)
{
	g_autofree char *mail = model_ask_lines(model, "RETR %u", msn);

	if (mail == NULL)
		return FALSE;
	client_put_mail(model->account, mail, strlen(mail));
	return TRUE;
}

enum model_end model_close(struct model *model)
{
	if (model->pop3 != NULL && model->end != MODEL_LOST) {
		enum model_end end = model->end;

		/* what it says is of no interest to them */
		g_free(model_ask(model, "QUIT"));
		model->end = end;
	}
	if (model->pop3 != NULL)
		pop3_close(model->pop3);
	if (model->logged_in)
		client_wait_ended(model->account, model->since);
	model_write_uidls(model->account, model->uidls);
	g_hash_table_unref(model->uidls);
	g_free(model->said);
	return model->end;
}
