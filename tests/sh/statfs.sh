#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What df, file managers and backup programs believe of the volume: its size does not change, used is what the files hold, free is the rest and is enough, all of it
# fits into 63 bits; the same after a remount.
. "${0%/*}/lib.sh"
requires python3 openssl
cat >"$TMP/statfs.py" <<'PY'
import os, sys
s = os.statvfs(sys.argv[1])
assert s.f_frsize == s.f_bsize and s.f_frsize % 512 == 0 and s.f_namemax == 255, s
assert 0 < s.f_blocks * s.f_frsize < 1 << 63 and s.f_bfree == s.f_bavail <= s.f_blocks and s.f_ffree == s.f_favail <= s.f_files, s
assert s.f_bavail * s.f_frsize > 1 << 45 and s.f_favail > 1 << 30, "no room for a copy of everything"
print(s.f_blocks, s.f_files, (s.f_blocks - s.f_bfree) * s.f_frsize, s.f_files - s.f_ffree)
PY
# (A file counts from its last close on, which the kernel tells later.)
look() {
    sync_volume
    read -r blocks files used_bytes used_files <<END
$(python3 "$TMP/statfs.py" "$MNT" || echo no)
END
    [ "$blocks" != no ] || fail "statvfs"
}
# between LEAST NUMBER MOST
between() {
    [ "$2" -ge "$1" ] && [ "$2" -le "$3" ] || fail "$2 is not between $1 and $3${4:+: $4}"
}
new_volume
mount_volume
look
total="$blocks $files" empty_bytes=$used_bytes empty_files=$used_files
between 0 "$used_bytes" 100000
between 0 "$used_files" 2
bytes 5000000 >"$MNT/a"
bytes 3000000 2 >"$MNT/b"
ln "$MNT/a" "$MNT/a-linked"
mkdir "$MNT/dir"
echo 1 >"$MNT/dir/small"
look
equals "$blocks $files" "$total"
between 8000000 $((used_bytes - empty_bytes)) 8100000 "bytes used"
equals $((used_files - empty_files)) 4 "files used"
with="$used_bytes $used_files"
remount_from_bucket
look
equals "$blocks $files $used_bytes $used_files" "$total $with" "after a remount"
rm "$MNT/a"
look
equals "$used_bytes $used_files" "$with" "it has another name"
rm "$MNT/a-linked" "$MNT/b"
: >"$MNT/dir/small"
look
between 0 $((used_bytes - empty_bytes)) 100000 "bytes used"
equals $((used_files - empty_files)) 2 "files used"
equals "$(df --output=target,fstype "$MNT" | tail -n 1 | tr -s ' ')" "$MNT fuse.assetfs"
umount_volume
