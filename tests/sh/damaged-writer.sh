#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A host whose tree.db is damaged, and which commits before it notices: the two others go on, one of them tells it, it sets itself right, and a file that was dropped on the damage is there.
. "${0%/*}/lib.sh"
requires python3
A=$TMP/mnt-a B=$TMP/mnt-b C=$TMP/mnt-c
new_volume
mount_volume "cache_dir=$TMP/a,host_label=anna,poll=100ms,settle=100ms" "$A"
mkdir "$A/dir"
echo one >"$A/dir/file"
echo two >"$A/other"
sync_volume "$A"
mount_volume "cache_dir=$TMP/b,host_label=bert,poll=100ms,settle=100ms" "$B"
echo warm >"$B/warm-up"
sync_volume "$B"
umount_volume "$B"
mount_volume "cache_dir=$TMP/c,host_label=cleo,poll=100ms,settle=100ms" "$C"
python3 - "$(find "$TMP/b" -name tree.db)" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
assert db.execute("DELETE FROM c_name WHERE name = CAST('file' AS BLOB)").rowcount == 1
wrong = bytearray(db.execute("SELECT value FROM meta WHERE key = 'set'").fetchone()[0])
wrong[0] ^= 1
assert db.execute("UPDATE meta SET value = ? WHERE key = 'set'", (bytes(wrong),)).rowcount == 1
db.commit()
PY
has() {
    [ "$(cat "$1" 2>/dev/null)" = "$2" ]
}
copy() {
    find "$1/dir" -name 'file (conflicted copy, bert *' | head -n 1
}
has_copy() {
    has "$(copy "$1")" mine
}

mount_volume "cache_dir=$TMP/b,host_label=bert,poll=100ms,settle=100ms" "$B"
[ ! -e "$B/dir/file" ] || fail "it is not damaged"
echo mine >"$B/dir/file"
sync_volume "$B"

# Nobody else has written anything: it is told by an entry without changes.
wait_for has "$B/dir/file" one
for m in "$A" "$B" "$C"; do
    wait_for has_copy "$m"
done
echo three >"$C/third"
sync_volume "$C"
wait_for has "$A/third" three
echo four >"$A/fourth"
sync_volume "$A"
for m in "$B" "$C"; do
    wait_for has "$m/fourth" four
done
equals "$(cat "$A/dir/file")" one
same_tree "$A" "$B"
same_tree "$A" "$C"
for m in "$A" "$C"; do
    equals "$(status_value entries_damaged "$m")" 1 "entries of a damaged host on $m"
    equals "$(status_value damaged_writer "$m")" null "what status says when it is set right"
done
log=$(find "$TMP/b" -name log)
grep -q "was damaged: 1 names" "$log" || fail "bert's log says nothing of it: $(cat "$log")"
log=$(find "$TMP/a" -name log)
grep -q "by bert .* the local state of that host is damaged" "$log" || fail "anna's log says nothing of it: $(cat "$log")"

# The entry stays in the journal: a host that comes anew is not kept by it, and verify names it.
mount_volume "cache_dir=$TMP/d,host_label=dora" "$TMP/mnt-d"
same_tree "$A" "$TMP/mnt-d"
umount_volume "$TMP/mnt-d"
expect 1 "$ASSETFS" verify "$VOLUME"
grep -q "1 entries, the last is" "$TMP/out" || fail "verify: $(cat "$TMP/out" "$TMP/err")"
grep -q "by bert " "$TMP/err" || fail "verify names nobody: $(cat "$TMP/err")"
umount_volume "$A"
umount_volume "$B"
umount_volume "$C"
