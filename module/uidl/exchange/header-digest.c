/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: the hash of a message's header. */

#include "lib.h"
#include "hex-binary.h"
#include "header-digest.h"

#include <ctype.h>

/* Fields that stores and servers write, in lower case. */
static const char *const left_out[] = {
	"content-length", "lines", "return-path", "status", "x-imap",
	"x-imapbase", "x-keywords", "x-mozilla-keys", "x-mozilla-status",
	"x-mozilla-status2", "x-status", "x-uid", "x-uidl"
};

static const char *const telling[] = { "date", "message-id", "received" };

void popinjay_header_digest_init(struct popinjay_header_digest *digest)
{
	i_zero(digest);
	sha256_init(&digest->hash);
}

static void digest_flush(struct popinjay_header_digest *digest)
{
	sha256_loop(&digest->hash, digest->pending, digest->pending_len);
	digest->pending_len = 0;
}

static void digest_byte(struct popinjay_header_digest *digest, char byte)
{
	if (digest->pending_len == sizeof(digest->pending))
		digest_flush(digest);
	digest->pending[digest->pending_len++] = byte;
}

static void digest_field_end(struct popinjay_header_digest *digest)
{
	if (digest->hashed)
		digest_byte(digest, '\n');
	if (digest->in_message_id && digest->message_id_len > 0)
		digest->message_id_seen = TRUE;
	digest->hashed = FALSE;
	digest->in_telling = FALSE;
	digest->in_message_id = FALSE;
}

/* The name and its colon are over: is it a field, and which? */
static void digest_name_end(struct popinjay_header_digest *digest)
{
	unsigned int i;

	if (digest->name_len == 0 ||
	    digest->name_len > POPINJAY_HEADER_NAME_MAX_LEN)
		return;
	digest->name[digest->name_len] = '\0';
	for (i = 0; i < N_ELEMENTS(left_out); i++) {
		if (strcmp(digest->name, left_out[i]) == 0)
			return;
	}
	digest->fields++;
	digest->hashed = TRUE;
	digest->prev_unclear = FALSE;
	for (i = 0; i < digest->name_len; i++)
		digest_byte(digest, digest->name[i]);
	digest_byte(digest, ':');
	for (i = 0; i < N_ELEMENTS(telling); i++) {
		if (strcmp(digest->name, telling[i]) == 0)
			digest->in_telling = TRUE;
	}
	if (strcmp(digest->name, "message-id") == 0 &&
	    !digest->message_id_seen) {
		digest->in_message_id = TRUE;
		digest->message_id_len = 0;
	}
}

static void digest_name(struct popinjay_header_digest *digest, char byte)
{
	if (byte == ':') {
		digest_name_end(digest);
		digest->state = POPINJAY_HEADER_VALUE;
	} else if (byte < 0x21 || byte > 0x7e) {
		/* no field: what continues it counts for nothing either */
		digest->state = POPINJAY_HEADER_VALUE;
	} else if (digest->name_len < POPINJAY_HEADER_NAME_MAX_LEN) {
		digest->name[digest->name_len++] = i_tolower(byte);
	} else {
		/* too long, whatever follows */
		digest->name_len = POPINJAY_HEADER_NAME_MAX_LEN + 1;
	}
}

static void digest_value(struct popinjay_header_digest *digest, char byte)
{
	bool unclear = byte < 0x21 || byte > 0x7e || byte == '?';

	if (byte == ' ' || byte == '\t' || !digest->hashed)
		return;
	if (unclear)
		byte = '?';
	else if (digest->in_telling)
		digest->telling = TRUE;
	if (!unclear || !digest->prev_unclear)
		digest_byte(digest, byte);
	digest->prev_unclear = unclear;
	if (!digest->in_message_id)
		return;
	if (unclear || digest->message_id_len == POPINJAY_MESSAGE_ID_MAX_LEN) {
		/* none that could be told from others */
		digest->in_message_id = FALSE;
		digest->message_id_len = 0;
		digest->message_id_seen = TRUE;
	} else {
		digest->message_id[digest->message_id_len++] = byte;
	}
}

static void digest_line_start(struct popinjay_header_digest *digest, char byte)
{
	if (byte == '\n') {
		digest->state = POPINJAY_HEADER_END;
	} else if (byte == ' ' || byte == '\t') {
		digest->state = POPINJAY_HEADER_VALUE;
	} else {
		digest_field_end(digest);
		digest->name_len = 0;
		digest->state = POPINJAY_HEADER_NAME;
		digest_name(digest, byte);
	}
}

bool popinjay_header_digest_more(struct popinjay_header_digest *digest,
				 const void *data, size_t size)
{
	const char *bytes = data;
	size_t i;

	for (i = 0; i < size; i++) {
		if (digest->state == POPINJAY_HEADER_END)
			return FALSE;
		if (bytes[i] == '\r')
			continue;
		if (digest->state == POPINJAY_HEADER_LINE_START)
			digest_line_start(digest, bytes[i]);
		else if (bytes[i] == '\n')
			digest->state = POPINJAY_HEADER_LINE_START;
		else if (digest->state == POPINJAY_HEADER_NAME)
			digest_name(digest, bytes[i]);
		else
			digest_value(digest, bytes[i]);
	}
	return digest->state != POPINJAY_HEADER_END;
}

const char *
popinjay_header_digest_result(struct popinjay_header_digest *digest,
			      char hash_r[POPINJAY_HEADER_HASH_LEN + 1])
{
	unsigned char result[SHA256_RESULTLEN];

	digest_field_end(digest);
	digest_flush(digest);
	sha256_result(&digest->hash, result);
	hash_r[0] = '\0';
	if (digest->fields > 0) T_BEGIN {
		const char *hex = binary_to_hex(result,
						POPINJAY_HEADER_HASH_LEN / 2);

		i_assert(strlen(hex) == POPINJAY_HEADER_HASH_LEN);
		memcpy(hash_r, hex, POPINJAY_HEADER_HASH_LEN + 1);
	} T_END;
	if (digest->message_id_len == 0)
		return NULL;
	digest->message_id[digest->message_id_len] = '\0';
	return digest->message_id;
}
