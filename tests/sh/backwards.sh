#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A bucket that went backwards (a backup was restored): the mount keeps what it has, becomes read-only and says what to do; a mount begun then does the
# same. A host without local state sees the bucket as it is.
. "${0%/*}/lib.sh"
new_volume
mount_volume poll=50ms
echo one >"$MNT/one"
sync_volume
old=$(journal | tail -n 1)
echo two >"$MNT/two"
sync_volume
echo three >"$MNT/three"
sync_volume
mkdir "$TMP/taken"
journal | while read -r entry; do
    if expr "$entry" \> "$old" >/dev/null; then mv "$entry" "$TMP/taken/"; fi
done
[ -n "$(ls "$TMP/taken")" ] || fail "no journal entry was taken away"

is_read_only() {
    [ "$(status_value read_only)" = true ]
}
wait_for is_read_only
status_value reason | grep -q 'went backwards.*restore the bucket' || fail "not said: $(status_value reason)"
equals "$(cat "$MNT/one" "$MNT/two" "$MNT/three" | tr '\n' ' ')" "one two three "
! echo four 2>"$TMP/err" >"$MNT/four" || fail "a write was accepted"
expect 0 "$ASSETFS" umount "$MNT"

expect 0 "$ASSETFS" mount "$URL" "$MNT"
says 'went backwards.*restore the bucket'
mkdir "$TMP/mnt2"
mount_volume "cache_dir=$TMP/fresh,ro" "$TMP/mnt2"
equals "$(ls "$TMP/mnt2")" one
umount_volume "$TMP/mnt2"
equals "$(ls "$MNT" | tr '\n' ' ')" "one three two "
expect 0 "$ASSETFS" umount "$MNT"

# Restored, everything goes on.
mv "$TMP"/taken/* "${old%/*}/"
mount_volume
echo four >"$MNT/four"
remount_from_bucket
equals "$(ls "$MNT" | tr '\n' ' ')" "four one three two "
umount_volume
