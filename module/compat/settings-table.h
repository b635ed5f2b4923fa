/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* All settings, a row each. Everything that has to know them is made of these
   rows: struct popinjay_settings, the defaults, the parsers for 2.3 and 2.4 and
   the list of known names. Tests check the manual and the example files against
   them. A userdb can return each of them for one user. In order of names.

   Whoever includes this file defines macros for the types it wants:

     STR(name, default)          text
     TEMPLATE(name, default)     text with variables of a message, which Dovecot
                                 must not take for the user's
     ENUM(name, default, others) one of some words; others are "a:b:c"
     BOOL(name, default)
     MAYBE_BOOL(name)            yes, no, or "": as Dovecot's own setting is
     TIME(name, default, min, max)
                                 the struct has it as name_secs
     UINT(name, default, max, unit)
                                 0 is off
     FIELD(name)                 no setting, but a name that may stand among
                                 them */

#ifndef STR
#  define STR(name, default_value)
#endif
#ifndef TEMPLATE
#  define TEMPLATE(name, default_value)
#endif
#ifndef ENUM
#  define ENUM(name, default_value, others)
#endif
#ifndef BOOL
#  define BOOL(name, default_value)
#endif
#ifndef MAYBE_BOOL
#  define MAYBE_BOOL(name)
#endif
#ifndef TIME
#  define TIME(name, default_secs, min_secs, max_secs)
#endif
#ifndef UINT
#  define UINT(name, default_value, max, unit)
#endif
#ifndef FIELD
#  define FIELD(name)
#endif

/* The access log: lists of words; see access-log-config.h. */
STR(popinjay_access_log, "log")
STR(popinjay_access_log_anonymize, "")
STR(popinjay_access_log_events, "session expunge")
ENUM(popinjay_access_log_format, "json", "logfmt")
STR(popinjay_access_log_headers, "message-id")
/* Path of the key that popinjay_access_log_anonymize needs. */
STR(popinjay_access_log_key_file, "")

/* CAPA after login names us and our version. */
BOOL(popinjay_capability_implementation, FALSE)
/* For CAPA after login. "" is what Dovecot's own setting says, which the mail
   process of 2.3 cannot read. */
MAYBE_BOOL(popinjay_disable_plaintext_auth)
/* How long a client may be silent, or not read. */
TIME(popinjay_idle_timeout, 10 * 60, 1, 24 * 60 * 60)
/* Where messages stand that did not get through to the client. */
ENUM(popinjay_order, "trouble-last", "arrival")
/* A valid X-UIDL header is the message's UIDL. "" is what pop3_reuse_xuidl says
   in the pop3 process, and no in others. */
MAYBE_BOOL(popinjay_reuse_xuidl)
/* As popinjay_disable_plaintext_auth: Dovecot's auth_mechanisms. */
STR(popinjay_sasl_mechanisms, "")

/* More of the messages than this would have another UIDL: none is shown. */
UINT(popinjay_uidl_drift_limit, 0, 100, "percent")
/* "" stands for Dovecot's pop3_uidl_format. */
TEMPLATE(popinjay_uidl_format, "")
/* Path of the key that %{hmac} needs. */
STR(popinjay_uidl_key_file, "")
/* UIDLs before some time, and until when or which uid; both "" or neither. */
TEMPLATE(popinjay_uidl_old_format, "")
STR(popinjay_uidl_old_until, "")
/* Name of the UIDL policy; "format" is the template. */
STR(popinjay_uidl_policy, "format")
/* Every UIDL that is shown is saved. */
BOOL(popinjay_uidl_save, FALSE)
/* Sources of UIDLs in their order; "": what the other settings mean. */
STR(popinjay_uidl_sources, "")
/* Replace UIDLs longer than RFC 1939 allows, unless they are saved. */
BOOL(popinjay_uidl_strict, FALSE)

/* What the passdb says of a secret; Dovecot puts it among the settings, as all
   fields of the userdb. */
FIELD(popinjay_secret_id)
FIELD(popinjay_secret_label)
FIELD(popinjay_secret_read_only)
#ifndef POPINJAY_HAVE_SETTINGS_GET
/* doveadm's */
FIELD(popinjay_secret_config)
#endif

#undef STR
#undef TEMPLATE
#undef ENUM
#undef BOOL
#undef MAYBE_BOOL
#undef TIME
#undef UINT
#undef FIELD
