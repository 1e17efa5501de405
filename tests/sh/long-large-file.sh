#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One file of 2 GiB: copied in, read back from the bucket from beginning to end and at random places. Use: long-large-file.sh [MIB]
LIMIT=3600
. "${0%/*}/lib.sh"
requires openssl
mib=${1:-2048}

[ "$(df --output=avail -m "$TMP" | tail -n 1)" -gt $((4 * mib)) ] || skip "less than $((4 * mib)) MiB free in $TMP"
bytes $((mib * 1048576 + 1)) large >"$TMP/large"
new_volume
mount_volume
cp "$TMP/large" "$MNT/large"
sync_volume
remount_from_bucket
equals "$(stat -c %s "$MNT/large")" $((mib * 1048576 + 1))

# 200 ranges of up to 300,000 bytes, from a fixed list of random numbers.
awk -v size=$((mib * 1048576)) 'BEGIN { srand(1); for (i = 0; i < 200; i++) print int(rand() * size), 1 + int(rand() * 300000) }' >"$TMP/ranges"
while read -r offset length; do
    for file in "$TMP/large" "$MNT/large"; do
        dd if="$file" iflag=skip_bytes,count_bytes bs=64k skip="$offset" count="$length" status=none | sha256sum
    done | uniq >"$TMP/sums"
    equals "$(wc -l <"$TMP/sums")" 1 "digests of $length bytes at $offset"
done <"$TMP/ranges"
cmp "$TMP/large" "$MNT/large"

# Its beginning, middle and end are changed in place.
for offset in 0 $((mib * 524288)) $((mib * 1048576 - 3)); do
    for file in "$TMP/large" "$MNT/large"; do
        printf 'changed' | dd of="$file" oflag=seek_bytes seek="$offset" conv=notrunc status=none
    done
done
sync_volume # longer than drain_timeout, perhaps
remount_from_bucket
cmp "$TMP/large" "$MNT/large"
umount_volume
