#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# How LibreOffice and Photoshop save, call by call: every save is whole, the file keeps name, mode and owner, and nothing of what they put beside it stays.
# LibreOffice's calls were recorded with strace from 7.4 (Debian 12) on ext4; Photoshop's are written down after descriptions of how it saves on Windows and macOS.
. "${0%/*}/lib.sh"
requires python3
cat >"$TMP/save.py" <<'PY'
import errno, fcntl, os, struct, sys
os.chdir(sys.argv[1])
os.umask(0o022)

def refused(err, call, *args):
    try:
        call(*args)
    except OSError as e:
        assert e.errno == err, (args, e)
    else:
        raise SystemExit("accepted: %r" % (args,))

def opened(name, flags, mode=0o666):
    fd = os.open(name, flags, mode)
    if flags & os.O_RDWR:
        fcntl.fcntl(fd, fcntl.F_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    return fd

def read(name):
    with open(name, "rb") as f:
        return f.read()

def in_pieces(fd, data):
    at = 0
    for size in (4096, 9587, 4096):
        at += os.pwrite(fd, data[at:at + size], at)
    os.pwrite(fd, data[at:], at)

class LibreOffice:
    """A document that is open: save() any number of times, then close()."""
    def __init__(self, name):
        self.name, self.lock, self.saves = name, ".~lock.%s#" % name, 0

    def take_lock(self):
        fd = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        os.pwrite(fd, b",root,vm,22.11.2026 06:58,file:///home;", 0)
        os.close(fd)

    def drop_lock(self):
        if self.saves:
            assert read(self.lock).startswith(b",root,vm")
            os.unlink(self.lock)

    def save(self, data):
        self.drop_lock()
        self.saves += 1
        temp = "lu32969n7n%d.tmp" % self.saves
        os.close(os.open(temp, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        fd = opened(temp, os.O_RDWR)
        self.take_lock()
        in_pieces(fd, data)
        os.fsync(fd)
        if not os.path.exists(self.name):  # the first time it copies
            new = opened(self.name, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            os.pwrite(new, read(temp), 0)
            os.close(new)
            os.close(fd)
            os.unlink(temp)
        else:
            os.close(fd)
            assert os.access(self.name, os.W_OK)
            st = os.stat(self.name)
            refused(errno.EEXIST, os.open, self.name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            os.rename(temp, self.name)
            os.chown(self.name, -1, st.st_gid)
            os.chmod(self.name, st.st_mode & 0o7777)
        fd = opened(self.name, os.O_RDWR)
        assert os.fstat(fd).st_size == len(data)
        os.fsync(fd)
        os.close(fd)
        # It stays open for reading and writing while it is edited, and is read again.
        fd = opened(self.name, os.O_RDWR)
        assert read(self.name) == data
        os.close(fd)

    def close(self):
        self.drop_lock()

def photoshop_windows(name, data):
    """Written to a temporary file beside it, here and there, the header last; the old one is moved away, the new one gets its name, the old one is removed."""
    temp, old = "ps8F3A.tmp", "ps8F3B.tmp"
    fd = os.open(temp, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    os.ftruncate(fd, len(data) * 2)
    for at in range(len(data) // 65536 * 65536, 65535, -65536):
        os.pwrite(fd, data[at:at + 65536], at)
    os.ftruncate(fd, len(data))
    os.pwrite(fd, data[:65536], 0)
    assert os.pread(fd, 26, 0) == data[:26]
    os.fsync(fd)
    os.close(fd)
    st = os.stat(name)
    os.rename(name, old)
    os.chmod(temp, st.st_mode & 0o7777)
    os.rename(temp, name)
    os.unlink(old)
    os.utime(name, ns=(1_700_000_000_123_456_700, 1_700_000_000_123_456_700))

def photoshop_mac(name, data):
    """The file is written in place, cut and grown; type, creator and the preview's resource fork are attributes (vfs_fruit with streams_xattr)."""
    fd = os.open(name, os.O_RDWR)
    os.ftruncate(fd, 0)
    os.posix_fallocate(fd, 0, len(data))
    for at in range(0, len(data), 262144):
        os.pwrite(fd, data[at:at + 262144], at)
    os.pwrite(fd, b"8BPS", 0)
    os.ftruncate(fd, len(data))
    os.setxattr(name, "user.com.apple.FinderInfo", b"8BPS8BIM" + bytes(24))
    os.setxattr(name, "user.DosStream.AFP_Resource:$DATA", bytes(range(256)) * 10)
    os.close(fd)

def version(n, size):
    return (b"version %d of a document " % n * (size // 20))[:size]

odt = LibreOffice("letter.odt")
for n in range(1, 5):
    odt.save(version(n, 20000 + n))
    if n == 1:
        os.chmod("letter.odt", 0o640)
odt.close()
with open("poster.psd", "wb") as f:
    f.write(b"8BPS" + version(0, 2000000))
os.chmod("poster.psd", 0o664)
for n in range(1, 4):
    photoshop_windows("poster.psd", b"8BPS" + version(n, 3000000 - n * 300000))
with open("mac.psd", "wb") as f:
    f.write(b"8BPS" + version(0, 900000))
for n in range(1, 4):
    photoshop_mac("mac.psd", b"8BPS" + version(n, 500000 * n))
PY
tree() (
    cd "$1"
    find . -type f -printf '%P %m %U:%G %n links %s bytes\n' | sort
    sha256sum ./*
    getfattr -d -m '^user' -e hex mac.psd
)
new_volume
mount_volume
mkdir "$TMP/local"
python3 "$TMP/save.py" "$TMP/local"
tree "$TMP/local" >"$TMP/want"
equals "$(find "$TMP/local" -type f | wc -l)" 3
python3 "$TMP/save.py" "$MNT"
tree "$MNT" | diff "$TMP/want" - >&2 || fail "not what it is on a local disk"
sync_volume
equals "$(truth key "$MNT/letter.odt")" "files/$(sha256sum <"$TMP/local/letter.odt" | cut -c 1-64).odt"
remount_from_bucket
tree "$MNT" | diff "$TMP/want" - >&2 || fail "not what it was before a remount"
umount_volume
