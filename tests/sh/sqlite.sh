#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# SQLite databases in the mount, with a rollback journal and with WAL (shared memory by mmap): transactions, rollback, locks between two programs.
. "${0%/*}/lib.sh"
requires sqlite3
new_volume
mount_volume durability=local # or each of the transactions waits for the bucket
for mode in delete wal; do
    db=$MNT/$mode.db
    equals "$(sqlite3 "$db" "PRAGMA journal_mode=$mode")" "$mode"
    sqlite3 "$db" "CREATE TABLE t(n INTEGER PRIMARY KEY, text)"
    for n in 1 2 3 4 5 6 7 8 9 10; do
        sqlite3 "$db" "INSERT INTO t(text) VALUES('row $n')"
    done
    sqlite3 "$db" "BEGIN; WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 5000)
        INSERT INTO t(text) SELECT hex(randomblob(100)) FROM c; ROLLBACK"
    sqlite3 "$db" "BEGIN; WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 5000)
        INSERT INTO t(text) SELECT hex(randomblob(100)) FROM c; COMMIT"
    equals "$(sqlite3 "$db" 'SELECT count(*) FROM t')" 5010
    sqlite3 "$db" 'DELETE FROM t WHERE n % 3 = 0; VACUUM'
    equals "$(sqlite3 "$db" 'PRAGMA integrity_check')" ok

    # One holds the write lock: another is refused.
    mkfifo "$TMP/$mode-in"
    sqlite3 "$db" <"$TMP/$mode-in" >"$TMP/$mode-out" &
    exec 8>"$TMP/$mode-in"
    echo "BEGIN IMMEDIATE; SELECT 'locked';" >&8
    wait_for grep -q locked "$TMP/$mode-out"
    ! sqlite3 "$db" "INSERT INTO t(text) VALUES('refused')" 2>"$TMP/err" || fail "$mode: two writers at the same time"
    grep -q 'locked' "$TMP/err" || fail "$mode: $(cat "$TMP/err")"
    echo "COMMIT;" >&8
    exec 8>&-
    wait
    sqlite3 "$db" .dump >"$TMP/$mode.sql"
done

remount_from_bucket
for mode in delete wal; do
    equals "$(sqlite3 "$MNT/$mode.db" 'PRAGMA integrity_check')" ok "$mode"
    sqlite3 "$MNT/$mode.db" .dump >"$TMP/after.sql"
    cmp "$TMP/$mode.sql" "$TMP/after.sql" || fail "$mode: another content after a remount"
done
umount_volume
