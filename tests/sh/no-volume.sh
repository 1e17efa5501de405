#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A place without a volume, and a second `init`: said clearly, and nothing is made or changed.
. "${0%/*}/lib.sh"
requires_fuse
mkdir -p "$MNT"

# state: every object with its digest, and what this host keeps of its own.
state() {
    for key in $(object_list ''); do
        echo "$key $(object_get "$key" | sha256sum)"
    done
    find "$XDG_CONFIG_HOME" -type f -exec sha256sum {} + 2>/dev/null || true
}

state >"$TMP/before"
expect 1 "$ASSETFS" mount "$VOLUME" "$MNT"
says 'assetfs init'
if [ "$BACKEND" = dir ]; then
    [ ! -e "$BUCKET" ] || fail "a mount made the bucket's directory"
    mkdir "$TMP/plain-directory"
    expect 1 "$ASSETFS" mount "file://$TMP/plain-directory" "$MNT"
    says 'assetfs init'
    [ -z "$(ls -A "$TMP/plain-directory")" ] || fail "a mount wrote into a directory that is no bucket"
fi
state >"$TMP/after"
cmp "$TMP/before" "$TMP/after" || fail "a mount made something"

new_volume
state >"$TMP/before"
expect 1 "$ASSETFS" init ${PUBLIC:-} "$VOLUME"
says 'there is a volume|holds a volume already'
state >"$TMP/after"
cmp "$TMP/before" "$TMP/after" || fail "a second init changed something"

expect 1 "$ASSETFS" umount "$MNT"
says 'is not an assetfs mount'
expect 1 "$ASSETFS" sync "$MNT"
says 'not in an assetfs mount'
