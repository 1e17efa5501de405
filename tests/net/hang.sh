#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The CDN takes requests and never answers: a read fails after the timeout, the tree answers all the while. When it is over all goes on.
BACKENDS='double: it hangs'
. "${0%/*}/../sh/lib.sh"
requires openssl
bytes 100000 1 >"$TMP/source"
new_volume
mount_volume
mkdir "$MNT/dir"
cp "$TMP/source" "$MNT/dir/file"
remount_from_bucket timeout=1s,poll=100ms
touch "$MNT/dir" # a host's first change needs the bucket
sync_volume
fault cdn:hang >/dev/null
equals "$(find "$MNT" -type f | wc -l)" 1 "names"
expect 1 timeout 30 cat "$MNT/dir/file"
grep -q 'Input/output error' "$TMP/err" || fail "not EIO: $(cat "$TMP/err")"
is_offline() {
    [ "$(status_value offline)" = "${1:-true}" ]
}
wait_for is_offline
echo new >"$MNT/dir/new"
expect 3 "$ASSETFS" sync --timeout 500ms "$MNT"
says 'nothing has moved|timed out|in time'
equals "$(ls "$MNT/dir" | tr '\n' ' ')" "file new "
faults_off
wait_for is_offline false
sync_volume
cmp "$TMP/source" "$MNT/dir/file"
remount_from_bucket
equals "$(cat "$MNT/dir/new")" new
umount_volume
