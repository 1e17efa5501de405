#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Just before this host puts, somebody else puts garbage at that very key: the content gets another key, the journal's number is void and the next one is taken. A host
# that knows nothing sees the same.
BACKENDS='double: it puts garbage'
. "${0%/*}/../sh/lib.sh"
requires openssl getfattr
bytes 100000 1 >"$TMP/source"
new_volume
mount_volume poll=100ms
mkdir "$MNT/dir"
sync_volume
rule=$(fault put:garbage,count=1,prefix=files/)
cp "$TMP/source" "$MNT/dir/content.bin"
sync_volume
equals "$(fault_hits "$rule")" 1 "garbage at a content's key"
equals "$(truth key "$MNT/dir/content.bin")" "files/$(sha256sum <"$TMP/source" | cut -c 1-64)-1.bin"

rule=$(fault put:garbage,count=1,prefix=.assetfs/journal/)
echo entry >"$MNT/dir/entry"
sync_volume
equals "$(fault_hits "$rule")" 1 "garbage at a journal number"
equals "$(status_value entries_void)" 1 "void entries"
remount_from_bucket
cmp "$TMP/source" "$MNT/dir/content.bin"
equals "$(cat "$MNT/dir/entry")" entry
equals "$(ls "$MNT/dir" | tr '\n' ' ')" "content.bin entry "
umount_volume
