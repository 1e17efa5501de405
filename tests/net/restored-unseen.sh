#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The journal cannot be read, and meanwhile the bucket is restored to an older state: what is written then gets in, on a gap. As soon as the journal can be read again this is noticed: the mount keeps what it
# has, becomes read-only, and says so. (tests/net/backwards.sh has a bucket that goes backwards before a host's eyes.)
BACKENDS='double: its CDN fails'
. "${0%/*}/../sh/lib.sh"
new_volume
mount_volume poll=100ms
for n in 1 2 3; do
    echo "$n" >"$MNT/$n"
    sync_volume
done
newest=$(journal | tail -n 1)

fault cdn:fail=500,prefix=.assetfs/journal/ >/dev/null
is_offline() {
    [ "$(status_value offline)" = true ]
}
wait_for is_offline
for key in $(journal | tail -n 2); do
    object_remove "$key"
done
echo 4 >"$MNT/4"
sync_volume
faults_off
is_read_only() {
    [ "$(status_value read_only)" = true ]
}
wait_for is_read_only
status_value reason | grep -q "went backwards: journal entry $(echo "${newest##*/}" | sed 's/^0*//') was there and is gone.*restore the bucket" || fail "not said: $(status_value reason)"
equals "$(cat "$MNT"/? | tr '\n' ' ')" "1 2 3 4 "
! echo 5 2>/dev/null >"$MNT/5" || fail "a write was accepted"
umount_volume
