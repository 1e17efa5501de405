#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What an NFS server keeps of a file, its handle, is good for ever: name_to_handle_at(2) says the same after a remount, on a host that has lost all local state and
# on another host, and open_by_handle_at(2) opens it there before anybody has looked the name up. A handle of a file that is gone is ESTALE.
. "${0%/*}/lib.sh"
requires python3 openssl
requires_root "open_by_handle_at"
new_volume
mount_volume
mkdir -p "$MNT/dir/sub"
echo 'of the file' >"$MNT/dir/sub/file"
echo 'of another' >"$MNT/gone"
ln -s target "$MNT/link"
ln "$MNT/dir/sub/file" "$MNT/linked"
(bytes 3000000 && echo "    the end of the large") >"$MNT/dir/large"

cat >"$TMP/handles.py" <<'PY'
# handles.py keep MOUNT NAME...: writes their handles down.  handles.py open MOUNT: opens them all.  handles.py write MOUNT NAME: through its handle.
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
KEPT = sys.argv[0] + ".kept"

class Handle(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint), ("type", ctypes.c_int), ("bytes", ctypes.c_ubyte * 128)]

def handle_of(path):
    h, mount = Handle(size=128), ctypes.c_int()
    if libc.name_to_handle_at(-100, os.fsencode(path), ctypes.byref(h), ctypes.byref(mount), 0) < 0:
        raise OSError(ctypes.get_errno(), "name_to_handle_at " + path)
    return "%d:%s" % (h.type, bytes(h.bytes[:h.size]).hex())

def open_handle(mount, text, flags):
    kind, data = text.split(":")
    data = bytes.fromhex(data)
    h = Handle(size=len(data), type=int(kind))
    ctypes.memmove(h.bytes, data, len(data))
    at = os.open(mount, os.O_RDONLY | os.O_DIRECTORY)
    fd = libc.open_by_handle_at(at, ctypes.byref(h), flags)
    err = ctypes.get_errno()
    os.close(at)
    if fd < 0:
        raise OSError(err, "open_by_handle_at " + text)
    return fd

def what_it_is(mount, text):
    fd = open_handle(mount, text, os.O_PATH)
    name = os.path.relpath(os.readlink("/proc/self/fd/%d" % fd), mount)
    kind = os.fstat(fd).st_mode >> 12
    number = os.fstat(fd).st_ino
    os.close(fd)
    if kind == 0o12:
        return "link", number
    fd = open_handle(mount, text, os.O_RDONLY)
    if kind == 0o10:
        return os.pread(fd, 21, max(0, os.fstat(fd).st_size - 21)).decode(errors="backslashreplace").strip(), number
    return "%s holds %s, above it %s" % (name, " ".join(sorted(os.listdir(fd))), " ".join(sorted(os.listdir("/proc/self/fd/%d/.." % fd)))) \
        if name != "." else " ".join(sorted(os.listdir(fd))), number

command, mount = sys.argv[1:3]
if command == "keep":
    with open(KEPT, "w") as kept:
        for name in sys.argv[3:]:
            path = os.path.join(mount, name)
            kept.write("%s %s %d\n" % (name, handle_of(path), os.lstat(path).st_ino))
    assert handle_of(os.path.join(mount, "linked")) == handle_of(os.path.join(mount, "dir/sub/file")), "one file of two names"
for line in open(KEPT):
    name, text, number = line.split()
    if command == "open":
        try:
            told, ino = what_it_is(mount, text)
            assert ino == int(number), (name, ino, number)
            print("%s: %s" % (name, told))
        except OSError as e:
            print("%s: %s" % (name, errno.errorcode[e.errno]))
    if command == "write" and name == sys.argv[3]:
        os.pwrite(open_handle(mount, text, os.O_RDWR), b"OF", 0)
    if command == "same" and os.path.lexists(os.path.join(mount, name)):
        assert handle_of(os.path.join(mount, name)) == text, name
PY
handles() {
    python3 "$TMP/handles.py" "$@" || fail "handles $*"
}
# opens MOUNT: nothing is known by name yet there. What the handles are is on standard input.
opens() {
    handles open "$1" >"$TMP/opened"
    diff - "$TMP/opened" >&2 || fail "the handles of $1 are not what they were"
    handles same "$1"
}
handles keep "$MNT" . dir dir/sub dir/sub/file dir/large gone link
ln "$MNT/dir/sub/file" "$MNT/dir/sub/linked-late"
rm "$MNT/gone"
cat >"$TMP/all" <<'END'
.: dir link linked
dir: dir holds large sub, above it dir link linked
dir/sub: dir/sub holds file linked-late, above it large sub
dir/sub/file: of the file
dir/large: the end of the large
gone: ESTALE
link: link
END
opens "$MNT" <"$TMP/all"
umount_volume
mount_volume
opens "$MNT" <"$TMP/all"
kill_daemon
mount_volume
opens "$MNT" <"$TMP/all"
remount_from_bucket
opens "$MNT" <"$TMP/all"

# A file that is written through its handle only; then another host moves the directory and, at last, removes it.
handles write "$MNT" dir/sub/file
sync_volume
mount_volume "cache_dir=$TMP/other" "$TMP/other-mnt"
opens "$TMP/other-mnt" <<END
$(sed 's/of the file/OF the file/' "$TMP/all")
END
mkdir "$TMP/other-mnt/new"
mv "$TMP/other-mnt/dir" "$TMP/other-mnt/new/moved"
umount_volume "$TMP/other-mnt"
remount_from_bucket
opens "$MNT" <<'END'
.: link linked new
dir: new/moved holds large sub, above it moved
dir/sub: new/moved/sub holds file linked-late, above it large sub
dir/sub/file: OF the file
dir/large: the end of the large
gone: ESTALE
link: link
END
rm -r "$MNT/new"
is_gone() { # the kernel lets go of a file that was open a moment after close(2) has returned
    python3 "$TMP/handles.py" open "$MNT" | grep -qx 'dir/large: ESTALE'
}
wait_for is_gone
opens "$MNT" <<'END'
.: link linked
dir: ESTALE
dir/sub: ESTALE
dir/sub/file: OF the file
dir/large: ESTALE
gone: ESTALE
link: link
END
umount_volume
