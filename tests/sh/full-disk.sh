#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A small local disk: more is written than it holds, because what is uploaded makes room. A single file that does not fit is ENOSPC, when it is
# written; nothing that was written before is lost.
PRIVATE_MOUNTS=yes
. "${0%/*}/lib.sh"
requires openssl
mkdir "$TMP/small"
mount -t tmpfs -o size=48m none "$TMP/small"
new_volume
mount_volume "cache_dir=$TMP/small/state,min_free=4M,cache_size=16M"

# Three times the disk, in files of 6 MiB.
for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24; do
    bytes 6291456 "$n" >"$TMP/source"
    sha256sum <"$TMP/source" | sed "s| .*|  $MNT/file-$n|" >>"$TMP/sums"
    cp "$TMP/source" "$MNT/file-$n" || fail "file $n: exit status $?"
done

# One that can never fit.
! dd if=/dev/zero of="$MNT/too-large" bs=1M count=64 2>"$TMP/err" || fail "64 MiB were written to a disk of 48"
grep -q 'No space left on device' "$TMP/err" || fail "not ENOSPC: $(cat "$TMP/err")"
rm "$MNT/too-large"
# The kernel tells of the last close a moment after close() has returned: the next write may have to wait for it.
cp "$TMP/source" "$MNT/after"
sync_volume
equals "$(status_value stuck_files)" 0 "stuck files"
umount_volume

rm -rf "$TMP/small/state"
mount_volume "cache_dir=$TMP/state"
sha256sum --quiet -c "$TMP/sums" || fail "a file is not what was written"
cmp "$TMP/source" "$MNT/after"
umount_volume
