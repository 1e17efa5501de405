#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Names: long ones, deep ones, odd ones, many in one directory; hard links, symlinks, FIFOs, sockets, devices. As on a local disk, and after a remount.
. "${0%/*}/lib.sh"
requires getfattr python3
new_volume
mount_volume
cd "$MNT"

# 255 bytes are a name, 256 are not; neither is what a path cannot hold.
long=$(printf '%0255d' 0)
echo long >"$long"
! touch "0$long" 2>"$TMP/err" || fail "a name of 256 bytes was accepted"
grep -q 'File name too long' "$TMP/err" || fail "$(cat "$TMP/err")"
printf 'a\nb' >"$(printf 'line\nfeed')"
printf 'umlaut' >"$(printf '\303\274')"
printf 'decomposed' >"$(printf 'u\314\210')"
equals "$(ls | wc -l)" 5 "names, one of them of two lines"

# Directories as deep as a path can be.
deep=$(printf 'd%.0s/' $(seq 1 500))
mkdir -p "$deep"
echo bottom >"$deep/file"

# A directory with many names, listed while it shrinks.
mkdir many
(cd many && seq -f 'name-%05g' 1 1200 | xargs touch)
equals "$(ls many | wc -l)" 1200
rm -r many/name-0*
equals "$(ls many | wc -l)" 0

# Links.
echo linked >one
ln one two
ln two three
ln -s one sym
ln -s "$(printf '%01000d' 0)" long-target
equals "$(stat -c %h one)" 3 "links"
rm one
equals "$(cat three)" linked
equals "$(stat -c %h two)" 2 "links after rm"
! ln two missing/four 2>/dev/null || fail "a link in a directory that is not there"
! ln many directory-link 2>/dev/null || fail "a hard link to a directory"

# Other kinds.
mkfifo fifo
(echo through >fifo &)
equals "$(timeout 5 cat fifo)" through
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
if is_root; then
    mknod block b 7 200
    mknod char c 1 300
    ! dd if=char bs=1 count=1 2>/dev/null || fail "a device works in a mount that is nodev"
fi

# Directories: removed only when empty, moved with what is in them, never into themselves.
mkdir -p x/y/z
! rmdir x 2>/dev/null || fail "a full directory was removed"
! mv x x/y 2>/dev/null || fail "a directory was moved into itself"
mv x/y/z up
mv up x/y/
equals "$(stat -c %h x)" 3 "links of a directory with one directory"
python3 - <<'PY'
import os, errno
os.mkdir("empty-dir")
os.rename("x", "x2")
try:
    os.rename("empty-dir", "x2")
    raise SystemExit("a full directory was replaced")
except OSError as e:
    assert e.errno in (errno.ENOTEMPTY, errno.EEXIST), e
os.rename("x2/y/up", "empty-dir")   # replaces the empty one
os.rename("x2", "x")
PY

cd /
manifest "$MNT" >"$TMP/before"
stat -c '%n %t:%T' "$MNT"/[bc]*[kr] >"$TMP/devices" 2>/dev/null || true
remount_from_bucket
manifest "$MNT" >"$TMP/after"
cmp "$TMP/before" "$TMP/after" || fail "another tree after a remount: $(diff "$TMP/before" "$TMP/after" | head)"
stat -c '%n %t:%T' "$MNT"/[bc]*[kr] >"$TMP/devices-after" 2>/dev/null || true
cmp "$TMP/devices" "$TMP/devices-after" || fail "other device numbers"
equals "$(cat "$MNT/$deep/file")" bottom
umount_volume
