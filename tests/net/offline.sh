#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# No server can be reached: the tree stays what it was, cached files read, the rest fails within the timeout, writes queue and `sync` says so; a mount works from
# local state. When the network is back all goes on by itself.
BACKENDS='double: it goes away'
. "${0%/*}/../sh/lib.sh"
requires openssl
bytes 100000 1 >"$TMP/cached"
bytes 100000 2 >"$TMP/not-cached"
new_volume
mount_volume
mkdir "$MNT/dir"
cp "$TMP/cached" "$TMP/not-cached" "$MNT/dir/"
remount_from_bucket poll=100ms,timeout=2s,drain_timeout=500ms
cat "$MNT/dir/cached" >/dev/null
touch "$MNT/dir/cached" # a host's first change needs the bucket: it makes the host known there
sync_volume

is_offline() {
    [ "$(status_value offline)" = "${1:-true}" ]
}
# check_offline NAMES-BEFORE NEW-NAME
check_offline() {
    equals "$(ls "$MNT/dir" | tr '\n' ' ')" "$1" "names without a network"
    cmp "$TMP/cached" "$MNT/dir/cached" || fail "what is cached cannot be read"
    expect 1 timeout 20 cat "$MNT/dir/not-cached"
    grep -q 'Input/output error' "$TMP/err" || fail "not EIO: $(cat "$TMP/err")"
    expect 0 dd if="$TMP/cached" of="$MNT/dir/$2" bs=64k
    expect 3 "$ASSETFS" sync --timeout 300ms "$MNT"
    says 'bucket|127\.0\.0\.1'
}

bucket_away
wait_for is_offline
check_offline "cached not-cached " written-1
expect 3 "$ASSETFS" umount "$MNT"
says 'queued.*next mount'
expect 0 "$ASSETFS" mount -o poll=100ms,timeout=2s,drain_timeout=500ms "$VOLUME" "$MNT"
says 'going on with local state'
check_offline "cached not-cached written-1 " written-2

bucket_back
wait_for is_offline false
sync_volume
wait_for cmp "$TMP/not-cached" "$MNT/dir/not-cached" # a read that began before may still wait
remount_from_bucket
for n in 1 2; do
    cmp "$TMP/cached" "$MNT/dir/written-$n" || fail "written-$n is not what was written"
done
umount_volume
