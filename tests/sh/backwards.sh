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
for entry in $(journal); do
    if expr "$entry" \> "$old" >/dev/null; then
        object_get "$entry" >"$TMP/taken/${entry##*/}"
        object_remove "$entry"
    fi
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

# Through a network it takes a while to be sure of that.
expect 0 "$ASSETFS" mount -o poll=50ms "$VOLUME" "$MNT"
[ "$BACKEND" != dir ] || says 'went backwards.*restore the bucket'
wait_for is_read_only
status_value reason | grep -q 'went backwards.*restore the bucket' || fail "not said: $(status_value reason)"
mkdir "$TMP/mnt2"
mount_volume "cache_dir=$TMP/fresh,ro" "$TMP/mnt2"
equals "$(ls "$TMP/mnt2")" one
umount_volume "$TMP/mnt2"
equals "$(ls "$MNT" | tr '\n' ' ')" "one three two "
expect 0 "$ASSETFS" umount "$MNT"

# Restored, everything goes on.
for entry in "$TMP"/taken/*; do
    object_put "${old%/*}/${entry##*/}" <"$entry"
done
mount_volume
echo four >"$MNT/four"
remount_from_bucket
equals "$(ls "$MNT" | tr '\n' ' ')" "four one three two "
umount_volume
