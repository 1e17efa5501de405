#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A bucket of format version 1, as the first release wrote it: every later version opens it and finds what was put in, inode numbers, times in ns,
# links, devices, xattrs and a void journal number included. The files of tests/data/sample-bucket-1 are never made anew.
. "${0%/*}/lib.sh"
requires tar
requires xz
requires getfattr
[ "$(id -u)" = 0 ] || skip "trusted xattrs and devices are shown to root only"

mkdir "$TMP/sample"
tar -C "$TMP/sample" -xJf "$SRC/tests/data/sample-bucket-1.tar.xz"
(cd "$TMP/sample/bucket" && find . -type f ! -path './.tmp/*' | cut -c 3-) >"$TMP/keys"
while read -r key; do
    object_put "$key" <"$TMP/sample/bucket/$key"
done <"$TMP/keys"
"$ASSETFS" key import "$VOLUME" <"$SRC/tests/data/sample-bucket-1.key" >"$TMP/out"
mount_volume ro

(
    cd "$MNT"
    find . -mindepth 1 -printf '%P|%i|%y|%m|%U|%G|%n|%T@|%C@|%l\n' | LC_ALL=C sort
    find . -type f -exec sha256sum {} + | LC_ALL=C sort -k2
    find . -print0 | LC_ALL=C sort -z | xargs -0 getfattr -h -d -m - 2>/dev/null
) >"$TMP/list"
diff "$SRC/tests/data/sample-bucket-1.list" "$TMP/list" || fail "the sample bucket reads differently"
equals "$(status_value entries_void)" 1 "void journal numbers"
umount_volume
