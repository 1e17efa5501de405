#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The bucket vanishes while it is mounted, or an empty directory stands there instead (its disk is not mounted): the tree stays what it was, cached
# files read, writes queue, and `sync` says that they do. When it is back all goes on. Nothing is put into the empty directory.
BACKENDS='dir: an empty directory stands in place of the bucket; tests/net/offline.sh has a server that is away'
. "${0%/*}/lib.sh"
requires openssl
bytes 100000 1 >"$TMP/cached"
bytes 100000 2 >"$TMP/not-cached"

new_volume
mount_volume
mkdir "$MNT/dir"
cp "$TMP/cached" "$TMP/not-cached" "$MNT/dir/"
remount_from_bucket poll=50ms,timeout=300ms,drain_timeout=500ms
cat "$MNT/dir/cached" >/dev/null
touch "$MNT/dir/cached" # a host's first change needs the bucket: it makes the host known there
sync_volume

is_offline() {
    [ "$(status_value offline)" = "${1:-true}" ]
}

# While the bucket is away.
check_without_bucket() {
    equals "$(ls "$MNT/dir" | tr '\n' ' ')" "$1" "names without the bucket"
    cmp "$TMP/cached" "$MNT/dir/cached" || fail "what is cached cannot be read"
    ! cat "$MNT/dir/not-cached" >/dev/null 2>"$TMP/err" || fail "what is not cached was read"
    grep -q 'Input/output error' "$TMP/err" || fail "not EIO: $(cat "$TMP/err")"
    expect 0 dd if="$TMP/cached" of="$MNT/dir/$2" bs=64k
    expect 3 "$ASSETFS" sync --timeout 300ms "$MNT"
    says 'bucket'
}

mv "$BUCKET" "$TMP/away"
wait_for is_offline
check_without_bucket "cached not-cached " written-1
mkdir "$BUCKET"
check_without_bucket "cached not-cached written-1 " written-2
[ -z "$(ls -A "$BUCKET")" ] || fail "something was put into an empty directory: $(ls -A "$BUCKET")"

# umount says that something is left, a mount without the bucket works, and has it all.
expect 3 "$ASSETFS" umount "$MNT"
says 'queued.*next mount'
expect 0 "$ASSETFS" mount -o poll=50ms,timeout=300ms,drain_timeout=500ms "$VOLUME" "$MNT"
says 'bucket.*going on with local state'
check_without_bucket "cached not-cached written-1 written-2 " written-3
rmdir "$BUCKET"
check_without_bucket "cached not-cached written-1 written-2 written-3 " written-4

# Back again.
mv "$TMP/away" "$BUCKET"
wait_for is_offline false
sync_volume
wait_for cmp "$TMP/not-cached" "$MNT/dir/not-cached" # a read within its 300 ms may still fail on a busy machine
remount_from_bucket
for n in 1 2 3 4; do
    cmp "$TMP/cached" "$MNT/dir/written-$n" || fail "written-$n is not what was written"
done
umount_volume
