#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# `sync` and `umount`: 0 when all is durable. umount(8), fusermount3 and SIGTERM drain as well.
. "${0%/*}/lib.sh"
new_volume
mount_volume settle=1h

# sync does not wait for the settle time, and takes files that are still open along.
exec 9>"$MNT/open"
echo "first line" >&9
echo closed >"$MNT/closed"
expect 0 timeout 20 "$ASSETFS" sync "$MNT"
mount_volume "cache_dir=$TMP/other,ro" "$TMP/mnt2"
equals "$(cat "$TMP/mnt2/open")" "first line" "an open file"
equals "$(cat "$TMP/mnt2/closed")" closed
umount_volume "$TMP/mnt2"
echo "second line" >&9
exec 9>&-
expect 0 "$ASSETFS" sync "$MNT"
expect 0 "$ASSETFS" sync "$MNT/closed"

# umount drains.
echo at the end >"$MNT/last"
expect 0 "$ASSETFS" umount "$MNT"
! is_running "$(cat "$XDG_CACHE_HOME"/assetfs/*/lock | head -n 1)" || fail "the daemon is still there after umount"
lose_local_state
mount_volume
equals "$(cat "$MNT/last")" "at the end"
equals "$(wc -l <"$MNT/open")" 2 "lines of the file that was open"

# ... and so do umount(8) and SIGTERM, in the background.
has_ended() {
    ! is_running "$DAEMON"
}
echo by fusermount >"$MNT/fusermount"
if is_root; then umount "$MNT"; else fusermount3 -u "$MNT"; fi
wait_for has_ended
lose_local_state
mount_volume
equals "$(cat "$MNT/fusermount")" "by fusermount"
echo by SIGTERM >"$MNT/sigterm"
kill "$DAEMON"
wait_for has_ended
! is_mounted "$MNT" || fail "SIGTERM left it mounted"
lose_local_state
mount_volume
equals "$(cat "$MNT/sigterm")" "by SIGTERM"

# In the foreground: exit status and messages are the command's own.
umount_volume
"$ASSETFS" mount -f "$VOLUME" "$MNT" 2>"$TMP/foreground" &
foreground=$!
wait_for "$ASSETFS" status "$MNT"
echo foreground >"$MNT/foreground"
expect 0 "$ASSETFS" umount "$MNT"
wait "$foreground" || fail "mount -f: exit status $?"
