#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One local state serves one mount at a time; with another cache_dir a host can mount the volume twice.
. "${0%/*}/lib.sh"
new_volume
mount_volume
mkdir "$TMP/mnt2"
expect 1 "$ASSETFS" mount "$VOLUME" "$TMP/mnt2"
says "is mounted at $MNT .*cache_dir="
! is_mounted "$TMP/mnt2" || fail "mounted in spite of that"
echo hello >"$MNT/file"
mount_volume "cache_dir=$TMP/two" "$TMP/mnt2"
umount_volume "$TMP/mnt2"

# The state is another user's, so to say: it cannot be made.
expect 1 "$ASSETFS" mount -o "cache_dir=$MNT/file/state" "$VOLUME" "$TMP/mnt2"
says 'cannot be made|cannot be used'
umount_volume
