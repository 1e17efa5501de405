#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Much at the same time: 1,000 files open and written in turn by one program, and 8 programs that rename their files over one name while others read it. Nobody
# sees a name that is not there, or half of a file; the last one stands.
. "${0%/*}/lib.sh"
requires python3
new_volume
mount_volume
mkdir "$MNT/open" "$MNT/one"

cat >"$TMP/many.py" <<'PY'
import os, resource, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
if 0 <= hard < 1100:
    sys.exit(77)
resource.setrlimit(resource.RLIMIT_NOFILE, (1100, hard))
os.chdir(sys.argv[1])
N = 1000
fds = [os.open("file-%04d" % i, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644) for i in range(N)]
for turn in range(3):
    for i, fd in enumerate(fds):
        os.write(fd, b"file %d, turn %d\n" % (i, turn))
for i in range(0, N, 10):  # some lose their name, some get another while they are open
    os.unlink("file-%04d" % i)
    os.rename("file-%04d" % (i + 1), "renamed-%04d" % (i + 1))
for i, fd in enumerate(fds):
    assert os.pread(fd, 100, 0) == b"".join(b"file %d, turn %d\n" % (i, turn) for turn in range(3)), i
    os.close(fd)
PY
status=0
python3 "$TMP/many.py" "$MNT/open" || status=$?
[ "$status" -ne 77 ] || skip "fewer than 1,100 open files are allowed here"
equals "$status" 0 "1,000 open files"
equals "$(find "$MNT/open" -type f | wc -l)" 900

cat >"$TMP/rename.py" <<'PY'
import os, sys
os.chdir(sys.argv[1])
SIZE, ROUNDS = 30000, 25
def whole(data):
    assert len(data) == SIZE and data == data[:20] * (SIZE // 20), data[:60]
def one(who):
    for n in range(ROUNDS):
        mine = ".mine-%d" % who
        with open(mine, "wb") as f:
            f.write(b"writer %02d, round %03d" % (who, n) * (SIZE // 20))
        os.rename(mine, "name")
        with open("name", "rb") as f:
            whole(f.read())
def reader():
    seen = 0
    while not os.path.exists("enough"):
        with open("name", "rb") as f:
            whole(f.read())
        assert "name" in os.listdir(".")
        seen += 1
    assert seen
assert len(b"writer 00, round 000") == 20
with open("name", "wb") as f:
    f.write(b"writer 99, round 000" * (SIZE // 20))
def start(what, *args):
    pid = os.fork()
    if pid == 0:
        try:
            what(*args)
        except BaseException as e:
            print(what, args, repr(e), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return pid
readers = [start(reader) for _ in range(2)]
writers = [start(one, who) for who in range(8)]
bad = sum(os.waitpid(pid, 0)[1] != 0 for pid in writers)
open("enough", "w").close()
bad += sum(os.waitpid(pid, 0)[1] != 0 for pid in readers)
os.unlink("enough")
sys.exit(bad != 0)
PY
python3 "$TMP/rename.py" "$MNT/one" || fail "renaming over one name"
equals "$(ls -A "$MNT/one")" name
(cd "$MNT" && find . -type f -exec sha256sum {} + | sort) >"$TMP/before"
remount_from_bucket
(cd "$MNT" && find . -type f -exec sha256sum {} + | sort) | diff "$TMP/before" - || fail "other files after a remount"
equals "$(find "$MNT/open" -name 'renamed-*' | wc -l)" 100
equals "$(cat "$MNT/open/file-0999")" "$(printf 'file 999, turn %d\n' 0 1 2)"
umount_volume
