#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Entries of a newer format: a mount stops before the first of them, read-only, with what it has, and asks for a newer assetfs. Nothing is skipped.
# A plain volume, so that a test can write such an entry: it takes the newest one and raises its format number.
. "${0%/*}/lib.sh"
requires_fuse
mkdir -p "$MNT"
"$ASSETFS" init ${PUBLIC:-} --plain "$VOLUME" >"$TMP/init.out"
mount_volume poll=50ms
echo old >"$MNT/old"
sync_volume

# A plain entry begins with byte 2, a CBOR map, and its first pair: key 1, format 1.
newest=$(journal | tail -n 1)
equals "$(object_get "$newest" | od -An -tx1 -j 2 -N 2 | tr -d ' ')" 0101 "the beginning of a plain entry"
# with_byte_3 BYTE KEY: the object, but for that byte.
with_byte_3() {
    object_get "$2" >"$TMP/entry"
    head -c 3 "$TMP/entry"
    printf '%b' "$1"
    tail -c +5 "$TMP/entry"
}
with_byte_3 '\002' "$newest" >"$TMP/newer"
next=$(next_entry)
number=$(echo "$next" | sed 's|^.*/0*||')
object_put "$next" <"$TMP/newer"

is_read_only() {
    [ "$(status_value read_only)" = true ]
}
wait_for is_read_only
status_value reason | grep -q "journal entry $number is of a newer format; install a newer assetfs" || fail "not said: $(status_value reason)"
equals "$(cat "$MNT/old")" old
! echo new 2>/dev/null >"$MNT/new" || fail "a write was accepted"
expect 0 "$ASSETFS" umount "$MNT"

# A mount that begins then, with and without local state.
expect 0 "$ASSETFS" mount "$VOLUME" "$MNT"
says "journal entry $number is of a newer format; install a newer assetfs"
equals "$(cat "$MNT/old")" old
expect 0 "$ASSETFS" umount "$MNT"
lose_local_state
expect 0 "$ASSETFS" mount "$VOLUME" "$MNT"
says "journal entry $number is of a newer format; install a newer assetfs"
equals "$(cat "$MNT/old")" old
expect 0 "$ASSETFS" umount "$MNT"
equals "$(status_value pid 2>/dev/null || true)" ""

# The whole volume is newer, or no volume at all.
lose_local_state
first=$(journal | head -n 1)
for byte in '\002' '\377'; do
    with_byte_3 "$byte" "$first" >"$TMP/newer"
    object_put "$first" <"$TMP/newer"
    expect 1 "$ASSETFS" mount "$VOLUME" "$MNT"
    says 'newer|damaged'
done
echo nonsense | object_put "$first"
expect 1 "$ASSETFS" mount "$VOLUME" "$MNT"
says 'is not of assetfs, or of a newer version'
