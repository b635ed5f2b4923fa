/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_POP3_REPLY_H
#define POPINJAY_POP3_REPLY_H

/* What a POP3 server answers (RFC 1939 section 3), read in pieces of any size.
   The server may be anybody's, so nothing in it is trusted. */

#define POPINJAY_POP3_STATUS_MAX_LEN 1024

struct popinjay_pop3_reply_vfuncs {
	/* The first line: ok says +OK or -ERR, text is what follows that.
	   Returns TRUE if more lines follow. */
	bool (*status)(bool ok, const char *text, void *context);
	/* A part of those lines, without dot-stuffing, with LF line ends. */
	void (*data)(const void *data, size_t size, void *context);
	/* The reply has ended. Returns TRUE if there is to be another one. */
	bool (*end)(void *context);
};

struct popinjay_pop3_reply {
	const struct popinjay_pop3_reply_vfuncs *v;
	void *context;

	/* Private. */
	enum {
		POPINJAY_POP3_REPLY_STATUS,
		POPINJAY_POP3_REPLY_LINE_START,
		POPINJAY_POP3_REPLY_DOT,
		POPINJAY_POP3_REPLY_LINE
	} state;
	char status[POPINJAY_POP3_STATUS_MAX_LEN + 1];
	unsigned int status_len;
	/* a CR has been seen and not yet been given on */
	bool cr;
};

/* Begin to read replies. */
void popinjay_pop3_reply_init(struct popinjay_pop3_reply *reply,
			      const struct popinjay_pop3_reply_vfuncs *v,
			      void *context);

/* Read bytes. Returns how many of them belong to replies: all, unless end()
   returned FALSE; or -1 if they are no replies, with the reason in error_r. */
ssize_t popinjay_pop3_reply_more(struct popinjay_pop3_reply *reply,
				 const void *data, size_t size,
				 const char **error_r);

/* Parse a line of the replies to UIDL or LIST: a number from 1 and what follows
   it. Returns 0, or -1 if it is none. */
int popinjay_pop3_listing_parse(const char *line, unsigned int *msn_r,
				const char **rest_r);

/* A server and a mailbox: pop3s://[USER@]HOST[:PORT] or pop3://... */
struct popinjay_pop3_url {
	/* TLS from the start */
	bool pop3s;
	/* NULL if there is none */
	const char *user;
	const char *host;
	in_port_t port;
};

/* Parse a URL; strings are allocated from pool. USER may have an @; a character
   can be written as % and two hex digits. Returns 0, or -1 with the reason in
   error_r. */
int popinjay_pop3_url_parse(const char *str, pool_t pool,
			    struct popinjay_pop3_url *url_r,
			    const char **error_r);

#endif
