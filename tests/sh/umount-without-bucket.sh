#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# `sync` and `umount` while nobody can reach the bucket: 3 and a sentence that says what is left; the next mount goes on with it.
BACKENDS='dir double: it takes the bucket away'
. "${0%/*}/lib.sh"
requires openssl
new_volume
mount_volume
touch "$MNT/first" # a host's first change needs the bucket
sync_volume
bucket_away
bytes 200000 1 >"$MNT/queued"
expect 3 "$ASSETFS" sync --timeout 300ms "$MNT"
says 'not .*(durable|in the bucket)|queued|left'
expect 3 "$ASSETFS" umount --timeout 300ms "$MNT"
says '1 file.*queued.*next mount'

bucket_back
mount_volume
expect 0 "$ASSETFS" sync "$MNT"
remount_from_bucket
bytes 200000 1 | cmp - "$MNT/queued"
umount_volume
