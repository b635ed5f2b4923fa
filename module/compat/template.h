/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_TEMPLATE_H
#define POPINJAY_TEMPLATE_H

/* Templates in Dovecot's own variable syntax, which is another one in 2.3
   ("%08Xu", "%{guid}") than in 2.4 ("%{uid | hex(8)}", "%{guid}"). */

#include "template-pieces.h"

struct popinjay_template;

/* Parse format, in which only the given variables may stand; their list ends
   with a NULL name and has to outlive the template. Returns 0, or -1 with the
   reason in error_r. */
int popinjay_template_parse(const char *format,
			    const struct popinjay_variable *variables,
			    struct popinjay_template **template_r,
			    const char **error_r);
/* Returns a format of ours in Dovecot's language: %{uid} for {uid}, which can
   be written wherever % means something else. What has a % already stays. In
   the data stack. */
const char *popinjay_template_from_braces(const char *format);
/* Free the template and set *template to NULL. Does nothing if it is NULL. */
void popinjay_template_free(struct popinjay_template **template);

/* Returns TRUE if the template uses variables[idx]. */
bool popinjay_template_uses(const struct popinjay_template *template,
			    unsigned int idx);

/* Returns the pieces that the template is made of and their number in *count_r,
   or NULL if it has some of Dovecot's functions, so that only
   popinjay_template_expand() can tell what becomes of it. They live as long as
   the template. */
const struct popinjay_template_piece *
popinjay_template_pieces(const struct popinjay_template *template,
			 unsigned int *count_r);

/* Append the template to dest, with values[i] for variables[i]. The value of a
   variable that it does not use may be NULL. Returns 0, or -1 with the reason
   in error_r. */
int popinjay_template_expand(const struct popinjay_template *template,
			     const char *const *values, string_t *dest,
			     const char **error_r);

/* The same, always by Dovecot's own functions: for templates without pieces,
   and to compare with. */
int popinjay_template_expand_native(const struct popinjay_template *template,
				    const char *const *values, string_t *dest,
				    const char **error_r);

#endif
