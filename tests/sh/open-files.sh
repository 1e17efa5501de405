#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Open files: unlinked, replaced and truncated while open, appended to by several, mapped, with holes. As on a local disk, and after a remount.
. "${0%/*}/lib.sh"
requires python3
new_volume
mount_volume
cd "$MNT"
python3 - <<'PY'
import os, mmap, errno, fcntl

def read(path):
    with open(path, "rb") as f:
        return f.read()

# Unlinked while open: it can be read and written on, and is gone afterwards.
f = open("unlinked", "w+b")
f.write(b"still here"); f.flush()
os.unlink("unlinked")
assert not os.path.exists("unlinked")
assert os.fstat(f.fileno()).st_nlink == 0
f.write(b", and more"); f.seek(0)
assert f.read() == b"still here, and more"
os.fsync(f.fileno())
f.close()

# The same with a file that is in the bucket already.
open("durable", "wb").write(b"x" * 100000)
fd = os.open("durable", os.O_RDWR); os.fsync(fd)
os.unlink("durable")
assert os.pread(fd, 10, 99990) == b"x" * 10
os.pwrite(fd, b"y", 5)
assert os.pread(fd, 3, 4) == b"xyx"
os.close(fd)

# Replaced by rename while open: the handle stays with the old one.
open("old", "wb").write(b"old")
open("new", "wb").write(b"new!")
f = open("old", "rb")
os.rename("new", "old")
assert f.read() == b"old"
assert read("old") == b"new!"
f.close()

# A file written and read through two handles; a read-only handle sees what is written.
w = open("shared", "wb", buffering=0); r = open("shared", "rb", buffering=0)
w.write(b"abc")
assert r.read() == b"abc"
w.seek(0); w.write(b"X")
r.seek(0); assert r.read() == b"Xbc"
w.close(); r.close()

# O_APPEND of two writers: nothing overwritten.
a = os.open("log", os.O_WRONLY | os.O_APPEND | os.O_CREAT); b = os.open("log", os.O_WRONLY | os.O_APPEND)
for i in range(200):
    os.write(a, b"a%03d\n" % i); os.write(b, b"b%03d\n" % i)
os.close(a); os.close(b)
assert sorted(read("log").split()) == sorted([b"a%03d" % i for i in range(200)] + [b"b%03d" % i for i in range(200)])

# O_EXCL, O_TRUNC, O_CREAT on what is there, O_DIRECTORY, O_NOFOLLOW.
def refused(err, *args):
    try:
        os.close(os.open(*args))
    except OSError as e:
        assert e.errno == err, (args, e)
    else:
        raise SystemExit("accepted: %r" % (args,))
refused(errno.EEXIST, "log", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
refused(errno.ENOTDIR, "log", os.O_DIRECTORY)
refused(errno.ENOENT, "none", os.O_RDONLY)
refused(errno.EISDIR, ".", os.O_WRONLY)
os.symlink("log", "link"); refused(errno.ELOOP, "link", os.O_NOFOLLOW)
os.close(os.open("log", os.O_WRONLY | os.O_TRUNC)); assert os.stat("log").st_size == 0

# Truncated, shorter and longer, by path and by handle; the tail is zeros.
open("cut", "wb").write(b"0123456789" * 300000)
os.truncate("cut", 1048577)
assert os.stat("cut").st_size == 1048577
os.truncate("cut", 2000000)
d = read("cut")
assert len(d) == 2000000 and d[:1048577] == (b"0123456789" * 300000)[:1048577] and not any(d[1048577:])
fd = os.open("cut", os.O_RDWR); os.ftruncate(fd, 7); os.close(fd)
assert read("cut") == b"0123456"

# Mapped: written through memory, seen by read, and the other way round.
with open("mapped", "w+b") as f:
    f.truncate(3 * 4096)
    m = mmap.mmap(f.fileno(), 3 * 4096)
    m[0:5] = b"first"; m[8190:8194] = b"edge"
    m.flush()
    assert os.pread(f.fileno(), 5, 0) == b"first" and os.pread(f.fileno(), 4, 8190) == b"edge"
    m.close()
# ... and privately, of a file that is opened for reading only.
with open("mapped", "rb") as f:
    m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
    assert m[8190:8194] == b"edge"
    m.close()

# Holes.
fd = os.open("holes", os.O_RDWR | os.O_CREAT)
os.pwrite(fd, b"end", 5 << 20)
assert os.fstat(fd).st_size == (5 << 20) + 3
assert os.pread(fd, 10, 1 << 20) == bytes(10)
end = os.lseek(fd, 0, os.SEEK_DATA)
assert 0 <= end <= 5 << 20
os.posix_fallocate(fd, 0, 6 << 20)
assert os.fstat(fd).st_size == 6 << 20
os.close(fd)

# Written in the middle of a large file that is in the bucket only: the rest stays.
body = os.urandom(3000000)
open("large", "wb").write(body)
fd = os.open("large", os.O_RDWR); os.fsync(fd); os.close(fd)
with open("large", "r+b") as f:
    f.seek(1500000); f.write(b"middle")
body = body[:1500000] + b"middle" + body[1500006:]
assert read("large") == body

# copy_file_range, within and between files.
src = os.open("large", os.O_RDONLY); dst = os.open("copied", os.O_RDWR | os.O_CREAT)
left = len(body)
while left:
    n = os.copy_file_range(src, dst, left); assert n > 0; left -= n
os.close(src); os.close(dst)
assert read("copied") == body

# Times: set to the nanosecond, moved by a write, ctime by chmod.
os.utime("cut", ns=(1, 1234567890123456789))
st = os.stat("cut"); assert (st.st_atime_ns, st.st_mtime_ns) == (1, 1234567890123456789)
os.chmod("cut", 0o640); assert os.stat("cut").st_mtime_ns == 1234567890123456789 and os.stat("cut").st_ctime_ns > st.st_mtime_ns
with open("cut", "ab") as f: f.write(b"!")
assert os.stat("cut").st_mtime_ns > 1234567890123456789

# Locks between two handles.
a = open("log", "wb"); b = open("log", "wb")
fcntl.flock(a, fcntl.LOCK_EX)
try:
    fcntl.flock(b, fcntl.LOCK_EX | fcntl.LOCK_NB)
    raise SystemExit("locked twice")
except BlockingIOError:
    pass
a.close(); b.close()
PY
cd /
find "$MNT" -type f -exec sha256sum {} + | sort >"$TMP/before"
find "$MNT" -printf '%P %s %m %T@\n' | sort >"$TMP/before-names"
remount_from_bucket
find "$MNT" -type f -exec sha256sum {} + | sort >"$TMP/after"
find "$MNT" -printf '%P %s %m %T@\n' | sort >"$TMP/after-names"
cmp "$TMP/before" "$TMP/after" || fail "other bytes after a remount"
diff "$TMP/before-names" "$TMP/after-names" >&2 || fail "other names or times after a remount"
umount_volume
