#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A row of tree.db that is not what the journal says (a bad disk, a bug): the host notices it at an entry, applies the journal anew, and goes on with what it had queued.
. "${0%/*}/lib.sh"
requires python3
A=$TMP/mnt-a B=$TMP/mnt-b
new_volume
mount_volume "cache_dir=$TMP/a,host_label=anna,poll=100ms,settle=100ms" "$A"
mkdir "$A/dir"
echo one >"$A/dir/file"
echo two >"$A/other"
sync_volume "$A"
mount_volume "cache_dir=$TMP/b,host_label=bert,poll=100ms,settle=100ms" "$B"
equals "$(cat "$B/dir/file")" one
echo queued >"$B/warm-up"
sync_volume "$B"
umount_volume "$B"

mount_volume "cache_dir=$TMP/b,host_label=bert,poll=100ms,settle=1h,drain_timeout=100ms" "$B"
echo queued >"$B/queued"
kill_daemon "$(daemon_pid "$B")"
python3 - "$(find "$TMP/b" -name tree.db)" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
n = db.execute("UPDATE c_inode SET rec = (SELECT i.rec FROM c_inode i JOIN c_name n ON n.ino = i.ino WHERE n.name = CAST('other' AS BLOB)) "
               "WHERE ino = (SELECT ino FROM c_name WHERE name = CAST('file' AS BLOB))").rowcount
assert n == 1, n
db.commit()
PY
mount_volume "cache_dir=$TMP/b,host_label=bert,poll=100ms,settle=100ms" "$B"
equals "$(cat "$B/dir/file")" two "the damage"

# Two entries: one touches the damaged row, the next is built on what came of it.
echo "one and more" >"$A/dir/file"
sync_volume "$A"
echo three >"$A/third"
sync_volume "$A"
has() {
    [ "$(cat "$1")" = "$2" ]
}
wait_for has "$B/third" three
equals "$(cat "$B/dir/file")" "one and more" "what was damaged"
equals "$(cat "$B/queued")" queued
sync_volume "$B"
wait_for has "$A/queued" queued
log=$(find "$TMP/b" -name log)
grep -q "was damaged: 0 names and 1 inodes" "$log" || fail "the log says nothing of it: $(cat "$log")"
same_tree "$A" "$B"
umount_volume "$A"
umount_volume "$B"
