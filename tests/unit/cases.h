/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CASES_H
#define CASES_H

/* Add a test for each element of an array, which is its data and whose member
   path, behind PREFIX, is its path. */
#define ADD_CASES(prefix, cases, func) \
	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) { \
		g_autofree char *path = \
			g_strconcat(prefix, cases[i].path, NULL); \
		g_test_add_data_func(path, &cases[i], func); \
	}

#endif
