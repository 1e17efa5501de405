#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A file is open for writing on one host while another changes it: the programs of the first go on with what is theirs, by descriptor and by name, until the last has closed it; then the
# other's version stands there, and theirs beside it. fsync does not wait for that. From both sides.
. "${0%/*}/lib.sh"
requires python3
A=$TMP/mnt-a B=$TMP/mnt-b
new_volume
mount_volume "cache_dir=$TMP/a,host_label=anna,poll=100ms,settle=100ms" "$A"
mount_volume "cache_dir=$TMP/b,host_label=bert,poll=100ms,settle=100ms" "$B"

has() {
    [ "$(cat "$1")" = "$2" ]
}
# The conflicted copy of a file, if there is just one.
copy_of() {
    find "$1" -name "$2 (conflicted copy*" | sed -n '1p;2d'
}
has_copy() {
    copy=$(copy_of "$1" "$2")
    [ -n "$copy" ] && has "$copy" "$3"
}
are_even() {
    [ "$(status_value sequence "$A")" = "$(status_value sequence "$B")" ]
}

# What the host at $1 does with a file that it has open while the one at $2 changes it; $3 makes the names.
both_write() {
    here=$1 there=$2 n=$3
    echo "base" >"$here/$n-kept"
    sync_volume "$here"
    wait_for has "$there/$n-kept" base
    exec 7<>"$here/$n-kept" 8<"$here/$n-kept"
    echo "theirs, and longer" >"$there/$n-kept"
    sync_volume "$there"
    wait_for are_even

    # Before anything is written: what was opened is there, by name too.
    equals "$(cat "$here/$n-kept")" base "$n: the version that is open, by its name"
    equals "$(cat <&8)" base "$n: the version that is open, by a reader's descriptor"
    equals "$(stat -c %s "$here/$n-kept")" 5 "$n: its size"

    echo "mine, not finished" >&7
    equals "$(cat "$here/$n-kept")" "mine, not finished" "$n: what was written, by its name"
    sync "$here/$n-kept" # fsync: durable, in the copy
    wait_for has_copy "$there" "$n-kept" "mine, not finished"
    equals "$(cat "$there/$n-kept")" "theirs, and longer" "$n: the other's own version"
    equals "$(cat "$here/$n-kept")" "mine, not finished" "$n: still open"

    echo "and the end" >&7
    exec 7>&-
    wait_for has "$here/$n-kept" "theirs, and longer"
    wait_for has_copy "$there" "$n-kept" "mine, not finished
and the end"
    exec 8<&-
}

# An append to a file that was replaced elsewhere, a removal of one that was written elsewhere; nothing is synced.
close_only() {
    here=$1 there=$2 n=$3
    echo "base" >"$here/$n-log"
    echo "base" >"$here/$n-gone"
    sync_volume "$here"
    wait_for has "$there/$n-log" base
    wait_for has "$there/$n-gone" base
    exec 7>>"$here/$n-log" 8<>"$here/$n-gone"
    echo "theirs" >"$there/$n-log"
    echo "theirs" >"$there/$n-gone"
    sync_volume "$there"
    wait_for are_even
    echo "a line" >&7
    echo "more" >&8
    rm "$here/$n-gone"
    wait_for has "$here/$n-gone" theirs # never seen here: it cannot have been meant
    exec 7>&- 8>&-
    wait_for has_copy "$there" "$n-log" "base
a line"
    wait_for has "$here/$n-log" theirs
    equals "$(cat "$here/$n-gone")" theirs "$n: unlinked while it was open"
    equals "$(copy_of "$here" "$n-gone")" "" "$n: a copy of what was unlinked"
}

both_write "$A" "$B" anna
both_write "$B" "$A" bert
close_only "$A" "$B" anna
close_only "$B" "$A" bert

# Two descriptors, mapped memory: the last close decides, and what is mapped then is written.
echo "base" >"$A/mapped"
sync_volume "$A"
wait_for has "$B/mapped" base
cat >"$TMP/map.py" <<'PY'
import mmap, os, sys
path, said, heard = sys.argv[1:]
one, two = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
m = mmap.mmap(one, 5)
open(said, "w").close()
open(heard).read()
assert m[:] == b"base\n", m[:]
m[:4] = b"mine"
m.flush()
os.close(one)
assert os.pread(two, 5, 0) == b"mine\n"
m.close()
os.close(two)
PY
mkfifo "$TMP/heard"
python3 "$TMP/map.py" "$A/mapped" "$TMP/said" "$TMP/heard" &
mapper=$!
wait_for test -e "$TMP/said"
echo "theirs" >"$B/mapped"
sync_volume "$B"
wait_for are_even
echo go >"$TMP/heard"
wait "$mapper" || fail "the program that had it mapped failed"
wait_for has "$A/mapped" theirs
wait_for has_copy "$B" mapped mine

# The daemon dies with it open: what was written is beside it after the next mount.
echo "base" >"$A/killed"
sync_volume "$A"
wait_for has "$B/killed" base
exec 7<>"$A/killed"
echo "theirs" >"$B/killed"
sync_volume "$B"
wait_for are_even
echo "mine, killed" >&7
kill_daemon "$(daemon_pid "$A")"
exec 7>&- || true
mount_volume "cache_dir=$TMP/a,host_label=anna,poll=100ms,settle=100ms" "$A"
equals "$(cat "$A/killed")" theirs "after the daemon was killed"
wait_for has_copy "$B" killed "mine, killed"

sync_volume "$A"
sync_volume "$B"
wait_for are_even
same_tree "$A" "$B"
umount_volume "$A"
umount_volume "$B"
