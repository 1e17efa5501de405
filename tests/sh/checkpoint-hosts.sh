#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Checkpoints and several hosts: one that is killed while it makes one goes on; another begins from it, and both see what the other writes; it makes the next one.
. "${0%/*}/lib.sh"
requires getfattr
A=$TMP/mnt-a B=$TMP/mnt-b
new_volume
mount_a() {
    mount_volume "cache_dir=$TMP/a,host_label=anna,poll=100ms,settle=50ms" "$A"
}
mount_b() {
    mount_volume "cache_dir=$TMP/b,host_label=bert,poll=100ms,settle=50ms" "$B"
}
has() {
    [ "$(cat "$1")" = "$2" ]
}
began() {
    grep -q 'beginning from the checkpoint of journal entry' "$TMP/$1/log"
}

# Killed while it makes one, at any moment.
mount_a
mkdir "$A/d"
for i in 1 2 3 4 5 6 7 8 9 10; do
    echo "$i" >"$A/d/$i"
done
"$ASSETFS" sync "$A"
for wait in 0 0.005 0.02 0.1; do
    "$ASSETFS" checkpoint "$A" >"$TMP/out" 2>&1 &
    maker=$!
    sleep $wait
    kill_daemon
    wait $maker || true
    mount_a
    equals "$(cat "$A/d/7")" 7 "a file after the daemon was killed"
done
[ -z "$(find "$TMP/a/checkpoint" -name 'build*')" ] || fail "files of a making that was killed are left"
"$ASSETFS" checkpoint "$A"

# Another host begins from it.
mount_b
began b || fail "the second host did not begin from the checkpoint"
echo from-b >"$B/d/7"
echo new >"$B/new"
rm "$B/d/3"
"$ASSETFS" sync "$B"
wait_for has "$A/d/7" from-b
wait_for has "$A/new" new
wait_for [ ! -e "$A/d/3" ]
echo from-a >"$A/d/8"
mv "$A/d" "$A/e"
"$ASSETFS" sync "$A"
wait_for has "$B/e/8" from-a
same_tree "$A" "$B"

# It makes the next one itself, of a tree that it has not seen all of.
umount_volume "$B"
rm -r "$TMP/b"
mount_b
echo again >"$B/again"
"$ASSETFS" sync "$B"
"$ASSETFS" checkpoint "$B" >"$TMP/said"
umount_volume "$A"
rm -r "$TMP/a"
mount_a
began a || fail "the first host did not begin from the second's checkpoint"
same_tree "$A" "$B"
umount_volume "$A"
umount_volume "$B"
