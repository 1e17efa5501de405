#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Whatever somebody without the volume key puts at the journal's next number is void: the number is used up, everything else goes on, and it is counted.
. "${0%/*}/lib.sh"
requires openssl
new_volume
mount_volume poll=50ms
mkdir "$TMP/mnt2"
echo first >"$MNT/first"
sync_volume
entry=$(journal | tail -n 1)

has_seen_void() {
    [ "$(status_value entries_void)" -ge "$1" ]
}

# spoil NAME CMD...: what CMD prints stands at the next number. The mount sees it, goes on, and so does one that begins later.
voids=0
spoil() {
    name=$1 at=$(next_entry)
    shift
    "$@" >"$TMP/garbage"
    mv "$TMP/garbage" "$at"
    voids=$((voids + 1))
    wait_for has_seen_void "$voids"
    echo "$name" >"$MNT/after-$name"
    sync_volume
    mount_volume "cache_dir=$TMP/state-$voids" "$TMP/mnt2"
    equals "$(cat "$TMP/mnt2/after-$name")" "$name"
    equals "$(status_value entries_void "$TMP/mnt2")" "$voids" "void entries seen by a new host"
    umount_volume "$TMP/mnt2"
}

flip_a_bit() {
    head -c 100 "$1"
    tail -c +101 "$1" | head -c 1 | tr '\000-\377' '\001-\377\000'
    tail -c +102 "$1"
}

# Looks like an entry under a key that nobody has announced.
strange_key() {
    printf "\001"
    bytes 500
}

large_entry() {
    bytes 5000000
}

spoil empty true
spoil one-byte printf '\001'
spoil text echo "not an entry"
spoil truncated head -c 100 "$entry"
spoil altered flip_a_bit "$entry"
spoil replayed cat "$entry"
spoil strange-key strange_key
spoil plain printf '\002\240'
spoil large large_entry
equals "$(cat "$MNT/first")" first

# A mount that does not look meanwhile loses the number to the garbage, and takes the next.
umount_volume
mount_volume poll=1h
echo garbage >"$(next_entry)"
echo raced >"$MNT/raced"
sync_volume
equals "$(status_value entries_void)" 1 "void entries"
remount_from_bucket
equals "$(cat "$MNT/raced")" raced
equals "$(cat "$MNT/first")" first
umount_volume
