#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Two hosts write the same name at the same time: nothing is lost, one stands beside the other as a conflicted copy that names its host.
. "${0%/*}/lib.sh"
A=$TMP/mnt-a B=$TMP/mnt-b
new_volume
mount_volume "cache_dir=$TMP/a,host_label=anna,poll=1h,settle=1h" "$A"
echo base >"$A/changed"
echo base >"$A/removed-by-a"
mkdir "$A/dir-removed-by-a"
sync_volume "$A"
mount_volume "cache_dir=$TMP/b,host_label=bert,poll=1h,settle=1h" "$B"

# Neither sees the other meanwhile (poll=1h), and anna is the first to commit (settle=1h).
echo "made by anna" >"$A/new"
echo "made by bert" >"$B/new"
echo "changed by anna" >"$A/changed"
echo "changed by bert" >"$B/changed"
rm "$A/removed-by-a"
echo "kept by bert" >"$B/removed-by-a"
rmdir "$A/dir-removed-by-a"
echo "kept by bert" >"$B/dir-removed-by-a/file"
echo same >"$A/same"
echo same >"$B/same"
sync_volume "$A"
sync_volume "$B"
umount_volume "$A"
umount_volume "$B"

mount_volume
cat "$MNT"/new* | sort >"$TMP/new"
equals "$(tr '\n' ' ' <"$TMP/new")" "made by anna made by bert " "both new files"
equals "$(cat "$MNT/new")" "made by anna" "the first committed keeps its name"
cat "$MNT"/changed* | sort >"$TMP/changed"
equals "$(tr '\n' ' ' <"$TMP/changed")" "changed by anna changed by bert " "both changes"
equals "$(ls "$MNT" | grep -c 'conflicted copy.*bert\|bert.*conflicted copy')" 2 "conflicted copies of bert"
equals "$(cat "$MNT/removed-by-a")" "kept by bert" "a change against a removal"
equals "$(cat "$MNT/dir-removed-by-a/file")" "kept by bert" "a new file against rmdir"
equals "$(ls "$MNT" | grep -c '^same')" 1 "files of equal content"
umount_volume
