#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Two hosts on one bucket: each sees what the other does, within the poll interval.
. "${0%/*}/lib.sh"
requires getfattr
A=$TMP/mnt-a B=$TMP/mnt-b
new_volume
mount_volume "cache_dir=$TMP/a,host_label=anna,poll=100ms,settle=100ms" "$A"
mount_volume "cache_dir=$TMP/b,host_label=bert,poll=100ms,settle=100ms" "$B"

has() {
    [ "$(cat "$1")" = "$2" ]
}
gone() {
    ! [ -e "$1" ]
}

# A file, its new content, its attributes, its new name, its end.
echo one >"$A/file"
wait_for has "$B/file" one
equals "$(stat -c '%i %a %Y' "$A/file")" "$(stat -c '%i %a %Y' "$B/file")" "number, mode and time on both"
echo "two and more" >"$B/file"
wait_for has "$A/file" "two and more"
chmod 600 "$A/file"
wait_for sh -c "[ \$(stat -c %a '$B/file') = 600 ]"
ls "$B" "$A" >/dev/null
mv "$B/file" "$B/renamed"
wait_for has "$A/renamed" "two and more"
gone "$A/file" || fail "the old name is still there"
rm "$A/renamed"
wait_for gone "$B/renamed"

# Both make the same directory, and different files in it.
mkdir "$A/both"
mkdir "$B/both" 2>/dev/null || true # the other's may have arrived
echo a >"$A/both/a"
echo b >"$B/both/b"
wait_for has "$A/both/b" b
wait_for has "$B/both/a" a
equals "$(ls "$A")" both
equals "$(ls "$B")" both
equals "$(stat -c %i "$A/both")" "$(stat -c %i "$B/both")" "number of the directory"

# One renames the directory, the other goes on writing in it.
mv "$A/both" "$A/all"
echo c >"$B/both/c" 2>/dev/null || echo c >"$B/all/c"
wait_for has "$A/all/c" c
wait_for has "$B/all/a" a

# Many files, each host its own.
for n in 1 2 3 4 5 6 7 8 9 10; do
    echo "$n" >"$A/all/from-a-$n"
    echo "$n" >"$B/all/from-b-$n"
done
sync_volume "$A"
sync_volume "$B"
is_up_to_date() {
    [ "$(status_value sequence "$A")" = "$(status_value sequence "$B")" ]
}
wait_for is_up_to_date
same_tree "$A" "$B"
umount_volume "$A"
umount_volume "$B"

mount_volume
equals "$(ls "$MNT/all" | wc -l)" 23 "files in the bucket"
umount_volume
