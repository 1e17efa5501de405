#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The bucket's disk is full: files stay queued, `sync` and `umount` say so and end with 3; when there is room again all goes on.
BACKENDS='dir: S3 is never full; tests/net/refused.sh has puts that are refused'
PRIVATE_MOUNTS=yes
. "${0%/*}/lib.sh"
requires openssl
mkdir "$BUCKET"
mount -t tmpfs -o size=4m none "$BUCKET"
new_volume
mount_volume drain_timeout=1s
bytes 1000000 1 >"$TMP/fits"
bytes 6000000 2 >"$TMP/does-not"
cp "$TMP/fits" "$MNT/"
sync_volume
cp "$TMP/does-not" "$MNT/"
expect 3 "$ASSETFS" sync --timeout 1s "$MNT"
says 'full.*make room'
cmp "$TMP/does-not" "$MNT/does-not" || fail "it cannot be read meanwhile"
expect 3 "$ASSETFS" umount "$MNT"
says 'queued.*full|full.*queued'

mount_volume
cmp "$TMP/does-not" "$MNT/does-not" || fail "it is gone after umount"
mount -o remount,size=40m "$BUCKET"
sync_volume
remount_from_bucket
cmp "$TMP/does-not" "$MNT/does-not"
cmp "$TMP/fits" "$MNT/fits"
umount_volume
