#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What Nautilus does, by gio(1): copy with attributes, move, save over, trash and restore; and the sizes it shows before it copies.
. "${0%/*}/lib.sh"
requires gio setfattr openssl python3
unset DBUS_SESSION_BUS_ADDRESS DISPLAY WAYLAND_DISPLAY
export GIO_USE_VFS=local XDG_DATA_HOME="$TMP/data"
new_volume
mount_volume
bytes 2000000 >"$TMP/picture.jpg"
touch -d '2020-02-03 04:05:06.123456 UTC' "$TMP/picture.jpg"
chmod 640 "$TMP/picture.jpg"
setfattr -n user.xdg.origin.url -v https://example.com/ "$TMP/picture.jpg"

# Room enough for whatever is copied, a used size that is true, and the same totals after it.
free() {
    gio info -f -a 'filesystem::*' "$MNT" | sed -n "s/^ *filesystem::$1: //p"
}
total=$(free size)
used=$(free used)
[ "$(free free)" -gt $((1 << 40)) ] || fail "only $(free free) bytes free"
equals "$(free readonly)" "" "read-only"

gio mkdir "$MNT/dir"
gio copy --preserve "$TMP/picture.jpg" "$MNT/dir/"
equals "$(stat -c '%a %Y' "$MNT/dir/picture.jpg")" "640 $(stat -c %Y "$TMP/picture.jpg")"
equals "$(getfattr --only-values -n user.xdg.origin.url "$MNT/dir/picture.jpg" 2>/dev/null)" https://example.com/
gio copy "$MNT/dir/picture.jpg" "$MNT/copy.jpg"
gio move "$MNT/copy.jpg" "$MNT/dir/moved.jpg"
gio rename "$MNT/dir/moved.jpg" renamed.jpg
! gio copy --no-dereference "$MNT/dir" "$MNT/copied-dir" 2>/dev/null || fail "gio copy has learnt to copy directories"
echo saved | gio save "$MNT/note.txt"
echo "saved again" | gio save "$MNT/note.txt"
echo "saved with a backup" | gio save -b "$MNT/note.txt"
equals "$(cat "$MNT/note.txt")" "saved with a backup"
equals "$(cat "$MNT/note.txt~")" "saved again"
sync_volume
equals "$(free size)" "$total" "the volume's size after files were added"
[ "$(($(free used) - used))" -ge 4000000 ] || fail "used: $(free used), before $used"

# The trash can of the volume, made by the desktop when it is first used.
gio trash "$MNT/dir/renamed.jpg"
[ ! -e "$MNT/dir/renamed.jpg" ] || fail "gio trash left the file"
trash=$MNT/.Trash-$(id -u)
cmp "$TMP/picture.jpg" "$trash/files/renamed.jpg"
grep -qx 'Path=dir/renamed.jpg' "$trash/info/renamed.jpg.trashinfo" || fail "$(cat "$trash/info/renamed.jpg.trashinfo")"
remount_from_bucket
cmp "$TMP/picture.jpg" "$trash/files/renamed.jpg"
gio move "$trash/files/renamed.jpg" "$MNT/dir/renamed.jpg"
gio remove "$trash/info/renamed.jpg.trashinfo"
gio trash "$MNT/note.txt~" "$MNT/dir"
equals "$(find "$trash/files" -type f -printf '%P\n' | sort | tr '\n' ' ')" "dir/picture.jpg dir/renamed.jpg note.txt~ "
remount_from_bucket
cmp "$TMP/picture.jpg" "$trash/files/dir/picture.jpg"
equals "$(find "$MNT" -mindepth 1 -maxdepth 1 -printf '%P\n' | sort | tr '\n' ' ')" ".Trash-$(id -u) note.txt "
equals "$(cat "$MNT/note.txt")" "saved with a backup"
umount_volume
