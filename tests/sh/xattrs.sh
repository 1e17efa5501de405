#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The virtual extended attributes and `assetfs url` tell where a file is.
. "${0%/*}/lib.sh"
requires getfattr setfattr
new_volume
before=$(date -u +%Y-%m-%dT%H:%M:%S)
mount_volume settle=1h
printf 'hello\n' >"$MNT/hello.txt"
sum=$(sha256sum <"$MNT/hello.txt" | cut -c 1-64)
equals "$(truth state "$MNT/hello.txt")" local
sync_volume
equals "$(truth state "$MNT/hello.txt")" durable
equals "$(truth sha256 "$MNT/hello.txt")" "$sum"
equals "$(truth key "$MNT/hello.txt")" "files/$sum.txt"
equals "$(truth url "$MNT/hello.txt")" "$LINK/files/$sum.txt"
equals "$("$ASSETFS" url "$MNT/hello.txt")" "$LINK/files/$sum.txt"
object_get "files/$sum.txt" | cmp - "$MNT/hello.txt"
equals "$(truth sequence "$MNT/hello.txt")" "$(status_value sequence)" "the newest entry"
born=$(truth btime "$MNT/hello.txt")
expr "$born" : '[0-9]\{4\}-[0-9][0-9]-[0-9][0-9]T[0-9:]\{8\}\.[0-9]\{9\}Z$' >/dev/null || fail "no time: $born"
! expr "$born" \< "$before" >/dev/null || fail "born at $born, before $before"

# A change moves some of them, a rename others, and an attribute of our own is kept beside them.
echo more >>"$MNT/hello.txt"
sync_volume
[ "$(truth sha256 "$MNT/hello.txt")" != "$sum" ] || fail "the digest is still the old one"
equals "$(truth btime "$MNT/hello.txt")" "$born"
equals "$(object_get "files/$sum.txt")" hello "the old object"
setfattr -n user.mine -v 1 "$MNT/hello.txt"
equals "$(getfattr -d -m - --absolute-names "$MNT/hello.txt" | grep -v '^#' | tr -d '\n')" 'user.mine="1"' "listed attributes"
! setfattr -n user.assetfs.state -v durable "$MNT/hello.txt" 2>/dev/null || fail "user.assetfs.state can be set"
! setfattr -x user.assetfs.key "$MNT/hello.txt" 2>/dev/null || fail "user.assetfs.key can be removed"

# An empty file, a directory, what is not there.
: >"$MNT/empty"
mkdir "$MNT/dir"
sync_volume
equals "$(truth sha256 "$MNT/empty")" e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
equals "$(truth state "$MNT/dir")" durable
[ -z "$(truth sha256 "$MNT/dir")" ] || fail "a directory has a digest"
[ -z "$(truth nonsense "$MNT/empty")" ] || fail "user.assetfs.nonsense is there"
expect 1 "$ASSETFS" url "$MNT/nowhere"
says 'nowhere'
expect 1 "$ASSETFS" url "$TMP/init.out"
says 'assetfs'
remount_from_bucket
equals "$(truth btime "$MNT/hello.txt")" "$born"
equals "$(truth state "$MNT/hello.txt")" durable
umount_volume
