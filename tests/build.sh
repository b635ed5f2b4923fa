# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What tests/check and tests/demo have in common, who source it: the build in
# build/, which they share. Before it they set me to their name and define
# build_failed, which ends them.
#
# environment: see tests/check

set -u -o pipefail
export LC_ALL=C.UTF-8
export POPINJAY_DOVECOT=${POPINJAY_DOVECOT-}

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P) || exit 1
build=$top/build
# where it is built from
source=$top
logs=$build/check-logs
jobs=${POPINJAY_JOBS:-$(nproc)}
ulimit -c 0

# Where the tree cannot be written to, run this program in a copy of it, which
# is removed unless the program fails. What another user built here, root for
# example, is in our way too.
# use_copy_if_needed [ARG...]
use_copy_if_needed() {
	local copy status

	[ -n "$(find "$top" -path "$top/.git" -prune -o \
	    ! -type l ! -writable -print -quit)" ] || return 0
	copy=$(mktemp -d "${TMPDIR:-/tmp}/popinjay-$me.XXXXXX") || exit 1
	echo "$me: this tree cannot be written to: using the copy $copy"
	# mail processes, which are other users, must get to the modules
	chmod 755 "$copy"
	tar -c -C "$top" --exclude=./build --exclude=./.git \
		--exclude=./autom4te.cache . | tar -x -C "$copy" || exit 1
	"$copy/tests/$me" "$@"
	status=$?
	[ $status -ne 0 ] || rm -rf "$copy"
	exit $status
}

# Where the tree itself has been configured, as README.md says under Install,
# automake refuses to build in another directory: so build from a copy of what
# was not made there. Times stay, so what is up to date is not made again.
use_source_copy_if_needed() {
	[ -e "$top/config.status" ] || return 0
	source=$build/source
	mkdir -p "$source" && tar -c -C "$top" --exclude=./build \
		--exclude=./.git --exclude=./autom4te.cache \
		--exclude=./config.status --exclude=./Makefile \
		--exclude=./libtool --exclude=./autoconf.h \
		--exclude=./popinjay-config.h --exclude=./stamp-h1 \
		--exclude=.libs --exclude=.deps --exclude=.dirstamp \
		--exclude=./stage --exclude=log-page-data.c \
		--exclude='*.o' --exclude='*.lo' --exclude='*.la' . |
		tar -x -C "$source"
}

# step NAME COMMAND [ARG...]: run what has to work before anything else can.
step() {
	local name=$1 started=$SECONDS log=$logs/$1.log

	shift
	printf '%s: %s' "$me" "$name"
	if "$@" >"$log" 2>&1 </dev/null 9>&-; then
		printf ', %d s\n' $((SECONDS - started))
	else
		printf ': FAILED after %d s\n' $((SECONDS - started))
		grep -E -B 2 -A 12 '(error|ERROR):|\*\*\*' "$log" |
			head -n 80 || tail -n 40 "$log"
		echo "$me: the whole log is $log"
		build_failed
	fi
}

# What configure has found and been told: when that changes it runs again.
config_args=(--enable-werror --enable-maintainer-mode
	${POPINJAY_DOVECOT:+"--with-dovecot=$POPINJAY_DOVECOT"})
# shellcheck disable=SC2206
config_args+=(${POPINJAY_CONFIGURE-})
config_stamp() {
	echo "$source ${config_args[*]}"
	cat "${POPINJAY_DOVECOT:-/usr/lib/dovecot}/dovecot-config" 2>/dev/null
	PATH=$PATH:/usr/local/sbin:/usr/sbin dovecot --version 2>/dev/null
}

# configure DIR [ARG...]
configure() {
	local dir=$1

	shift
	rm -f "$dir/check-stamp"
	mkdir -p "$dir" && cd "$dir" &&
		"$source/configure" "${config_args[@]}" "$@" &&
		config_stamp >check-stamp
}

is_configured() {
	config_stamp | cmp -s - "$1/check-stamp"
}

# Install what is missing, wait for others who build here, and build the
# modules, so that tests find them in build/stage.
build_modules() {
	"$top/tests/prepare" "$me" </dev/null || build_failed
	mkdir -p "$logs" || exit 1
	exec 9>"$build/check-lock"
	flock -n 9 || {
		echo "$me: waiting for another run in this tree"
		flock 9
	}
	use_source_copy_if_needed || exit 1
	[ -x "$source/configure" ] || step autogen "$source/autogen.sh"
	is_configured "$build" || step configure configure "$build"
	step build make -C "$build" -j "$jobs" all
	step stage make -C "$build" stage
}
