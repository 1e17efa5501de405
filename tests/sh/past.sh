#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Mounts of past states beside the live one: at=NUMBER, at=TIME, at=now.
. "${0%/*}/lib.sh"
new_volume
mount_volume

now() {
    date -u +%Y-%m-%dT%H:%M:%SZ
}

later_than() {
    [ "$(now)" != "$1" ]
}

mkdir "$MNT/d"
bytes 100000 1 >"$MNT/d/file"
ln "$MNT/d/file" "$MNT/d/link"
sync_volume
cp -a "$MNT" "$TMP/first"
number=$(status_value sequence)
# A time has whole seconds: the next entries are of a later one.
then=$(now)
wait_for later_than "$then"
then=$(now)
wait_for later_than "$then"
bytes 100000 2 >"$MNT/d/file"
rm "$MNT/d/link"
mkdir "$MNT/e"
sync_volume
cp -a "$MNT" "$TMP/second"

mount_volume "at=$number" "$TMP/by-number"
mount_volume "at=$then" "$TMP/by-time"
mount_volume at=now "$TMP/now"
equals "$(status_value past "$TMP/now")" true
equals "$(status_value past)" false

# What the live mount has in its cache is not fetched again.
cmp "$MNT/d/file" "$TMP/now/d/file"
cmp "$TMP/first/d/file" "$TMP/by-number/d/file"
equals "$(status_value cache_misses "$TMP/now")" 0 "blocks that at=now did not find in the cache"
equals "$(status_value cache_misses "$TMP/by-number")" 0 "blocks that at=$number did not find in the cache"

# The live mount is written on; they stay.
echo third >"$MNT/d/file"
mv "$MNT/e" "$MNT/d/e"
sync_volume
same_tree "$TMP/first" "$TMP/by-number"
same_tree "$TMP/first" "$TMP/by-time"
same_tree "$TMP/second" "$TMP/now"
equals "$(cat "$MNT/d/file")" third
! touch "$TMP/now/new" 2>/dev/null || fail "a past state was written to"
! rm "$TMP/now/d/file" 2>/dev/null || fail "a past state was written to"

# A file is taken back.
cp -a "$TMP/by-time/d/file" "$MNT/d/file"
sync_volume
cmp "$TMP/first/d/file" "$MNT/d/file"

[ "$(ls "$(state_dir)/at" | wc -l)" -eq 3 ] || fail "not three directories"
for at in by-number by-time now; do
    umount_volume "$TMP/$at"
done
equals "$(ls "$(state_dir)/at")" '' 'left behind'

# One that was killed leaves its directory to the next.
mount_volume "at=$number" "$TMP/by-number"
kill_daemon "$(status_value pid "$TMP/by-number")"
fusermount3 -uzq "$TMP/by-number" || umount -l "$TMP/by-number"
[ "$(ls "$(state_dir)/at" | wc -l)" -eq 1 ] || fail "where is its state?"
mount_volume at=2 "$TMP/by-number"
[ "$(ls "$(state_dir)/at" | wc -l)" -eq 1 ] || fail "a killed mount's state is still there"
umount_volume "$TMP/by-number"

# Without a live mount, and on a host that knows nothing.
umount_volume
lose_local_state
mount_volume "at=$number" "$TMP/by-number"
same_tree "$TMP/first" "$TMP/by-number"
mount_volume
umount_volume "$TMP/by-number"
umount_volume

# What is no state.
refused() {
    expect "$1" "$ASSETFS" mount -o "at=$2" "$VOLUME" "$TMP/now"
    says "$3"
    ! is_mounted "$TMP/now" || fail "mounted at=$2"
}
refused 1 999999 'the newest journal entry is [0-9]+'
refused 1 2199-01-01 'is in the future'
refused 1 2001-01-01T00:00:00Z 'the volume was made later'
refused 2 yesterday 'give the number of a journal entry .*, a time such as .*, or now'
refused 2 0 'from 1 to'
refused 2 2026-02-30 'give the number'
equals "$(ls "$(state_dir)/at")" '' 'left behind'
