#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What waits for the bucket changes on the local disk after it was hashed: it is not put under the key of what was written, neither whole nor in parts, and what is
# right goes on past it. The next mount sets it aside.
BACKENDS='double: it is away while the bytes change, and says that others have come'
. "${0%/*}/../sh/lib.sh"
requires openssl
bytes 40000000 1 >"$TMP/large"
bytes 100000 2 >"$TMP/small"
bytes 100000 3 >"$TMP/right"
new_volume
mount_volume settle=50ms,drain_timeout=500ms
mkdir "$MNT/first" # a host's first change takes an entry by itself
sync_volume

create=$(fault create:fail=503)
put=$(fault put:fail=503,prefix=files/)
for name in large small; do
    cp "$TMP/$name" "$MNT/$name"
done
hashed() {
    [ "$(fault_hits "$create")" -gt 0 ] && [ "$(fault_hits "$put")" -gt 0 ]
}
wait_for hashed
n=0
for file in "$(state_dir)"/spool/[0-9]*; do
    n=$((n + 1))
    printf 'changed' | dd of="$file" bs=1 seek=$(($(stat -c %s "$file") / 2)) conv=notrunc 2>/dev/null
done
equals $n 2 "spool files"
faults_off
both_told() {
    [ "$(status_value stuck_files)" = 2 ]
}
wait_for both_told
grep -q 'changed on the local disk' "$(state_dir)/log" || fail "not said in the log"
cp "$TMP/right" "$MNT/right"
right_is_there() {
    [ "$(object_list files/ | wc -l)" -eq 1 ]
}
wait_for right_is_there

expect 3 "$ASSETFS" umount "$MNT"
mount_volume settle=50ms
all_settled() {
    [ "$(status_value uploading_files)" = 0 ]
}
wait_for all_settled
sync_volume
equals "$(grep -c 'is damaged; it is kept as' "$(state_dir)/log")" 2 "files set aside"
equals "$(object_list files/ | wc -l)" 1 "objects"
remount_from_bucket
cmp "$TMP/right" "$MNT/right" || fail "right is not what was written"
equals "$(counted violation)" '{}' "what the double objects to"
umount_volume
