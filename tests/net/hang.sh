#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The CDN takes requests and never answers: a read fails after the timeout, the tree answers all the while. What is written becomes durable, for S3 itself says whether a number of
# the journal is free, until another host's entry has to be read. When it is over all goes on.
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
B=$TMP/mnt-b
mount_volume "cache_dir=$TMP/b,host_label=bert,timeout=1s,poll=100ms" "$B"
mkdir "$B/dir/of-b"
sync_volume "$B"
wait_for test -d "$MNT/dir/of-b"
fault cdn:hang >/dev/null
equals "$(find "$MNT" -type f | wc -l)" 1 "names"
expect 1 timeout 30 cat "$MNT/dir/file"
grep -q 'Input/output error' "$TMP/err" || fail "not EIO: $(cat "$TMP/err")"
is_offline() {
    [ "$(status_value offline)" = "${1:-true}" ]
}
wait_for is_offline
echo new >"$MNT/dir/new"
sync_volume
dd if="$TMP/source" of="$MNT/dir/synced" bs=100000 count=1 conv=fsync status=none || fail "fsync"
is_offline || fail "the CDN answers"
equals "$(ls "$MNT/dir" | tr '\n' ' ')" "file new of-b synced "

# The other host has to read that before it writes.
echo theirs >"$B/theirs"
expect 3 "$ASSETFS" sync --timeout 1s "$B"
says 'nothing has moved|timed out|in time'
faults_off
wait_for is_offline false
cmp "$TMP/source" "$MNT/dir/file"
sync_volume "$B"
cmp "$TMP/source" "$B/dir/synced"
umount_volume "$B"
remount_from_bucket
equals "$(cat "$MNT/dir/new" "$MNT/theirs" | tr '\n' ' ')" "new theirs "
cmp "$TMP/source" "$MNT/dir/synced"
umount_volume
