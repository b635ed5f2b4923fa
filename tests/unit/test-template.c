/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Unit test of compat/template and uidl/uidl-plain: a template that is put
   together from pieces is what Dovecot makes of it, and what is more than
   pieces is left to Dovecot. */

#include "lib.h"
#include "str.h"
#include "template.h"
#include "uidl-plain.h"

#include <glib.h>

enum { UID, UIDVALIDITY, MD5, GUID, DATE, VARIABLES };

static const struct popinjay_variable variables[] = {
	[UID] = { "uid", 'u', "4711", TRUE },
	[UIDVALIDITY] = { "uidvalidity", 'v', "1700000123", TRUE },
	[MD5] = { "md5", 'm', "0123", FALSE },
	[GUID] = { "guid", 'g', "4567", FALSE },
	[DATE] = { "date", '\0', "20260102030405", FALSE },
	[VARIABLES] = { NULL, '\0', NULL, FALSE }
};

static const uint32_t numbers[] = {
	1, 9, 10, 15, 16, 255, 256, 4711, 65535, 65536, 999999999, 1000000000,
	1700000123, 0x7fffffff, 0x80000000U, 4294967294U, 4294967295U
};

enum kind {
	/* of uid and UIDVALIDITY alone */
	PLAIN,
	/* of other variables too, or no UIDL that would always be valid */
	PIECES,
	/* only Dovecot can expand it */
	NATIVE
};

struct template_case {
	const char *name;
	/* in the language of 2.3 and in that of 2.4; NULL if there is none */
	const char *old_format, *new_format;
	enum kind kind;
};

static const struct template_case cases[] = {
	{ "default", "%08Xu%08Xv", "%{uid | hex(8)}%{uidvalidity | hex(8)}",
	  PLAIN },
	{ "uid", "%u", "%{uid}", PLAIN },
	{ "dots", "%v.%u", "%{uidvalidity}.%{uid}", PLAIN },
	{ "names", "%{uidvalidity}-%{uid}", "%{ uidvalidity }-%{\tuid}",
	  PLAIN },
	{ "text", "x-%u-y", "x-%{uid}-y", PLAIN },
	{ "twice", "%u.%u", "%{uid}.%{uid}", PLAIN },
	{ "hex", "%Xu", "%{uid|hex}", PLAIN },
	{ "hex-wide", "%012Xu", "%{uid | hex( 12 )}", PLAIN },
	{ "hex-narrow", "%04Xu", NULL, PLAIN },
	{ "hex-cut", NULL, "%{uid | hex(4)}", NATIVE },
	{ "hex-left", NULL, "%{uid | hex(-8)}", NATIVE },
	{ "decimal-wide", "%012u", "%{uid | lfill(12)}", PLAIN },
	{ "decimal-narrow", "%03u", "%{uid | lfill(3)}", PLAIN },
	{ "filler", NULL, "%{uid | lfill(12, 'x')}", NATIVE },
	{ "padded-far", "%070u", "%{uid | lfill(70)}", NATIVE },
	{ "long", "%060u", "%{uid | lfill(60)}", PLAIN },
	{ "too-long", "%060u%u%u", "%{uid | lfill(60)}%{uid}%{uid}", PIECES },
	{ "space", "%u %v", "%{uid} %{uidvalidity}", PIECES },
	{ "8-bit", "%u\xc3\xa4", "%{uid}\xc3\xa4", PIECES },
	{ "guid", "%g", "%{guid}", PIECES },
	{ "guid-name", "x%{guid}", "x%{guid}", PIECES },
	{ "guid-hex", "%Xg", NULL, NATIVE },
	{ "guid-wide", "%040g", "%{guid | lfill(40)}", NATIVE },
	{ "md5", "%m", "%{md5}", PIECES },
	{ "date", "%{date}%u", "%{date}%{uid}", PIECES },
	{ "no-uid", "%v", "%{uidvalidity}", PIECES },
	{ "cut", "%4u", "%{uid | truncate(4)}", NATIVE },
	{ "offset", "%2.4u", "%{uid | substr(1, 2)}", NATIVE },
	{ "offset-zero", "%0.4u", NULL, NATIVE },
	{ "minus", "%-4u", NULL, NATIVE },
	{ "zero", "%0u", NULL, NATIVE },
	{ "modifiers", "%RXu", "%{uid | hex | reverse}", NATIVE },
	{ "upper", "%Ug", "%{guid | upper}", NATIVE },
	{ "function", "%{md5:guid}", "%{guid | md5 | hexlify}", NATIVE },
	{ "percent", "%%%u", "%%{%{uid}", NATIVE },
	{ "arithmetic", NULL, "%{uid + 1}", NATIVE },
};

static void
check_plain(const struct popinjay_uidl_plain *plain,
	    const struct popinjay_template *template)
{
	unsigned int i, j;

	for (i = 0; i < N_ELEMENTS(numbers); i++) {
		for (j = 0; j < N_ELEMENTS(numbers); j++) T_BEGIN {
			const char *values[VARIABLES] = { NULL };
			char uidl[POPINJAY_UIDL_MAX_LEN + 1];
			string_t *native = t_str_new(128);
			const char *error;
			size_t size;

			values[UID] = dec2str(numbers[i]);
			values[UIDVALIDITY] = dec2str(numbers[j]);
			g_assert_cmpint(popinjay_template_expand_native(
				template, values, native, &error), ==, 0);
			size = popinjay_uidl_plain_write(plain, numbers[j],
							 numbers[i], uidl);
			g_assert_cmpstr(uidl, ==, str_c(native));
			g_assert_cmpuint(size, ==, strlen(uidl));
			g_assert_true(popinjay_uidl_is_valid(uidl));
		} T_END;
	}
}

static void check_pieces(const struct popinjay_template *template)
{
	const char *values[VARIABLES] = {
		[UID] = "4711", [UIDVALIDITY] = "1700000123",
		[MD5] = "00", [GUID] = "g:u,i.d", [DATE] = "20260102030405"
	};
	string_t *native = t_str_new(128), *pieces = t_str_new(128);
	const char *error;

	g_assert_cmpint(popinjay_template_expand_native(template, values,
							native, &error), ==, 0);
	g_assert_cmpint(popinjay_template_expand(template, values, pieces,
						 &error), ==, 0);
	g_assert_cmpstr(str_c(pieces), ==, str_c(native));
}

/* Returns TRUE if this Dovecot has the language of 2.4. */
static bool knows_filters(void)
{
	struct popinjay_template *template = NULL;
	const char *error;
	bool ret;

	ret = popinjay_template_parse("%{uid | hex}", variables, &template,
				      &error) == 0;
	popinjay_template_free(&template);
	return ret;
}

static void test_case(const void *data)
{
	const struct template_case *c = data;
	const char *format = knows_filters() ? c->new_format : c->old_format;
	const struct popinjay_template_piece *pieces;
	const struct popinjay_uidl_plain *plain = NULL;
	struct popinjay_template *template;
	unsigned int count;
	const char *error;
	pool_t pool;

	if (format == NULL) {
		/* the other language has it */
		return;
	}
	if (popinjay_template_parse(format, variables, &template, &error) < 0)
		g_error("%s: %s", format, error);
	pool = pool_alloconly_create("test template", 128);
	pieces = popinjay_template_pieces(template, &count);
	if (pieces != NULL) {
		plain = popinjay_uidl_plain_create(pool, pieces, count, UID,
						   UIDVALIDITY);
	}
	g_assert_cmpint(plain != NULL ? PLAIN : pieces != NULL ? PIECES :
			NATIVE, ==, c->kind);
	T_BEGIN {
		check_pieces(template);
	} T_END;
	if (plain != NULL)
		check_plain(plain, template);
	pool_unref(&pool);
	popinjay_template_free(&template);
}

int main(int argc, char *argv[])
{
	unsigned int i;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	for (i = 0; i < N_ELEMENTS(cases); i++) {
		g_autofree char *path = g_strdup_printf("/template/%s",
							cases[i].name);
		g_test_add_data_func(path, &cases[i], test_case);
	}
	return g_test_run();
}
