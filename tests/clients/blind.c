/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A mail client that looks at no reply before it has sent all. */

#include "model.h"

/* Take the mails out of all that the server said to RETR, and to what else. */
static void take_replies(struct model *model, unsigned int count, gboolean del)
{
	for (unsigned int msn = 1; msn <= count; msn++) {
		g_autoptr(GString) retr =
			pop3_read_multiline(model->pop3, NULL);
		g_autoptr(GString) mail = NULL, dele = NULL;

		if (retr != NULL && g_str_has_prefix(retr->str, "+OK")) {
			mail = model_text(strchr(retr->str, '\n') + 1);
			client_put_mail(model->account, mail->str, mail->len);
		}
		if (del && retr != NULL)
			dele = pop3_read_line(model->pop3, NULL);
		if (retr == NULL || (del && dele == NULL)) {
			model->end = MODEL_LOST;
			return;
		}
	}
}

enum model_end
blind_poll(const struct client_account *account, unsigned int count,
	   gboolean del)
{
	g_autoptr(GString) commands = g_string_new(NULL);
	struct model model;

	for (unsigned int msn = 1; msn <= count; msn++) {
		g_string_append_printf(commands, "RETR %u\r\n", msn);
		if (del)
			g_string_append_printf(commands, "DELE %u\r\n", msn);
	}
	g_string_append(commands, "QUIT\r\n");
	if (model_open(&model, account) && model_login(&model)) {
		if (!pop3_send_bytes(model.pop3, commands->str, commands->len,
				     NULL))
			model.end = MODEL_LOST;
		else
			take_replies(&model, count, del);
	}
	return model_close(&model);
}
