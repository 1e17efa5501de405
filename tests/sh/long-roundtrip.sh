#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The round trip with a real tree: at least 5,000 files and 300 MB. Use: long-roundtrip.sh [SCALE]; SCALE times that.
LIMIT=3600
. "${0%/*}/lib.sh"
requires rsync getfattr setfattr openssl
scale=${1:-1}

# Directories of this machine, until there are enough files and bytes; where the machine has too little, made ones.
mkdir "$TMP/tree"
for dir in /usr/share/doc /usr/share/icons /usr/lib/python3* /usr/share/perl /usr/share/locale /usr/include /usr/share/man; do
    [ ! -d "$dir" ] || [ "$(find "$TMP/tree" -type f | wc -l)" -ge $((5000 * scale)) ] ||
        rsync -@-1 -aHAX --no-devices "$dir" "$TMP/tree/"
done
make_tree "$TMP/tree/made" 3
n=0
while [ "$(du -sm --apparent-size "$TMP/tree" | cut -f 1)" -lt $((300 * scale)) ]; do
    n=$((n + 1))
    bytes 20000000 "$n" >"$TMP/tree/large-$n.mov"
done
while [ "$(find "$TMP/tree" -type f | wc -l)" -lt $((5000 * scale)) ]; do
    n=$((n + 1))
    make_tree "$TMP/tree/more-$n" 10
done

new_volume
mount_volume
rsync -@-1 -aHAX "$TMP/tree/" "$MNT/"
sync_volume
remount_from_bucket
same_tree "$TMP/tree" "$MNT"

rsync -@-1 -aiHAX "$TMP/tree/" "$MNT/" >"$TMP/itemized"
[ ! -s "$TMP/itemized" ] || fail "the second rsync did something: $(head "$TMP/itemized")"

# A backup of all of it, as every night.
tar -C "$MNT" -cf - . | tar -tf - | wc -l >"$TMP/listed"
equals "$(cat "$TMP/listed")" "$(find "$TMP/tree" | wc -l)" "names in the archive"
umount_volume
