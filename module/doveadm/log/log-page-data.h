/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_PAGE_DATA_H
#define POPINJAY_LOG_PAGE_DATA_H

/* The files of page/, made into C by page/embed. */

struct popinjay_page_file {
	const unsigned char *data;
	size_t size;
};

extern const struct popinjay_page_file popinjay_page_style;
extern const struct popinjay_page_file popinjay_page_library;
extern const struct popinjay_page_file popinjay_page_script;

#endif
