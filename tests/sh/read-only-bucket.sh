#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A bucket that may be read and not written: everything can be read; what is written stays queued on this host, `sync` and `umount` say so and end with 3.
# When the bucket can be written again, all goes on.
BACKENDS='dir: the bucket is mounted read-only; tests/net/refused.sh has puts that are refused'
PRIVATE_MOUNTS=yes
. "${0%/*}/lib.sh"
new_volume
mount_volume
echo before >"$MNT/before"
sync_volume

mount --bind "$BUCKET" "$BUCKET"
mount -o remount,bind,ro "$BUCKET"
echo meanwhile >"$MNT/meanwhile"
mkdir "$MNT/dir"
mv "$MNT/before" "$MNT/dir/moved"
expect 3 "$ASSETFS" sync --timeout 1s "$MNT"
says 'may not write.*Read-only'
equals "$(cat "$MNT/meanwhile")" meanwhile
expect 3 "$ASSETFS" umount --timeout 1s "$MNT"
says 'queued.*next mount'
mount_volume drain_timeout=1s
equals "$(cat "$MNT/meanwhile" "$MNT/dir/moved" | tr '\n' ' ')" "meanwhile before "

# A host that only reads does not care.
mkdir "$TMP/mnt2"
mount_volume "cache_dir=$TMP/reader,ro" "$TMP/mnt2"
equals "$(cat "$TMP/mnt2/before")" before
! echo x 2>"$TMP/err" >"$TMP/mnt2/x" || fail "a write on a read-only mount was accepted"
grep -q 'Read-only file system' "$TMP/err" || fail "not EROFS: $(cat "$TMP/err")"
expect 0 "$ASSETFS" umount "$TMP/mnt2"

mount -o remount,bind,rw "$BUCKET"
sync_volume
remount_from_bucket
equals "$(cat "$MNT/meanwhile" "$MNT/dir/moved" | tr '\n' ' ')" "meanwhile before "
umount_volume
