#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The CDN has a page of its own for what is missing, as web shops set it up: with 200 in the place of 403. Journal entries that are not there look like garbage then. None
# is made of them; a mount goes on and says what is wrong, one that knows nothing does not begin. What is written is durable, for S3 itself says whether a number of the journal is free.
BACKENDS='double: it answers with pages'
. "${0%/*}/../sh/lib.sh"
new_volume
mount_volume poll=100ms
echo before >"$MNT/before"
sync_volume
fault cdn:spa >/dev/null
is_offline() {
    [ "$(status_value offline)" = "${1:-true}" ]
}
wait_for is_offline
status_value reason | grep -q 'page of its own.*custom error' || fail "not said: $(status_value reason)"
echo meanwhile >"$MNT/meanwhile"
sync_volume
status_value reason | grep -q 'page of its own.*custom error' || fail "not said any more: $(status_value reason)"
equals "$(cat "$MNT/before" "$MNT/meanwhile" | tr '\n' ' ')" "before meanwhile "
expect 1 timeout 50 "$ASSETFS" mount -o "timeout=1s,cache_dir=$TMP/fresh,ro" "$VOLUME" "$TMP"/home
says 'page of its own.*custom error'
faults_off
control POST /purge
wait_for is_offline false
sync_volume
equals "$(status_value entries_void)" 0 "void entries"
remount_from_bucket
equals "$(cat "$MNT/before" "$MNT/meanwhile" | tr '\n' ' ')" "before meanwhile "
umount_volume
