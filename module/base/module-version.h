/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_MODULE_VERSION_H
#define POPINJAY_MODULE_VERSION_H

/* Marks the version of Popinjay in each module and program, so that it can be
   read from the file even if Dovecot refuses to load it. The version is
   followed by a NUL and the ABI of the Dovecot it was built for. */
#define POPINJAY_MODULE_MARK "Popinjay-version:"

/* Define the variable NAME_version that Dovecot compares with its own ABI
   before it runs any code of the module. */
#define POPINJAY_DEFINE_MODULE_VERSION(name) \
static const char name##_mark[] = \
	POPINJAY_MODULE_MARK POPINJAY_VERSION "\0" DOVECOT_ABI_VERSION; \
const char *name##_version = \
	name##_mark + sizeof(POPINJAY_MODULE_MARK POPINJAY_VERSION)

#endif
