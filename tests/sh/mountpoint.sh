#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Where a volume can be mounted: on a directory that is there, is empty and carries no assetfs yet; a mount that a killed daemon left behind is replaced.
. "${0%/*}/lib.sh"
new_volume

expect 1 "$ASSETFS" mount "$VOLUME" "$TMP/nowhere"
says 'no directory .*mkdir'
echo mine >"$MNT/file"
expect 1 "$ASSETFS" mount "$VOLUME" "$MNT"
says 'is not empty'
equals "$(cat "$MNT/file")" mine
expect 1 "$ASSETFS" mount "$VOLUME" "$MNT/file"
says 'is not a directory'
rm "$MNT/file"

mount_volume
echo hello >"$MNT/file"
ls -l "$MNT" >/dev/null # the kernel has it cached, and would go on to answer from there
expect 1 "$ASSETFS" mount -o "cache_dir=$TMP/other-state" "$VOLUME" "$MNT"
says 'mounted at .* already'
kill_daemon
! ls "$MNT" 2>/dev/null || fail "a dead mount can be listed"
expect 1 "$ASSETFS" sync "$MNT"
says 'daemon of this mount is gone'
expect 1 "$ASSETFS" status "$MNT"
says 'daemon of this mount is gone'
mount_volume
equals "$(cat "$MNT/file")" hello

# umount of a dead mount takes it away; what was queued goes on.
kill_daemon
"$ASSETFS" umount "$MNT" 2>"$TMP/err" || fail "umount of a dead mount: exit status $?"
says 'goes on with the next mount'
! is_mounted "$MNT" || fail "the dead mount is still there"
mount_volume
equals "$(cat "$MNT/file")" hello
remount_from_bucket
equals "$(cat "$MNT/file")" hello

# A program that is inside keeps it mounted, and writable.
(cd "$MNT" && exec sleep 1000) &
inside=$!
cleanup_fn "kill $inside 2>/dev/null"
is_inside() {
    [ "$(readlink "/proc/$inside/cwd")" = "$MNT" ]
}
wait_for is_inside
expect 1 "$ASSETFS" umount "$MNT"
says 'is busy'
echo more >"$MNT/more"
kill "$inside"
wait "$inside" 2>/dev/null || true
umount_volume
