#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A local state that is older than what the host has done since (a restored backup), or that was copied to another host: nothing is lost, no inode
# number stands for two files.
. "${0%/*}/lib.sh"

# Another content into the very same directory.
restore_state() {
    find "$state" -mindepth 1 -delete
    cp -a "$1/." "$state/"
}

# Numbers of all inodes, each file once; fails if two names share one.
check_numbers() {
    find "$MNT" -mindepth 1 -printf '%i %P\n' | sort >"$TMP/numbers"
    equals "$(cut -d ' ' -f 1 "$TMP/numbers" | uniq -d)" "" "$1: numbers used twice"
}

names() {
    ls "$MNT" | tr '\n' ' '
}

new_volume
mount_volume
echo a >"$MNT/a"
umount_volume
state=$(state_dir)
cp -a "$state" "$TMP/old"

mount_volume
echo b >"$MNT/b"
mkdir "$MNT/c"
umount_volume

# The older state in the very same directory.
restore_state "$TMP/old"
mount_volume
equals "$(names)" "a b c "
echo d >"$MNT/d"
mkdir "$MNT/e"
sync_volume
check_numbers "older state, same directory"
umount_volume

# The same as another directory: a copy.
rm -rf "$state"
cp -a "$TMP/old" "$state"
mount_volume
echo f >"$MNT/f"
sync_volume
check_numbers "older state, copied"

# Two copies at work at the same time.
umount_volume
cp -a "$state" "$TMP/clone"
mkdir "$TMP/mnt2"
mount_volume poll=50ms
mount_volume "poll=50ms,cache_dir=$TMP/clone" "$TMP/mnt2"
for n in 1 2 3; do
    echo "here $n" >"$MNT/here-$n"
    echo "there $n" >"$TMP/mnt2/there-$n"
done
sync_volume "$TMP/mnt2"
sync_volume
wait_for test -e "$MNT/there-3"
wait_for test -e "$TMP/mnt2/here-3"
check_numbers "two clones"
umount_volume "$TMP/mnt2"

# A state with something queued, brought in twice.
umount_volume
mount_volume settle=1h,drain_timeout=100ms
echo queued >"$MNT/queued"
kill_daemon
cp -a "$state" "$TMP/queued"
mount_volume
umount_volume
restore_state "$TMP/queued"
mount_volume
sync_volume
check_numbers "queued twice"
equals "$(cat "$MNT/queued")" queued

remount_from_bucket
equals "$(names)" "a b c d e f here-1 here-2 here-3 queued there-1 there-2 there-3 "
for name in a b d f queued; do
    equals "$(cat "$MNT/$name")" "$name"
done
equals "$(cat "$MNT/here-2" "$MNT/there-2" | tr '\n' ' ')" "here 2 there 2 "
check_numbers "the bucket alone"
umount_volume
