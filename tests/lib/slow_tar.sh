# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2034 # what it sets is for the tests
#
# For tests of what happens under a running tar, which goes on only as far as the test lets it:
#   SLOWLY              options of a mount that reads nothing ahead
#   tree_for_tar DIR    what it reads: some 6 MB
#   tar_on DIR          begins
#   tar_reads MIB       lets it read so much more, and then it stands still
#   tar_off SOURCE      it ends without a word, and has read what is in SOURCE

SLOWLY=read_ahead=0

tree_for_tar() {
    local n
    mkdir -p "$1"
    for n in 1 2 3; do
        echo "file $n" >"$1/$n.txt"
        bytes 2000000 "$n" >"$1/$n.bin"
    done
}

tar_on() {
    mkfifo "$TMP/tar.pipe"
    (cd "$1" && exec tar -cf "$TMP/tar.pipe" .) 2>"$TMP/tar.err" &
    TAR=$!
    cleanup_fn "kill $TAR 2>/dev/null"
    exec 3<"$TMP/tar.pipe"
    : >"$TMP/read.tar"
}

tar_reads() {
    head -c $(($1 * 1048576)) <&3 >>"$TMP/read.tar"
    is_running "$TAR" || fail "the tar was over too early"
}

tar_off() {
    cat <&3 >>"$TMP/read.tar"
    exec 3<&-
    wait "$TAR" || fail "tar failed: $(cat "$TMP/tar.err")"
    equals "$(cat "$TMP/tar.err")" '' "tar"
    mkdir "$TMP/read"
    tar -xf "$TMP/read.tar" -C "$TMP/read"
    diff -r "$1" "$TMP/read" >&2 || fail "tar has read something else"
}
