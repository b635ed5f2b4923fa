/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A fuzzer for templates: what compat/template puts together from pieces, and
   uidl/uidl-plain from numbers, is what Dovecot itself makes of the template.
   The input is eight bytes for uid and UIDVALIDITY, and the template. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "template.h"
#include "template-pieces.h"
#include "uidl-plain.h"

#include <glib.h>
#include <stdio.h>

enum { UID, UIDVALIDITY, GUID, DATE, VARIABLES };

static const struct popinjay_variable variables[] = {
	[UID] = { "uid", 'u', "4711", TRUE },
	[UIDVALIDITY] = { "uidvalidity", 'v', "1700000123", TRUE },
	[GUID] = { "guid", 'g', "4567", FALSE },
	[DATE] = { "date", '\0', "20260102030405", FALSE },
	[VARIABLES] = { NULL, '\0', NULL, FALSE }
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc ATTR_UNUSED, char ***argv ATTR_UNUSED)
{
	lib_init();
	return 0;
}

static void
check_same(const char *format, const char *what, const char *got,
	   const char *expected)
{
	if (strcmp(got, expected) == 0)
		return;
	fprintf(stderr, "%s: %s is \"%s\", Dovecot says \"%s\"\n", format,
		what, got, expected);
	abort();
}

static void
check_template(const char *format, const struct popinjay_template *template,
	       uint32_t uid, uint32_t uidvalidity)
{
	const char *values[VARIABLES] = {
		[UID] = dec2str(uid), [UIDVALIDITY] = dec2str(uidvalidity),
		[GUID] = "g-u.i,d", [DATE] = "20260102030405"
	};
	string_t *native = t_str_new(128), *pieces_str = t_str_new(128);
	const struct popinjay_template_piece *pieces;
	const struct popinjay_uidl_plain *plain;
	char uidl[POPINJAY_UIDL_MAX_LEN + 1];
	unsigned int count;
	const char *error;

	pieces = popinjay_template_pieces(template, &count);
	g_assert_nonnull(pieces);
	g_assert_cmpint(popinjay_template_expand_native(template, values,
							native, &error), ==, 0);
	g_assert_cmpint(popinjay_template_expand(template, values, pieces_str,
						 &error), ==, 0);
	check_same(format, "expanded", str_c(pieces_str), str_c(native));

	plain = popinjay_uidl_plain_create(pool_datastack_create(), pieces,
					   count, UID, UIDVALIDITY);
	if (plain == NULL)
		return;
	g_assert_cmpuint(popinjay_uidl_plain_write(plain, uidvalidity, uid,
						   uidl), ==, strlen(uidl));
	check_same(format, "plain", uidl, str_c(native));
	g_assert_true(popinjay_uidl_is_valid(uidl));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ARRAY_TYPE(popinjay_template_piece) pieces;
	struct popinjay_template *template;
	uint32_t uid, uidvalidity;
	const char *format, *error;

	if (size < 8)
		return 0;
	memcpy(&uid, data, 4);
	memcpy(&uidvalidity, data + 4, 4);
	T_BEGIN {
		format = t_strndup(data + 8, size - 8);
		t_array_init(&pieces, 8);
		/* nothing else is of interest: not what Dovecot does with
		   other templates */
		if (popinjay_template_pieces_parse(format, variables,
				pool_datastack_create(), &pieces) &&
		    popinjay_template_parse(format, variables, &template,
					    &error) == 0) {
			check_template(format, template, uid, uidvalidity);
			popinjay_template_free(&template);
		}
	} T_END;
	return 0;
}
