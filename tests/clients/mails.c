/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Mails that a POP3 server or client can get wrong. Each is stored as it stands
   here, in a Maildir that may hold any bytes. */

#include "clients.h"

#define HEADER(name) \
	"From: Ann <ann@example.org>\n" \
	"To: Bob <bob@example.net>\n" \
	"Subject: " name "\n" \
	"Message-ID: <" name "@example.org>\n" \
	"Date: Tue, 14 Nov 2023 22:13:20 +0000\n"

/* Text may have NULs. */
#define MAIL(name, text) { name, text, sizeof(text) - 1 }

static const struct {
	const char *name;
	const char *text;
	gsize size;
} mails[] = {
	MAIL("plain", HEADER("plain") "\nHello Bob.\n"),
	/* lines of dots, RFC 1939 section 3 */
	MAIL("dots", HEADER("dots") "\n.\n..\n...\n.hidden\n..two\n.\n\n.\n"),
	MAIL("dot first", ".hidden: x\n" HEADER("dot-first") "\nbody\n"),
	MAIL("dot last", HEADER("dot-last") "\nbody\n."),
	MAIL("dot CRLF", HEADER("dot-crlf") "\n.\r\n..\r\n.\n.\r\n"),
	/* ends of mails */
	MAIL("no final newline", HEADER("no-final-newline") "\nno end"),
	MAIL("empty body", HEADER("empty-body") "\n"),
	MAIL("header only", HEADER("header-only")),
	MAIL("header without end", HEADER("header-without-end") "X-End: no"),
	MAIL("blank lines", HEADER("blank-lines") "\n\n\n\nx\n\n\n"),
	/* line ends */
	MAIL("CRLF", "From: Ann <ann@example.org>\r\n"
	     "Subject: crlf\r\n folded\r\n\r\nline\r\n.dot\r\n"),
	MAIL("mixed", HEADER("mixed") "\nlf\ncrlf\r\nlf\n\r\ncrlf\r\n"),
	MAIL("CRLF, cut", "Subject: crlf-cut\r\n\r\nline\r"),
	MAIL("bare CR", HEADER("bare-cr") "\na\rb\n\rc\nd\r\r\ne\r\n"),
	/* bytes */
	MAIL("8-bit UTF-8", HEADER("utf-8")
	     "Content-Type: text/plain; charset=utf-8\n"
	     "Content-Transfer-Encoding: 8bit\n\nK\xc3\xa4se, \xe2\x82\xac\n"),
	MAIL("8-bit header", "Subject: K\xc3\xa4se\nX-Latin: K\xe4se\n"
	     HEADER("8-bit-header") "\nbody\n"),
	MAIL("control", HEADER("control")
	     "\n\x01\x02\b\t\v\f\x1a\x1b[2J\x7f\n\x80\x9f\xa0\xfe\xff\n"),
	MAIL("NUL", HEADER("nul") "\na\0b\n\0\n\0\0c\n"),
	MAIL("trailing space", HEADER("trailing-space")
	     "X-Trailing: a  \n\nline  \n\t\n \n"),
	/* headers */
	MAIL("folded", HEADER("folded")
	     "X-Folded: a\n b\n\tc\n  d e\n\nbody\n"),
	MAIL("no header", "\nonly a body\n"),
	MAIL("text without header", "this is no header\nand no body\n"),
	MAIL("bad header", HEADER("bad-header")
	     "Subject:\nX:y\n: nothing\nno colon here\nA: b\n\nbody\n"),
	MAIL("space ends header", HEADER("space") " \n\nbody\n"),
	MAIL("From line", HEADER("from-line")
	     "\nFrom here on\n>From there\nFrom ann@example.org Tue Nov 14\n"),
	MAIL("mbox", "From ann@example.org  Tue Nov 14 22:13:20 2023\n"
	     HEADER("mbox") "\nbody\n"),
	MAIL("Return-Path", "Return-Path: <ann@example.org>\n"
	     "Delivered-To: bob@example.net\n"
	     "Received: from a.example by b.example; Tue, 14 Nov 2023\n"
	     HEADER("return-path") "\nbody\n"),
	MAIL("of other programs", "Status: RO\nX-Status: A\nX-UIDL: abc\n"
	     "X-Mozilla-Status: 0001\nContent-Length: 3\nBcc: c@example.com\n"
	     HEADER("of-other-programs") "\nbody\n"),
	/* small */
	MAIL("empty", ""),
	MAIL("one byte", "x"),
	MAIL("a dot", "."),
	MAIL("a newline", "\n"),
	/* MIME */
	MAIL("multipart", HEADER("multipart") "MIME-Version: 1.0\n"
	     "Content-Type: multipart/mixed; boundary=\"=b=\"\n\n"
	     "preamble\n--=b=\nContent-Type: text/plain; format=flowed\n\n"
	     "text \nmore\n--=b=\nContent-Type: message/rfc822\n\n"
	     HEADER("inner") "\n.inner\n--=b=--\nepilogue"),
};

static void
add(GPtrArray *list, const char *name, GString *text, const char *unfit)
{
	struct client_mail *mail = g_new0(struct client_mail, 1);

	mail->name = name;
	mail->bytes = g_string_free_to_bytes(text);
	mail->unfit = unfit;
	g_ptr_array_add(list, mail);
}

/* A mail with a line of so many bytes. */
static GString *long_line(const char *header, gsize size)
{
	GString *text = g_string_new(header);

	g_string_append_c(text, '\n');
	for (gsize i = 0; i < size; i++)
		g_string_append_c(text, (char)('a' + i % 26));
	g_string_append(text, "\nend\n");
	return text;
}

static GString *attachment(gsize size)
{
	GString *text = g_string_new(HEADER("attachment")
		"MIME-Version: 1.0\n"
		"Content-Type: application/octet-stream; name=data\n"
		"Content-Transfer-Encoding: base64\n\n");
	g_autofree guchar *data = g_malloc(size);
	g_autofree char *base64 = NULL;
	g_autoptr(GRand) random = g_rand_new_with_seed(1);

	for (gsize i = 0; i < size; i++)
		data[i] = (guchar)g_rand_int(random);
	base64 = g_base64_encode(data, size);
	for (const char *p = base64; *p != '\0'; p += strnlen(p, 76)) {
		g_string_append_len(text, p, (gssize)strnlen(p, 76));
		g_string_append_c(text, '\n');
	}
	return text;
}

/* Dots wherever a buffer of the server may end. */
static GString *many_dots(void)
{
	GString *text = g_string_new(HEADER("many-dots") "\n");

	for (unsigned int i = 0; i < 80000; i++)
		g_string_append(text, i % 7 == 0 ? "\n" : ".\n");
	return text;
}

static void client_mail_free(gpointer data)
{
	struct client_mail *mail = data;

	g_bytes_unref(mail->bytes);
	g_free(mail);
}

GPtrArray *client_mails_new(void)
{
	GPtrArray *list = g_ptr_array_new_with_free_func(client_mail_free);

	for (unsigned int i = 0; i < G_N_ELEMENTS(mails); i++) {
		add(list, mails[i].name,
		    g_string_new_len(mails[i].text, (gssize)mails[i].size),
		    NULL);
	}
	add(list, "line of 998 bytes", long_line(HEADER("line-998"), 998),
	    NULL);
	add(list, "line of 5000 bytes", long_line(HEADER("line-5000"), 5000),
	    NULL);
	/* fetchmail puts "\0000\n" into it after 8 KB */
	add(list, "line of 200,000 bytes",
	    long_line(HEADER("line-200000"), 200000), "fetchmail");
	add(list, "long header", long_line(HEADER("long-header")
		"X-Long: a word and another word and yet another word and so"
		" on until the line is longer than most programs want it to\n",
		10), NULL);
	add(list, "attachment of 1 MB", attachment(1024 * 1024), NULL);
	add(list, "many dots", many_dots(), NULL);
	return list;
}

GString *client_mail_lines(GBytes *mail, const char *line_end)
{
	gsize size;
	const char *data = g_bytes_get_data(mail, &size);
	GString *lines = g_string_sized_new(size + size / 32 + 2);

	for (gsize i = 0; i < size; i++) {
		if (data[i] == '\n' || (data[i] == '\r' && i + 1 < size &&
					data[i + 1] == '\n')) {
			g_string_append(lines, line_end);
			i += data[i] == '\r';
		} else {
			g_string_append_c(lines, data[i]);
		}
	}
	if (lines->len == 0 || lines->str[lines->len - 1] != '\n')
		g_string_append(lines, line_end);
	return lines;
}
