#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A place without a volume, and a second `init`: said clearly, and nothing is made or changed.
. "${0%/*}/lib.sh"
requires_fuse
mkdir -p "$MNT"

expect 1 "$ASSETFS" mount "$URL" "$MNT"
says 'is not there.*assetfs init'
[ ! -e "$BUCKET" ] || fail "a mount made the bucket's directory"
mkdir "$TMP/plain-directory"
expect 1 "$ASSETFS" mount "file://$TMP/plain-directory" "$MNT"
says 'assetfs init'
[ -z "$(ls -A "$TMP/plain-directory")" ] || fail "a mount wrote into a directory that is no bucket"

new_volume
find "$BUCKET" "$XDG_CONFIG_HOME" -type f -exec sha256sum {} + >"$TMP/before"
expect 1 "$ASSETFS" init "$URL"
says 'there is a volume'
find "$BUCKET" "$XDG_CONFIG_HOME" -type f -exec sha256sum {} + >"$TMP/after"
cmp "$TMP/before" "$TMP/after" || fail "a second init changed something"

expect 1 "$ASSETFS" umount "$MNT"
says 'is not an assetfs mount'
expect 1 "$ASSETFS" sync "$MNT"
says 'not in an assetfs mount'

