#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# S3 refuses every put (the policy was changed): what is there can be read; what is written stays queued on this host, `sync` and `umount` end with 3 and say what
# S3 said. When it is allowed again all goes on by itself.
BACKENDS='double: it refuses puts'
. "${0%/*}/../sh/lib.sh"
new_volume
mount_volume
echo before >"$MNT/before"
sync_volume

fault s3:refuse >/dev/null
echo meanwhile >"$MNT/meanwhile"
mkdir "$MNT/dir"
mv "$MNT/before" "$MNT/dir/moved"
expect 3 "$ASSETFS" sync --timeout 2s "$MNT"
says 'AccessDenied'
equals "$(cat "$MNT/meanwhile")" meanwhile
expect 3 "$ASSETFS" umount --timeout 2s "$MNT"
says 'queued.*next mount'
mount_volume drain_timeout=1s
equals "$(cat "$MNT/meanwhile" "$MNT/dir/moved" | tr '\n' ' ')" "meanwhile before "

# A host that only reads does not care.
mount_volume "cache_dir=$TMP/reader,ro" "$TMP/mnt2"
equals "$(cat "$TMP/mnt2/before")" before
umount_volume "$TMP/mnt2"

faults_off
sync_volume
remount_from_bucket
equals "$(cat "$MNT/meanwhile" "$MNT/dir/moved" | tr '\n' ' ')" "meanwhile before "
umount_volume
