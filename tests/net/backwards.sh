#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The newest entries read as absent: for a moment, that is a cache's memory and nothing is made of it; when it lasts, the bucket has gone backwards, and the mount
# keeps what it has, becomes read-only, and says so in a sentence. (tests/sh/backwards.sh removes the entries.)
BACKENDS='double: it goes backwards'
. "${0%/*}/../sh/lib.sh"
new_volume
mount_volume poll=50ms
for n in 1 2 3; do
    echo "$n" >"$MNT/$n"
    sync_volume
done
is_read_only() {
    [ "$(status_value read_only)" = true ]
}
seen() { # the rule hits: entries have been asked for
    [ "$(fault_hits "$rule")" -ge "$1" ]
}
rule=$(fault any:backwards=4)
wait_for seen 6
equals "$(ls "$MNT" | tr '\n' ' ')" "1 2 3 "
! is_read_only || fail "read-only after a moment"
faults_off
echo 4 >"$MNT/4"
sync_volume

fault any:backwards=4 >/dev/null
wait_for is_read_only
status_value reason | grep -q 'went backwards.*restore the bucket' || fail "not said: $(status_value reason)"
equals "$(cat "$MNT"/? | tr '\n' ' ')" "1 2 3 4 "
! echo 5 2>/dev/null >"$MNT/5" || fail "a write was accepted"
umount_volume
faults_off
mount_volume
echo 5 >"$MNT/5"
remount_from_bucket
equals "$(cat "$MNT"/? | tr '\n' ' ')" "1 2 3 4 5 "
umount_volume
