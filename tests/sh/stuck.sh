#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# An upload that is refused after the program has closed its file: the file says so (user.assetfs.state), fsync on it is EIO at once and every time, status has the
# reason, the log has it once, `sync` and `umount` end with 3. Files beside it stay what they are. When the puts are allowed again, all goes on.
BACKENDS='dir double: it has puts refused'
PRIVATE_MOUNTS=yes
. "${0%/*}/lib.sh"
requires getfattr python3
case $BACKEND in
dir)
    refuse_puts() {
        mount --bind "$BUCKET" "$BUCKET"
        mount -o remount,bind,ro "$BUCKET"
    }
    allow_puts() {
        mount -o remount,bind,rw "$BUCKET"
    }
    ;;
double)
    refuse_puts() {
        fault s3:refuse >/dev/null
    }
    allow_puts() {
        faults_off
    }
    ;;
esac
state_is() {
    [ "$(truth state "$1")" = "$2" ]
}
refusals_logged() {
    grep -c 'upload is refused' "$(state_dir)/log"
}
new_volume
mount_volume fsync_timeout=1h,drain_timeout=300ms # so an EIO is none of a time that is over
echo before >"$MNT/before"
sync_volume
equals "$(truth state "$MNT/before")" durable

refuse_puts
echo 'closed without an error' >"$MNT/late" || fail "close has an error"
wait_for state_is "$MNT/late" stuck
equals "$(truth state "$MNT/before")" durable
equals "$(status_value stuck_files)" 1
[ "$(status_value stuck_reason)" != null ] || fail "status has no reason"
"$ASSETFS" status "$MNT" >"$TMP/status"
grep -q 'STUCK  *1 file: ' "$TMP/status" || fail "status does not tell: $(cat "$TMP/status")"
equals "$(cat "$MNT/late")" 'closed without an error'

# fsync: of one that was waiting and of one that comes later; of the same file through another handle; of another file that becomes stuck by it.
expect 1 sync "$MNT/late"
grep -q 'Input/output error' "$TMP/err" || fail "not EIO: $(cat "$TMP/err")"
expect 1 sync "$MNT/late"
expect 1 dd if=/dev/null of="$MNT/late" conv=fsync,notrunc status=none
expect 1 dd if="$TMP/status" of="$MNT/late too" conv=fsync status=none
grep -q 'Input/output error' "$TMP/err" || fail "not EIO: $(cat "$TMP/err")"
wait_for state_is "$MNT/late too" stuck
equals "$(status_value stuck_files)" 2
expect 0 sync "$MNT/before" # nothing of it waits
for n in 1 2 3 4 5 6 7 8 9 10; do
    echo "file $n" >"$MNT/more-$n"
done
expect 3 "$ASSETFS" sync --timeout 300ms "$MNT"
says "$(status_value stuck_reason | cut -c 1-20)"
equals "$(refusals_logged)" 1 "lines of the log about it: $(grep 'upload is refused' "$(state_dir)/log" | head -n 5)"
expect 3 "$ASSETFS" umount "$MNT"
says 'queued.*next mount'

# The next mount finds it queued, and refused again.
mount_volume fsync_timeout=1h,drain_timeout=300ms
wait_for state_is "$MNT/late" stuck
equals "$(cat "$MNT/late")" 'closed without an error'
expect 1 sync "$MNT/late"

allow_puts
sync_volume
equals "$(status_value stuck_files)" 0
equals "$(status_value stuck_reason)" null
equals "$(truth state "$MNT/late")" durable
expect 0 sync "$MNT/late"
expect 0 sync "$MNT/late too"
remount_from_bucket
equals "$(cat "$MNT/late")" 'closed without an error'
cmp "$TMP/status" "$MNT/late too"
equals "$(cat "$MNT/more-10")" 'file 10'
umount_volume
