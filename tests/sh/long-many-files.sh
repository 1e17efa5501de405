#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# rsync of 100,000 tiny files, and as many names in one directory: the daemon's memory stays flat (its peak is printed, and is below 200 MB), a second run does nothing,
# also on a host without local state, which has every file by its digest. FILES=N takes other numbers.
LIMIT=3600
. "${0%/*}/lib.sh"
requires rsync python3 tar
files=${1:-${FILES:-100000}}
max_kb=200000

began=$(date +%s)
peak() {
    kb=$(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB$/\1/p' "/proc/$DAEMON/status")
    echo "$(($(date +%s) - began)) s: $1: peak of the daemon's memory $((kb / 1000)) MB"
    [ "$kb" -lt "$max_kb" ] || fail "$1: more than $((max_kb / 1000)) MB"
}
python3 - "$TMP/tree" "$files" <<'PY'
import os, sys
for n in range(int(sys.argv[2])):
    if n % 100 == 0:
        at = "%s/%02d/dir-%04d" % (sys.argv[1], n // 100 % 10, n // 100)
        os.makedirs(at)
    with open("%s/file-%06d.txt" % (at, n), "w") as f:
        f.write("%d\n" % n)
PY
again() {
    rsync -@-1 -ai "$TMP/tree/" "$MNT/tree/" >"$TMP/itemized"
    [ ! -s "$TMP/itemized" ] || fail "the second rsync did something: $(head -n 5 "$TMP/itemized")"
}
digests() (
    cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum
)
new_volume
mount_volume
rsync -@-1 -a "$TMP/tree/" "$MNT/tree/"
peak "rsync of $files files"
sync_volume
peak "all of them durable"
again
peak "a second rsync"

mkdir "$MNT/wide"
python3 - "$MNT/wide" "$files" <<'PY'
import os, stat, sys
os.chdir(sys.argv[1])
names = ["a name of some length, as pictures have it, %06d.jpg" % n for n in range(int(sys.argv[2]))]
for name in names:
    os.mknod(name, 0o644 | stat.S_IFREG)
assert sorted(os.listdir(".")) == names, "another listing"
PY
peak "one directory of $files names"
sync_volume
remount_from_bucket
peak "mounted from the bucket alone"
again
peak "rsync there"
equals "$(find "$MNT" -type f -printf . | wc -c)" $((2 * files))
equals "$(find "$MNT/wide" -type f -size -1 -printf . | wc -c)" "$files"
equals "$(ls -U "$MNT/wide" | sort -u | wc -l)" "$files"
peak "find"
equals "$(digests "$MNT/tree")" "$(digests "$TMP/tree")"
tar -C "$MNT" -cf - tree | tar -tf - | wc -l >"$TMP/count"
peak "every file read"
rm -r "$MNT/wide"
[ ! -e "$MNT/wide" ] || fail "rm -r left something"
umount_volume
