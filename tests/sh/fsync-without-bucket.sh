#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# fsync while nobody can reach the bucket: EIO after fsync_timeout, and the data stay queued; with durability=local it does not wait.
BACKENDS='dir double: it takes the bucket away'
. "${0%/*}/lib.sh"
new_volume
mount_volume fsync_timeout=300ms,drain_timeout=300ms
touch "$MNT/first" # a host's first change needs the bucket
sync_volume
echo some bytes >"$TMP/some"

bucket_away
expect 1 dd if="$TMP/some" of="$MNT/late" conv=fsync status=none
grep -q 'Input/output error' "$TMP/err" || fail "not EIO: $(cat "$TMP/err")"
cmp "$TMP/some" "$MNT/late"
expect 3 "$ASSETFS" umount "$MNT"
"$ASSETFS" mount -o durability=local "$VOLUME" "$MNT" 2>"$TMP/err"
dd if="$TMP/some" of="$MNT/quick" conv=fsync status=none

bucket_back
sync_volume
remount_from_bucket
cmp "$TMP/some" "$MNT/late"
cmp "$TMP/some" "$MNT/quick"
umount_volume
