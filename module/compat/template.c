/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any process: the two template languages of Dovecot behind one interface. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "var-expand.h"
#include "template.h"

/* More than any list of ours has. */
#define TEMPLATE_MAX_VARIABLES 16

struct popinjay_template {
	char *format;
	const struct popinjay_variable *variables;
	bool used[TEMPLATE_MAX_VARIABLES];
#ifdef POPINJAY_HAVE_VAR_EXPAND_PROGRAM
	struct var_expand_program *program;
#endif
	/* not created for a template that is more than pieces */
	pool_t pieces_pool;
	ARRAY_TYPE(popinjay_template_piece) pieces;
};

bool popinjay_template_uses(const struct popinjay_template *template,
			    unsigned int idx)
{
	i_assert(idx < TEMPLATE_MAX_VARIABLES);
	return template->used[idx];
}

#ifdef POPINJAY_HAVE_VAR_EXPAND_PROGRAM

/* Our "%{date}" has another name here: Dovecot 2.4.5 has a filter "date", which
   needs an argument and goes before any variable. */
#define VARIABLE_DATE "popinjay_date"

static const char *variable_name(const struct popinjay_variable *variable)
{
	return strcmp(variable->name, "date") == 0 ? VARIABLE_DATE :
		variable->name;
}

static int template_find_used(struct popinjay_template *template,
			      const char **error_r)
{
	const struct popinjay_variable *variables = template->variables;
	const char *const *names;
	unsigned int i;

	names = var_expand_program_variables(template->program);
	for (; *names != NULL; names++) {
		for (i = 0; variables[i].name != NULL; i++) {
			if (strcmp(*names, variable_name(&variables[i])) == 0)
				break;
		}
		if (variables[i].name == NULL) {
			*error_r = t_strdup_printf("Unknown variable '%%{%s}'",
						   *names);
			return -1;
		}
		template->used[i] = TRUE;
	}
	return 0;
}

/* Give "%{date}", alone or with filters behind it, its other name. */
static char *template_rewrite(const char *format)
{
	string_t *str = t_str_new(128);
	const char *p;

	while ((p = strstr(format, "%{date")) != NULL) {
		str_append_data(str, format, p - format);
		format = p + strlen("%{date");
		str_append(str, *format == '}' || *format == ' ' ||
			   *format == '|' ? "%{"VARIABLE_DATE : "%{date");
	}
	str_append(str, format);
	return i_strdup(str_c(str));
}

int popinjay_template_expand_native(const struct popinjay_template *template,
				    const char *const *values, string_t *dest,
				    const char **error_r)
{
	struct var_expand_table table[TEMPLATE_MAX_VARIABLES + 1];
	const struct var_expand_params params = { .table = table };
	unsigned int i, count = 0;

	i_zero(&table);
	for (i = 0; template->variables[i].name != NULL; i++) {
		if (!template->used[i])
			continue;
		table[count].key = variable_name(&template->variables[i]);
		table[count++].value = values[i];
	}
	return var_expand_program_execute(dest, template->program, &params,
					  error_r);
}

#else

static char *template_rewrite(const char *format)
{
	return i_strdup(format);
}

/* The name of a long variable stands in braces, alone ("%{guid}") or as the
   argument of a function ("%{sha256;truncate=128:guid}"). A name that stands
   there by accident costs a look-up and changes nothing. */
static bool format_has_long_name(const char *format, const char *name)
{
	const char *p = format;

	while ((p = strstr(p, name)) != NULL) {
		const char *end = p + strlen(name);

		if (*end == '}' && p > format &&
		    (p[-1] == '{' || p[-1] == ':'))
			return TRUE;
		p = end;
	}
	return FALSE;
}

static int
template_find_used(struct popinjay_template *template,
		   const char **error_r ATTR_UNUSED)
{
	const struct popinjay_variable *variables = template->variables;
	unsigned int i;

	for (i = 0; variables[i].name != NULL; i++) {
		template->used[i] =
			(variables[i].letter != '\0' &&
			 var_has_key(template->format, variables[i].letter,
				     NULL)) ||
			format_has_long_name(template->format,
					     variables[i].name);
	}
	return 0;
}

int popinjay_template_expand_native(const struct popinjay_template *template,
				    const char *const *values, string_t *dest,
				    const char **error_r)
{
	struct var_expand_table table[TEMPLATE_MAX_VARIABLES + 1];
	unsigned int i;

	for (i = 0; template->variables[i].name != NULL; i++) {
		table[i].key = template->variables[i].letter;
		table[i].long_key = template->variables[i].name;
		table[i].value = values[i];
	}
	i_zero(&table[i]);
	return var_expand(dest, template->format, table, error_r) > 0 ? 0 : -1;
}

#endif

static int template_try(const struct popinjay_template *template,
			const char **error_r)
{
	const char *values[TEMPLATE_MAX_VARIABLES];
	unsigned int i;

	for (i = 0; template->variables[i].name != NULL; i++)
		values[i] = template->variables[i].sample;
	return popinjay_template_expand_native(template, values,
					       t_str_new(128), error_r);
}

static void template_find_pieces(struct popinjay_template *template,
				 const char *format)
{
	template->pieces_pool =
		pool_alloconly_create("popinjay template", 256);
	p_array_init(&template->pieces, template->pieces_pool, 8);
	if (!popinjay_template_pieces_parse(format, template->variables,
					    template->pieces_pool,
					    &template->pieces))
		pool_unref(&template->pieces_pool);
}

const struct popinjay_template_piece *
popinjay_template_pieces(const struct popinjay_template *template,
			 unsigned int *count_r)
{
	if (template->pieces_pool == NULL)
		return NULL;
	return array_get(&template->pieces, count_r);
}

int popinjay_template_expand(const struct popinjay_template *template,
			     const char *const *values, string_t *dest,
			     const char **error_r)
{
	const struct popinjay_template_piece *piece;

	if (template->pieces_pool == NULL) {
		return popinjay_template_expand_native(template, values, dest,
						       error_r);
	}
	array_foreach(&template->pieces, piece) {
		popinjay_template_piece_append(dest, piece,
					       values[piece->variable]);
	}
	return 0;
}

const char *popinjay_template_from_braces(const char *format)
{
	string_t *str = t_str_new(128);
	const char *p, *end;

	for (p = format; *p != '\0'; p = end) {
		end = p + 1;
		if (*p == '{')
			str_append_c(str, '%');
		else if (*p == '%') {
			/* 2.3 has width and modifiers before the brace */
			end += strspn(end, "0123456789.-");
			end += strspn(end, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
			if (*end != '\0')
				end++;
		}
		str_append_data(str, p, end - p);
	}
	return str_c(str);
}

int popinjay_template_parse(const char *format,
			    const struct popinjay_variable *variables,
			    struct popinjay_template **template_r,
			    const char **error_r)
{
	struct popinjay_template *template;

	template = i_new(struct popinjay_template, 1);
	template->format = template_rewrite(format);
	template->variables = variables;

#ifdef POPINJAY_HAVE_VAR_EXPAND_PROGRAM
	if (var_expand_program_create(template->format, &template->program,
				      error_r) < 0) {
		popinjay_template_free(&template);
		return -1;
	}
#endif
	/* only expanding it tells which variables and functions are none */
	if (template_find_used(template, error_r) < 0 ||
	    template_try(template, error_r) < 0) {
		popinjay_template_free(&template);
		return -1;
	}
	template_find_pieces(template, format);
	*template_r = template;
	return 0;
}

void popinjay_template_free(struct popinjay_template **_template)
{
	struct popinjay_template *template = *_template;

	if (template == NULL)
		return;
	*_template = NULL;
#ifdef POPINJAY_HAVE_VAR_EXPAND_PROGRAM
	if (template->program != NULL)
		var_expand_program_free(&template->program);
#endif
	pool_unref(&template->pieces_pool);
	i_free(template->format);
	i_free(template);
}
