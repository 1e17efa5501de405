#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The examples of assetfs(1) for the past, as they are printed there, but for the place of the volume and how long ago: the first takes a file back, the second
# makes a backup.
. "${0%/*}/lib.sh"
# example WORD: the lines of the example that has it.
example() {
    awk -v word="$1" '/^\.Bd/ { text = ""; inside = 1; next } /^\.Ed/ { if (index(text, word)) printf "%s", text; inside = 0 } inside { text = text $0 "\n" }' \
        "$SRC/man/assetfs.1" | sed "s|file:///srv/bucket|$VOLUME|; s|7 days ago|2 seconds ago|"
}

later_than() {
    [ "$(date +%s)" -gt "$1" ]
}

MNT=$HOME/assets
new_volume
mount_volume
mkdir "$MNT/pictures"
echo right >"$MNT/pictures/logo.png"
sync_volume
written=$(date +%s)
wait_for later_than $((written + 3))
echo wrong >"$MNT/pictures/logo.png"
sync_volume

ln -s "$ASSETFS" "$TMP/assetfs"
PATH=$TMP:$PATH
cd "$TMP" || exit 1
example "'7 days ago'" >restore
[ "$(wc -l <restore)" -eq 4 ] || fail "where is the example?"
sh -eux restore
equals "$(cat "$MNT/pictures/logo.png")" right

example backup.tar.gz >backup
[ "$(wc -l <backup)" -eq 5 ] || fail "where is the example?"
sh -eux backup
equals "$(tar -xOzf backup.tar.gz ./pictures/logo.png)" right
equals "$(mounts_in_tmp)" "$MNT"
umount_volume
