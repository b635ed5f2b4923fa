#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Makes configure. Set ACLOCAL_PATH where Dovecot's dovecot.m4 is in none of
# aclocal's own directories.
set -e
cd "$(dirname "$0")"
# dovecot.m4 uses macros that autoconf calls obsolete; that is not ours to fix.
exec autoreconf --install --warnings=no-obsolete "$@"
