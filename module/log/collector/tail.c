/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The service popinjay-log: finds lines near the end of its file. After a power
   failure a file may contain a stretch of NULs. */

#include "lib.h"
#include "hash.h"
#include "str.h"
#include "tail.h"

#include <sys/stat.h>
#include <unistd.h>

/* how far back to look for lines */
#define TAIL_BYTES (4 * 1024 * 1024)
#define READ_BYTES (64 * 1024)

struct tail {
	pool_t pool;
	HASH_TABLE(const char *, const char *) lines;
	/* how far the file is read, and an incomplete line at the end of
	   that */
	off_t offset;
	string_t *partial;
};

static struct tail *tail_new(off_t offset)
{
	struct tail *tail = i_new(struct tail, 1);

	tail->pool = pool_alloconly_create(MEMPOOL_GROWING"tail", 64 * 1024);
	hash_table_create(&tail->lines, tail->pool, 0, str_hash, strcmp);
	tail->offset = offset;
	tail->partial = str_new(default_pool, READ_BYTES);
	return tail;
}

void tail_free(struct tail **_tail)
{
	struct tail *tail = *_tail;

	if (tail == NULL)
		return;
	*_tail = NULL;
	hash_table_destroy(&tail->lines);
	str_free(&tail->partial);
	pool_unref(&tail->pool);
	i_free(tail);
}

static void tail_add(struct tail *tail, const char *start, const char *end)
{
	const char *line;

	/* Records have no NULs. A line with one must not be taken for its part
	   before the NUL. */
	if (memchr(start, '\0', end - start) != NULL)
		return;
	line = p_strdup_until(tail->pool, start, end);
	if (hash_table_lookup(tail->lines, line) == NULL)
		hash_table_insert(tail->lines, line, line);
}

/* Take the complete lines, now that something was added at pos. */
static void tail_add_lines(struct tail *tail, size_t pos)
{
	const char *start = str_c(tail->partial), *p = start + pos, *lf;
	const char *end = start + str_len(tail->partial);

	while ((lf = memchr(p, '\n', end - p)) != NULL) {
		tail_add(tail, start, lf);
		start = p = lf + 1;
	}
	str_delete(tail->partial, 0, start - str_c(tail->partial));
}

static void tail_read(struct tail *tail, int fd)
{
	ssize_t ret;

	do {
		size_t pos = str_len(tail->partial);

		ret = pread(fd, buffer_append_space_unsafe(tail->partial,
							   READ_BYTES),
			    READ_BYTES, tail->offset);
		str_truncate(tail->partial, pos + I_MAX(ret, 0));
		tail->offset += I_MAX(ret, 0);
		tail_add_lines(tail, pos);
	} while (ret > 0);
}

bool tail_has_line(struct tail **tail, int fd, const char *line)
{
	struct stat st;

	if (fd == -1 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return FALSE;
	if (*tail != NULL && (*tail)->offset > st.st_size)
		tail_free(tail);
	if (*tail == NULL)
		*tail = tail_new(I_MAX(st.st_size - TAIL_BYTES, 0));
	if ((*tail)->offset < st.st_size)
		tail_read(*tail, fd);
	return hash_table_lookup((*tail)->lines, line) != NULL;
}
