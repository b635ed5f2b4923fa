/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_POLICY_H
#define POPINJAY_UIDL_POLICY_H

struct popinjay_uidl_policy;

/* The name of the policy that is a template. No plugin can take it. */
#define POPINJAY_UIDL_POLICY_FORMAT "format"

/* The names of our other sources of UIDLs, which no plugin can take either. */
#define POPINJAY_UIDL_SOURCE_SAVED "saved"
#define POPINJAY_UIDL_SOURCE_STORED "stored"
#define POPINJAY_UIDL_SOURCE_XUIDL "xuidl"
#define POPINJAY_UIDL_SOURCE_OLD "old"

/* Returns the registered policy of that name, or NULL. */
const struct popinjay_uidl_policy *
popinjay_uidl_policy_find(const char *name);
/* Returns the names of all policies, "format" first, separated by commas. */
const char *popinjay_uidl_policy_names(void);

#endif
