#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A laptop that is closed: the daemon stands still while it reads and writes, its connections are cut meanwhile, and nobody tells it. It goes on by itself, and no
# program notices. STOPPED_SECONDS=180 makes it minutes (3).
BACKENDS='double: it cuts connections'
LIMIT=$((120 + 4 * ${STOPPED_SECONDS:=3}))
. "${0%/*}/../sh/lib.sh"
requires openssl
bytes 8000000 1 >"$TMP/in"
bytes 3000000 2 >"$TMP/out-of-bucket"
new_volume
mount_volume
cp "$TMP/out-of-bucket" "$MNT/"
# The time in which it stood still counts for no timeout: STOPPED_SECONDS may be more than these.
remount_from_bucket poll=200ms,timeout=25s,fsync_timeout=25s
# Slowly, so that it is in the middle of it.
fault any:throttle=1000000,prefix=files/ >/dev/null
cmp "$TMP/out-of-bucket" "$MNT/out-of-bucket" >"$TMP/cmp.out" 2>&1 &
reader=$!
cp "$TMP/in" "$MNT/in"
cp "$TMP/in" "$MNT/synced"
dd if="$TMP/in" of="$MNT/synced" bs=100000 count=1 conv=notrunc,fsync status=none 2>"$TMP/dd.err" &
writer=$!
both_run() {
    counted in_flight | awk '{ exit $1 < 2 }'
}
wait_for both_run
kill -STOP "$DAEMON"
bucket_away
bucket_back
sleep "$STOPPED_SECONDS" # the time is the case
faults_off
kill -CONT "$DAEMON"
wait "$reader" || fail "the reader: $(cat "$TMP/cmp.out")"
wait "$writer" || fail "fsync: $(cat "$TMP/dd.err")"
sync_volume
equals "$(status_value offline)" false offline
remount_from_bucket
cmp "$TMP/in" "$MNT/in"
cmp "$TMP/in" "$MNT/synced"
umount_volume
