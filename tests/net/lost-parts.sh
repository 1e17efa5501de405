#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# An upload in parts: answers to its beginning, to parts and to its end are lost, and the end says 200 with an error inside. The file is durable in the end.
BACKENDS='double: it loses answers'
. "${0%/*}/../sh/lib.sh"
requires openssl
bytes 40000000 >"$TMP/large"
new_volume
mount_volume
for rule in create:lose,count=1 part:lose,count=2 part:fail=500,count=2 complete:lose,count=1 complete:error200,count=1; do
    id=$(fault "$rule")
    cp "$TMP/large" "$MNT/large-$id"
    echo "$id" >>"$MNT/large-$id" # another content each time
    sync_volume
    [ "$(fault_hits "$id")" -gt 0 ] || fail "$rule hit nothing"
    faults_off
done
lose_reader_cache() { umount_volume && lose_local_state && mount_volume; }
lose_reader_cache
for file in "$MNT"/large-*; do
    head -c 40000000 "$file" | cmp - "$TMP/large" || fail "$file is not what was written"
    equals "$(tail -c +40000001 "$file")" "${file##*-}"
done
umount_volume
