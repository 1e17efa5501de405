#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What only desktops need stays on the host where they made it: readable and listed there, over a remount, and never in the bucket; normal again under a normal name.
. "${0%/*}/lib.sh"
requires getfattr

entries() {
    journal | wc -l
}
objects() {
    object_list files/ | wc -l
}
durable() { [ "$(truth state "$1")" = durable ]; }

new_volume
mount_volume
mkdir "$MNT/folder"
echo pixels >"$MNT/folder/photo.jpg"
sync_volume
entries=$(entries) objects=$(objects)

echo icons >"$MNT/folder/.DS_Store"
echo fork >"$MNT/folder/._photo.jpg"
setfattr -n user.com.apple.FinderInfo -v x "$MNT/folder/._photo.jpg"
echo thumbs >"$MNT/folder/Thumbs.db"
echo ini >"$MNT/folder/desktop.ini"
mkdir -p "$MNT/.Spotlight-V100/Store" "$MNT/.Trashes/501" "$MNT/\$RECYCLE.BIN" "$MNT/System Volume Information"
echo index >"$MNT/.Spotlight-V100/Store/0"
bytes 3000000 >"$MNT/.Trashes/501/old.mov"
sync "$MNT/folder/.DS_Store" # fsync does not wait for the bucket
equals "$(truth state "$MNT/folder/.DS_Store")" local
sync_volume
equals "$(entries)" "$entries" "journal entries"
equals "$(objects)" "$objects" "objects"
equals "$(status_value local_only_files)" 12
equals "$(status_value pending_changes)" 0
"$ASSETFS" status "$MNT" | grep -q 'local only  *12 files' || fail "status does not list them: $("$ASSETFS" status "$MNT")"
status_value local_only | grep -q '^\.DS_Store:' || fail "status does not list the names"

# Over a remount, and changed after it.
umount_volume
mount_volume
equals "$(ls -A "$MNT/folder")" "$(printf '%s\n' .DS_Store ._photo.jpg Thumbs.db desktop.ini photo.jpg)"
equals "$(cat "$MNT/folder/.DS_Store" "$MNT/.Spotlight-V100/Store/0")" "$(printf 'icons\nindex')"
equals "$(getfattr --only-values -n user.com.apple.FinderInfo "$MNT/folder/._photo.jpg" 2>/dev/null)" x
bytes 3000000 | cmp - "$MNT/.Trashes/501/old.mov"
echo more >>"$MNT/folder/.DS_Store"
equals "$(cat "$MNT/folder/.DS_Store")" "$(printf 'icons\nmore')"

# A normal name makes it a normal file, and back.
mv "$MNT/.Trashes/501/old.mov" "$MNT/old.mov"
wait_for durable "$MNT/old.mov"
equals "$(objects)" $((objects + 1)) "objects"
mv "$MNT/folder/photo.jpg" "$MNT/folder/._kept"
sync_volume
"$ASSETFS" log -n 1 "$MNT" | grep -q -- '- photo.jpg' || fail "the others still have it: $("$ASSETFS" log "$MNT")"
equals "$(cat "$MNT/folder/._kept")" pixels
mv "$MNT/folder/._kept" "$MNT/folder/photo.jpg"
sync_volume

# A killed daemon loses none of them.
echo last >"$MNT/folder/.DS_Store"
kill_daemon
mount_volume
equals "$(cat "$MNT/folder/.DS_Store")" last

# As ext4 has it, a folder with such a file in it is not empty here.
mkdir "$MNT/emptied"
echo icons >"$MNT/emptied/.DS_Store"
expect 1 rmdir "$MNT/emptied"
rm -r "$MNT/emptied"
[ ! -e "$MNT/emptied" ] || fail "rm -r left it"

# Another host does not see them, and they do not keep a folder that it removes.
mount_volume "cache_dir=$TMP/other-state" "$TMP/other"
equals "$(ls -A "$TMP/other")" "$(printf 'folder\nold.mov')"
equals "$(ls -A "$TMP/other/folder")" photo.jpg
rm -r "$TMP/other/folder"
umount_volume "$TMP/other"
gone() { ! test -e "$MNT/folder"; }
wait_for gone
umount_volume
lose_local_state
mount_volume
equals "$(ls -A "$MNT")" old.mov
umount_volume

# Other names, or none.
mount_volume "local_only=*.cache:private"
echo 1 >"$MNT/x.cache"
mkdir "$MNT/private"
echo 2 >"$MNT/private/file"
echo 3 >"$MNT/.DS_Store"
sync_volume
equals "$(status_value local_only_files)" 3
remount_from_bucket local_only=none
equals "$(ls -A "$MNT")" "$(printf '%s\n' .DS_Store old.mov)"
echo 4 >"$MNT/Thumbs.db"
remount_from_bucket
equals "$(cat "$MNT/Thumbs.db")" 4
umount_volume
