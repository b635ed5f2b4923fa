dnl SPDX-License-Identifier: LGPL-2.1-or-later

dnl POPINJAY_FIND_DOVECOT
dnl DC_DOVECOT, which looks in $prefix/lib/dovecot only, told to look in the
dnl usual places too. Sets dovecotdir, moduledir and LIBDOVECOT*.
AC_DEFUN([POPINJAY_FIND_DOVECOT], [
  AS_IF([test -z "$with_dovecot"], [
    for popinjay_dir in "$prefix/lib/dovecot" /usr/local/lib/dovecot \
        /usr/lib/dovecot /usr/lib64/dovecot; do
      AS_IF([test -f "$popinjay_dir/dovecot-config"],
        [with_dovecot=$popinjay_dir; break])
    done
  ])
  dnl It is for programs that Dovecot's own tests run, and in 2.4 it wants a
  dnl file of Dovecot's in build-aux.
  m4_define([DC_DOVECOT_TEST_WRAPPER], [])
  DC_DOVECOT
  dnl DC_DOVECOT_MODULEDIR of 2.4 is not where Dovecot looks.
  AC_ARG_WITH([moduledir],
    [AS_HELP_STRING([--with-moduledir=DIR],
      [where modules are installed (default: where Dovecot looks)])],
    [moduledir=$withval], [moduledir=$dovecot_moduledir])
  AC_SUBST([moduledir])
  AC_ARG_WITH([programdir],
    [AS_HELP_STRING([--with-programdir=DIR],
      [where services are installed (default: where Dovecot's are)])],
    [programdir=$withval], [programdir=$dovecot_pkglibexecdir])
  AC_SUBST([programdir])
  dnl "doveadm help" looks in Dovecot's own directory only.
  AS_IF([test "x$mandir" = 'x${datarootdir}/man'], [
    popinjay_dir=`sed -n \
      's|^dovecot_docdir=\(.*\)/doc/.*|\1/man|p' "$dovecotdir/dovecot-config"`
    AS_IF([test -d "$popinjay_dir"], [mandir=$popinjay_dir])
  ])
  dnl libdovecot is in no directory that the run-time linker knows.
  AC_SUBST([LIBDOVECOT_RUN], ["$LIBDOVECOT -R$abs_dovecotdir"])
  AC_SUBST([LIBDOVECOT_COMPRESS_RUN],
    ["-L$abs_dovecotdir $LIBDOVECOT_COMPRESS -Wl,-rpath,$abs_dovecotdir"])
  dnl dovecot-config does not name these folders of a build tree.
  AS_IF([test "x$DOVECOT_INSTALLED" = xno], [
    popinjay_src=`echo "$LIBDOVECOT_POP3_INCLUDE" | sed 's|/pop3 *$||'`
    LIBDOVECOT_POP3_INCLUDE="$LIBDOVECOT_POP3_INCLUDE $popinjay_src/lib-pop3"
    for popinjay_dir in maildir mbox dbox-common dbox-single dbox-multi; do
      popinjay_dir="$popinjay_src/lib-storage/index/$popinjay_dir"
      LIBDOVECOT_STORAGE_INCLUDE="$LIBDOVECOT_STORAGE_INCLUDE $popinjay_dir"
    done
  ])
  dnl A trial installation must not write to the real Dovecot.
  popinjay_dir="--with-moduledir='\$\${libdir}/dovecot/modules'"
  popinjay_dir="$popinjay_dir --with-programdir='\$\${libexecdir}/dovecot'"
  popinjay_dir="$popinjay_dir --mandir='\$\${prefix}/share/man'"
  DISTCHECK_CONFIGURE_FLAGS="--with-dovecot=$abs_dovecotdir $popinjay_dir"
])

dnl POPINJAY_WARNINGS
dnl Dovecot's own set of warnings is in CFLAGS by now; these are on top of it.
dnl Level 2 of strict-aliasing sees faults where there are none, as in every
dnl cast to struct sockaddr; -Wall has level 3.
AC_DEFUN([POPINJAY_WARNINGS], [
  CFLAGS=`echo "$CFLAGS" | sed 's/-Wstrict-aliasing=2//'`
  for popinjay_flag in -Wextra -Wshadow -Wundef -Wwrite-strings \
      -Wimplicit-fallthrough -Wno-unused-parameter; do
    gl_WARN_ADD([$popinjay_flag], [WARN_CFLAGS])
  done
  AC_ARG_ENABLE([werror],
    [AS_HELP_STRING([--enable-werror], [make warnings errors (for our CI)])],
    [], [enable_werror=no])
  AS_IF([test "x$enable_werror" = xyes], [WARN_CFLAGS="$WARN_CFLAGS -Werror"])
])

dnl POPINJAY_PREFIX_MAP
dnl Where a build was made is not in what it made. The last flag that fits
dnl counts: that of a folder in the other one, which sort puts behind it.
AC_DEFUN([POPINJAY_PREFIX_MAP], [
  popinjay_dirs=`{ pwd; cd "$srcdir" && pwd; } | LC_ALL=C sort`
  for popinjay_dir in $popinjay_dirs; do
    popinjay_flag="-ffile-prefix-map=$popinjay_dir=."
    gl_WARN_ADD([$popinjay_flag], [PREFIX_MAP_CFLAGS])
  done
])

dnl POPINJAY_CHARTJS
AC_DEFUN([POPINJAY_CHARTJS], [
  AC_ARG_WITH([chartjs],
    [AS_HELP_STRING([--with-chartjs=FILE],
      [the chart.umd.js that reports get (default: the one that comes along)])
AS_HELP_STRING([--without-chartjs], [reports without charts])],
    [], [with_chartjs=yes])
  AS_CASE([$with_chartjs],
    [yes], [CHARTJS='$(srcdir)/module/doveadm/log/page/chart.umd.min.js'],
    [no], [CHARTJS=/dev/null],
    [CHARTJS=$with_chartjs
     AS_IF([test ! -f "$CHARTJS" || test ! -r "$CHARTJS"],
       [AC_MSG_ERROR([--with-chartjs: cannot read the file $CHARTJS])])
     AS_CASE([$CHARTJS], [/*], [], [CHARTJS=`pwd`/$CHARTJS])])
  AC_SUBST([CHARTJS])
])

dnl POPINJAY_SANITIZERS
AC_DEFUN([POPINJAY_SANITIZERS], [
  AC_ARG_ENABLE([sanitizers],
    [AS_HELP_STRING([--enable-sanitizers],
      [build with ASan and UBSan (for tests; preload libasan into Dovecot)])],
    [], [enable_sanitizers=no])
  AS_IF([test "x$enable_sanitizers" = xyes], [
    SANITIZER_FLAGS="-fsanitize=address,undefined -fno-sanitize-recover=all"
    SANITIZER_FLAGS="$SANITIZER_FLAGS -fno-omit-frame-pointer -U_FORTIFY_SOURCE"
  ])
  AC_SUBST([SANITIZER_FLAGS])
  AM_CONDITIONAL([SANITIZERS], [test "x$enable_sanitizers" = xyes])
])

dnl POPINJAY_HEADERS(FAMILY, WHOSE, INCLUDES, [CPPFLAGS])
dnl A family of Dovecot's headers, which POPINJAY_PROBE() compiles with. Unless
dnl they compile by themselves every probe would say "no", so configure ends
dnl here.
AC_DEFUN([POPINJAY_HEADERS], [
  m4_define([popinjay_includes_$1], [#include "lib.h"
$3])
  m4_define([popinjay_CPPFLAGS_$1], [$4])
  popinjay_family_CPPFLAGS=$CPPFLAGS
  CPPFLAGS="$CPPFLAGS $4"
  AC_MSG_CHECKING([whether Dovecot's headers of $2 compile])
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM([popinjay_includes_$1], [])],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     popinjay_error=`grep -m 1 'error:' conftest.err`
     AC_MSG_ERROR([Dovecot's headers of $2 do not compile
       ($popinjay_error).
       Debian has them in dovecot-dev; config.log has the whole output])])
  CPPFLAGS=$popinjay_family_CPPFLAGS
])

dnl POPINJAY_PROBE(NAME, WHAT, FAMILY, BODY)
dnl Define POPINJAY_HAVE_NAME when BODY compiles inside a function behind the
dnl headers of FAMILY. WHAT says to people what is looked for.
AC_DEFUN([POPINJAY_PROBE], [
  popinjay_family_CPPFLAGS=$CPPFLAGS
  CPPFLAGS="$CPPFLAGS popinjay_CPPFLAGS_$3"
  AC_CACHE_CHECK([for $2], [popinjay_cv_have_]m4_tolower([$1]),
    [AC_COMPILE_IFELSE(
      [AC_LANG_PROGRAM([m4_ifdef([popinjay_includes_$3],
         [popinjay_includes_$3], [m4_fatal([no POPINJAY_HEADERS([$3])])])],
         [$4])],
      [popinjay_cv_have_]m4_tolower([$1])[=yes],
      [popinjay_cv_have_]m4_tolower([$1])[=no])])
  CPPFLAGS=$popinjay_family_CPPFLAGS
  AS_VAR_IF([popinjay_cv_have_]m4_tolower([$1]), [yes],
    [AC_DEFINE([POPINJAY_HAVE_$1], [1], [Dovecot has $2.])])
])

dnl POPINJAY_PROBE_SASL_SERVER
dnl Dovecot 2.4.2 to 2.4.4 install two headers of one name over each other.
AC_DEFUN([POPINJAY_PROBE_SASL_SERVER], [
  popinjay_family_CPPFLAGS=$CPPFLAGS
  CPPFLAGS="$CPPFLAGS $LIBDOVECOT_AUTH_INCLUDE"
  AC_CACHE_CHECK([whether Dovecot's passdb.h finds the wrong sasl-server.h],
    [popinjay_cv_wrong_sasl_server],
    [AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include "lib.h"
#include "auth-common.h"
#include "auth-sasl.h"]], [[return SASL_SERVER_AUTH_FLAG_PRIVATE;]])],
      [popinjay_cv_wrong_sasl_server=yes],
      [popinjay_cv_wrong_sasl_server=no])])
  CPPFLAGS=$popinjay_family_CPPFLAGS
  AS_VAR_IF([popinjay_cv_wrong_sasl_server], [yes],
    [AC_DEFINE([POPINJAY_WRONG_SASL_SERVER_H], [1],
      [auth-sasl.h includes the sasl-server.h of the login process.])])
])

dnl POPINJAY_PROBE_DOVECOT
dnl What one Dovecot has and another has not, found by compiling, never by
dnl version number. Only module/compat uses these names.
AC_DEFUN([POPINJAY_PROBE_DOVECOT], [
  popinjay_save_CPPFLAGS=$CPPFLAGS
  popinjay_save_CFLAGS=$CFLAGS
  CPPFLAGS="-DHAVE_CONFIG_H $LIBDOVECOT_INCLUDE $LIBDOVECOT_STORAGE_INCLUDE"
  CPPFLAGS="$CPPFLAGS -I$srcdir/module/compat $popinjay_save_CPPFLAGS"
  dnl A function that is not declared must not compile.
  CFLAGS="$CFLAGS -Werror=implicit-function-declaration"

  POPINJAY_HEADERS([settings], [the settings], [[
#include "settings.h"]])
  POPINJAY_PROBE([SETTINGS_GET], [settings_get() in settings.h], [settings],
    [[struct { pool_t pool; } *set; const char *error;
      return settings_get(NULL, NULL, 0, &set, &error);]])
  POPINJAY_PROBE([SETTINGS_EVENT_ADD_FILTER_NAME],
    [settings_event_add_filter_name()], [settings],
    [[settings_event_add_filter_name(NULL, "");]])
  AS_IF([test "x$popinjay_cv_have_settings_get" = xyes &&
         test "x$popinjay_cv_have_settings_event_add_filter_name" = xno],
    [AC_MSG_ERROR([this is Dovecot 2.4.0, which Popinjay does not support:
       use 2.4.1 or newer])])

  dnl json-generator.h is in 2.4 only.
  POPINJAY_HEADERS([any], [any process], [[
#include "event-log.h"
#include "iostream-ssl.h"
#include "master-service.h"
#include "master-service-settings.h"
#include "ostream-file-private.h"
#include "settings-parser.h"
#include "str.h"
#include "var-expand.h"
#if __has_include("json-generator.h")
#  include "json-generator.h"
#endif]])
  POPINJAY_PROBE([OSTREAM_NO_DELAY_ENABLED],
    [struct file_ostream member no_delay_enabled], [any],
    [[struct file_ostream *s = NULL; return s->no_delay_enabled;]])
  POPINJAY_PROBE([EVENT_GET_GLOBAL_DEBUG_SEND_FILTER],
    [event_get_global_debug_send_filter()], [any],
    [[return event_get_global_debug_send_filter() != NULL;]])
  POPINJAY_PROBE([EVENT_REASON], [event_reason_begin()], [any],
    [[return event_reason_begin(event_reason_code("pop3", "stat")) != NULL;]])
  POPINJAY_PROBE([SETTINGS_READ_ROOTS],
    [master_service_settings_read_simple() with roots], [any],
    [[const char *error;
      return master_service_settings_read_simple(NULL, NULL, &error);]])
  POPINJAY_PROBE([VAR_EXPAND_PROGRAM], [var_expand_program_create()], [any],
    [[struct var_expand_program *p; const char *error;
      return var_expand_program_create("", &p, &error);]])
  POPINJAY_PROBE([JSON_GENERATOR_H],
    [json_append_escaped() in json-generator.h], [any],
    [[
#if !__has_include("json-generator.h")
#  error none
#endif
      json_append_escaped(NULL, "");]])
  POPINJAY_PROBE([SSL_CLIENT_AUTOCREATE], [io_stream_autocreate_ssl_client()],
    [any],
    [[const char *error;
      return io_stream_autocreate_ssl_client(NULL, NULL, NULL, NULL,
					     &error);]])
  POPINJAY_PROBE([POOL_EXTERNAL_REF], [pool_add_external_ref()], [any],
    [[pool_add_external_ref(NULL, NULL);]])

  POPINJAY_HEADERS([dict], [the dict clients], [[
#include "dict.h"]])
  POPINJAY_PROBE([DICT_INIT_AUTO], [dict_init_auto()], [dict],
    [[const char *error; return dict_init_auto(NULL, NULL, &error);]])
  POPINJAY_PROBE([DICT_OP_SETTINGS], [struct dict_op_settings], [dict],
    [[return sizeof(struct dict_op_settings);]])
  POPINJAY_PROBE([DICT_OP_NO_SLOWNESS_WARNING],
    [struct dict_op_settings member no_slowness_warning], [dict],
    [[struct dict_op_settings *s = NULL; return s->no_slowness_warning;]])
  POPINJAY_PROBE([DICT_HIDE_LOG_VALUES],
    [dict_transaction_set_hide_log_values()], [dict],
    [[dict_transaction_set_hide_log_values(NULL, TRUE);]])

  POPINJAY_HEADERS([storage], [mail storage], [[
#include "mail-storage.h"
#include "mail-storage-service.h"
#include "mail-storage-settings.h"
#include "mail-user.h"
#include "index-storage.h"
#include "index-mail.h"
#include "dbox-mail.h"
#include "maildir-filename.h"
#include "maildir-uidlist.h"
#include "mbox-storage.h"
#include "sdbox-storage.h"
#include "dbox-save.h"]])
  POPINJAY_PROBE([MAIL_USER_CONN_SSL_SECURED],
    [struct mail_user member conn.ssl_secured], [storage],
    [[struct mail_user *u = NULL; return u->conn.ssl_secured;]])
  POPINJAY_PROBE([MAIL_USER_CONN_END_CLIENT_TLS_SECURED],
    [struct mail_user member conn.end_client_tls_secured], [storage],
    [[struct mail_user *u = NULL; return u->conn.end_client_tls_secured;]])

  POPINJAY_HEADERS([pop3], [the pop3 process], [[
#include "array.h"
#include "ioloop.h"
#include "istream.h"
#include "ostream.h"
#include "mail-storage.h"
#include "mail-user.h"
#include "pop3-capability.h"
#include "pop3-common.h"
#include "pop3-client.h"
#include "pop3-commands.h"]], [$LIBDOVECOT_POP3_INCLUDE])
  POPINJAY_PROBE([POP3_CLIENT_EVENT], [pop3 struct client member event], [pop3],
    [[struct client *c = NULL; return c->event != NULL;]])
  POPINJAY_PROBE([POP3_CLIENT_SERVICE_USER],
    [pop3 struct client member service_user], [pop3],
    [[struct client *c = NULL; return c->service_user != NULL;]])
  POPINJAY_PROBE([POP3_COMMAND_FIND], [pop3_command_find()], [pop3],
    [[return pop3_command_find("STAT") != NULL;]])
  POPINJAY_PROBE([POP3_COMMAND_CONTEXT], [struct pop3_command_context], [pop3],
    [[return sizeof(struct pop3_command_context);]])

  POPINJAY_HEADERS([login], [the login processes], [[
#include "login-common.h"
#include "client-common.h"]], [$LIBDOVECOT_LOGIN_INCLUDE])
  POPINJAY_PROBE([LOGIN_CLIENT_SSL_SECURED],
    [login struct client member ssl_secured], [login],
    [[struct client *c = NULL; return c->ssl_secured;]])

  POPINJAY_HEADERS([doveadm], [doveadm], [[
#include "doveadm.h"
#include "doveadm-mail.h"
#include "doveadm-print.h"]], [$LIBDOVECOT_DOVEADM_INCLUDE])
  POPINJAY_PROBE([DOVEADM_MAIL_ARGS], [doveadm commands with args], [doveadm],
    [[struct doveadm_mail_cmd_context *c = NULL;
      c->v.init(c, c->args);]])
  POPINJAY_PROBE([CMD_FLAG_NO_OPTIONS], [CMD_FLAG_NO_OPTIONS], [doveadm],
    [[return CMD_FLAG_NO_OPTIONS;]])

  dnl In 2.3 a passdb has args; in 2.4 it has settings, and later parameters
  dnl too.
  POPINJAY_PROBE_SASL_SERVER
  POPINJAY_HEADERS([auth], [the auth process], [[
#include "auth-headers.h"]], [$LIBDOVECOT_AUTH_INCLUDE])
  POPINJAY_PROBE([PASSDB_ARGS], [passdbs with args], [auth],
    [[struct passdb_module *m = NULL;
      return m->iface.preinit(NULL, m->args) != NULL;]])
  POPINJAY_PROBE([PASSDB_PARAMETERS], [struct passdb_parameters], [auth],
    [[return sizeof(struct passdb_parameters);]])
  POPINJAY_PROBE([AUTH_REQUEST_CONN_SECURED],
    [struct auth_request member fields.conn_secured], [auth],
    [[struct auth_request *r = NULL;
      return r->fields.conn_secured == AUTH_REQUEST_CONN_SECURED_TLS;]])
  POPINJAY_PROBE([AUTH_REQUEST_PROTOCOL],
    [struct auth_request member fields.protocol], [auth],
    [[struct auth_request *r = NULL; return *r->fields.protocol;]])

  CPPFLAGS=$popinjay_save_CPPFLAGS
  CFLAGS=$popinjay_save_CFLAGS
])
