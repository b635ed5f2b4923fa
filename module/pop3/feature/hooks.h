/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_HOOKS_H
#define POPINJAY_HOOKS_H

struct popinjay_feature;

/* What plugins have registered with version 1 of include/popinjay.h. */
extern const struct popinjay_feature popinjay_hooks_feature;

#endif
