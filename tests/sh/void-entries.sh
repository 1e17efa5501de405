#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Whatever somebody without the volume key puts at the journal's next number is void: the number is used up, everything else goes on, and it is counted.
LIMIT=150
. "${0%/*}/lib.sh"
requires openssl
new_volume
mount_volume poll=50ms
mkdir "$TMP/mnt2"
echo first >"$MNT/first"
sync_volume
object_get "$(journal | tail -n 1)" >"$TMP/entry"

has_seen_void() {
    [ "$(status_value entries_void)" -ge "$1" ]
}

# spoil NAME CMD...: what CMD prints stands at the next number. The mount sees it, goes on, and so does one that begins later.
voids=0
spoil() {
    name=$1 at=$(next_entry)
    shift
    "$@" >"$TMP/garbage"
    object_put "$at" <"$TMP/garbage"
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

spoil text echo "not an entry"
spoil replayed cat "$TMP/entry"
# Through a network it takes 15 s to be sure of each: a CDN may have put a page of its own there.
if [ "$BACKEND" = dir ]; then
    spoil empty true
    spoil one-byte printf '\001'
    spoil truncated head -c 100 "$TMP/entry"
    spoil altered flip_a_bit "$TMP/entry"
    spoil strange-key strange_key
    spoil plain printf '\002\240'
    spoil large large_entry
fi
equals "$(cat "$MNT/first")" first

# A mount that does not look meanwhile loses the number to the garbage, and takes the next.
umount_volume
mount_volume poll=1h
echo garbage | object_put "$(next_entry)"
echo raced >"$MNT/raced"
sync_volume
equals "$(status_value entries_void)" 1 "void entries"
remount_from_bucket
equals "$(cat "$MNT/raced")" raced
equals "$(cat "$MNT/first")" first
umount_volume
