#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# S3 says 503 SlowDown, and when to come again: everything gets there all the same.
BACKENDS='double: it says SlowDown'
. "${0%/*}/../sh/lib.sh"
new_volume
mount_volume
mkdir "$MNT/dir" # a host's first change needs the bucket
sync_volume
slow=$(fault put:fail=503:SlowDown,count=20)
later=$(fault put:fail=503:SlowDown,nth=30,count=2,retry-after=1)
for n in $(seq 1 60); do
    echo "file $n" >"$MNT/dir/$n"
done
sync_volume
equals "$(fault_hits "$slow") $(fault_hits "$later")" "20 2" "how often it was said"
remount_from_bucket
equals "$(cat "$MNT"/dir/* | sort | uniq | wc -l)" 60 "files"
umount_volume
