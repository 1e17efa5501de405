#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Puts whose answer is lost, of contents and of journal entries: they are there, and are found to be this host's own. Nothing is put twice under another name,
# and no conflicted copy is made.
BACKENDS='double: it loses answers'
. "${0%/*}/../sh/lib.sh"
requires openssl
new_volume
mount_volume settle=50ms
for prefix in files/ .assetfs/journal/; do
    rule=$(fault "put:lose,count=3,prefix=$prefix")
    for n in 1 2 3 4 5; do
        bytes 100000 "$prefix $n" >"$TMP/source"
        sha256sum <"$TMP/source" | sed "s|-|$MNT/${prefix%%/*}-$n.bin|" >>"$TMP/sums"
        cp "$TMP/source" "$MNT/${prefix%%/*}-$n.bin"
    done
    sync_volume
    equals "$(fault_hits "$rule")" 3 "answers lost for $prefix"
done
equals "$(status_value entries_void)" 0 "void entries"
equals "$(object_list files/ | wc -l)" 10 "objects of ten files"
remount_from_bucket
equals "$(ls -A "$MNT" | wc -l)" 10 "files"
sha256sum --quiet -c "$TMP/sums" || fail "a file is not what was written"
umount_volume
