# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# For tests of what assetfs(1) prints:
#   example NAME        its lines, as a reader sees them
#   run_example NAME    runs them, by a shell that finds this assetfs; the output is in $TMP/out

example() {
    sed -n "/^\\.\\\\\" example $1 begin\$/,/^\\.\\\\\" example $1 end\$/p" "$SRC/man/assetfs.1" | grep -v '^\.' | sed 's/\\e/\\/g; s/\\\\/\\/g' >"$TMP/example"
    [ -s "$TMP/example" ] || fail "the manual has no example $1"
    cat "$TMP/example"
}

run_example() {
    mkdir -p "$TMP/bin"
    ln -sf "$ASSETFS" "$TMP/bin/assetfs"
    example "$1" >"$TMP/run.sh"
    PATH=$TMP/bin:$PATH sh -e "$TMP/run.sh" >"$TMP/out" || fail "$1: exit status $?"
}
