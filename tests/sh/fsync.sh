#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# fsync returns when the file is in the bucket: content and journal entry. A host that starts then, from the bucket alone, has it. `durability=close` says
# the same of close.
. "${0%/*}/lib.sh"
requires getfattr
new_volume
mount_volume settle=1h
other=0

# in_bucket FILE: another host that begins now, while this one is still running, sees the same bytes.
in_bucket() {
    other=$((other + 1))
    mount_volume "cache_dir=$TMP/other-$other,ro" "$TMP/mnt-other"
    cmp "$MNT/$1" "$TMP/mnt-other/$1" || fail "$1 is not in the bucket"
    umount_volume "$TMP/mnt-other"
}

echo waiting >"$MNT/unsynced"
echo some bytes >"$TMP/some"
dd if="$TMP/some" of="$MNT/synced" conv=fsync status=none
equals "$(truth state "$MNT/synced")" durable
in_bucket synced
equals "$(truth state "$MNT/unsynced")" local "a file that nobody synced (settle=1h)"
dd if="$TMP/some" of="$MNT/synced" conv=fsync,notrunc oflag=append status=none
in_bucket synced

# A file in new directories: its names go along.
mkdir -p "$MNT/a/b/c"
dd if="$TMP/some" of="$MNT/a/b/c/deep" conv=fdatasync status=none
in_bucket a/b/c/deep

# With a temporary name, as programs save.
dd if="$TMP/some" of="$MNT/.save.tmp" conv=fsync status=none
mv "$MNT/.save.tmp" "$MNT/saved"
sync "$MNT/saved"
in_bucket saved
expect 0 "$ASSETFS" umount "$MNT"

mount_volume durability=close,settle=1h
echo closed >"$MNT/closed"
in_bucket closed
umount_volume
