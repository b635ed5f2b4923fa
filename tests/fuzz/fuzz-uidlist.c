/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A fuzzer for uidlist: no file, however broken, makes it read what is
   not there, and where the file is cut into pieces changes nothing. The input
   is a byte that says where it is cut, and the file. */

#include "lib.h"
#include "str.h"
#include "uidlist.h"

#include <glib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

int LLVMFuzzerInitialize(int *argc ATTR_UNUSED, char ***argv ATTR_UNUSED)
{
	lib_init();
	return 0;
}

/* What is read when at most piece bytes more are seen each time. */
static void
read_in_pieces(string_t *dest, const uint8_t *file, size_t size, size_t piece)
{
	struct popinjay_uidlist list;
	struct popinjay_uidlist_entry entry;
	const unsigned char *data = file;
	size_t seen = 0;
	int ret = 0;

	popinjay_uidlist_init(&list, 7);
	while (seen < size && ret == 0) {
		size_t left;
		g_autofree unsigned char *copy = NULL;
		const unsigned char *p;

		seen = I_MIN(seen + piece, size);
		left = file + seen - data;
		/* of exactly this size, for ASan to watch */
		p = copy = g_memdup2(data, left);
		while ((ret = popinjay_uidlist_next(&list, &p, &left,
						    &entry)) > 0) {
			str_printfa(dest, "%u %"PRIuUOFF_T" %d%d\n", entry.uid,
				    entry.virtual_size,
				    entry.pop3_uidl.data != NULL,
				    entry.pop3_order);
		}
		data = file + seen - left;
	}
	str_printfa(dest, "%d", ret);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	if (size == 0)
		return 0;
	T_BEGIN {
		string_t *whole = t_str_new(256), *pieces = t_str_new(256);

		read_in_pieces(whole, input + 1, size - 1, size);
		read_in_pieces(pieces, input + 1, size - 1, input[0] + 1);
		g_assert_cmpstr(str_c(whole), ==, str_c(pieces));
	} T_END;
	return 0;
}
