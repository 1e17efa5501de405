#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# S3 says 412 to a journal entry, and nothing is there: it is put again until it is, once. (A content's key is looked at for longer before it is put again, for a CDN may remember that it was not
# there: tests/unit/uploader-test.c.)
BACKENDS='double: it says so'
. "${0%/*}/../sh/lib.sh"
requires openssl
bytes 100000 1 >"$TMP/source"
new_volume
mount_volume settle=50ms
mkdir "$MNT/dir"
sync_volume
before=$(journal | wc -l)
rule=$(fault put:fail=412:PreconditionFailed,count=2,prefix=.assetfs/journal/)
cp "$TMP/source" "$MNT/dir/file"
sync_volume
equals "$(fault_hits "$rule")" 2 "how often it was said"
equals "$(status_value entries_void)" 0 "void entries"
equals "$(journal | wc -l)" "$((before + 1))" entries
remount_from_bucket
cmp "$TMP/source" "$MNT/dir/file"
umount_volume
