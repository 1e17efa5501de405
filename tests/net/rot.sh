#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Wrong bytes that the CDN keeps: asking it again helps nothing. What is wrong is never shown, the rest of the file is; when the CDN's cache has been emptied, all of
# it is.
BACKENDS='double: its cache rots'
. "${0%/*}/../sh/lib.sh"
requires openssl
bytes 100000 1 >"$TMP/small"
bytes 5000000 2 >"$TMP/large"
new_volume
mount_volume
cp "$TMP/small" "$TMP/large" "$MNT/"
remount_from_bucket timeout=2s,read_ahead=0
fault origin:rot=99999,count=1,prefix=files/ >/dev/null
expect 1 timeout 30 cat "$MNT/small"
grep -q 'Input/output error' "$TMP/err" || fail "not EIO: $(cat "$TMP/err")"
[ ! -s "$TMP/out" ] || fail "something was shown"
faults_off

fault origin:rot=2500000,count=1,prefix=files/ >/dev/null # in the third block
read_at() {
    dd if="$MNT/large" bs=4096 skip="$1" count=1 status=none >"$TMP/out" 2>"$TMP/err"
}
! read_at 610 || fail "a block with a wrong byte was shown"
faults_off
! read_at 600 || fail "a block with a wrong byte was shown"
for at in 0 1000; do
    read_at "$at" || fail "a good block of that file cannot be read: $(cat "$TMP/err")"
    dd if="$TMP/large" bs=4096 skip="$at" count=1 status=none | cmp - "$TMP/out"
done

control POST /purge
cmp "$TMP/small" "$MNT/small"
cmp "$TMP/large" "$MNT/large"
umount_volume
