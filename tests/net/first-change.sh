#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A host's first change needs a number from the bucket, and S3 says 503 SlowDown to its puts, or does not answer at all: programs wait, and then it is done. Only a bucket that refuses makes it a
# read-only file system. Meanwhile the tree answers others.
BACKENDS='double: it says SlowDown'
. "${0%/*}/../sh/lib.sh"
new_volume
mount_volume
mkdir "$MNT/dir"
echo before >"$MNT/before"

# first_change FAULT [OPTION]: ten programs at once, of a host that has changed nothing yet
first_change() {
    umount_volume
    lose_local_state
    mount_volume "poll=200ms,$2"
    rule=$(fault "$1")
    waiting=
    for n in $(seq 10); do
        mkdir "$MNT/dir/$3-$n" 2>"$TMP/err-$n" &
        waiting="$waiting $!"
    done
    echo more >>"$MNT/before" || fail "$1: a write failed"
    for pid in $waiting; do
        wait "$pid" || fail "$1: mkdir: $(cat "$TMP"/err-*)"
    done
    [ "$(fault_hits "$rule")" -gt 0 ] || fail "$1 was not met"
    faults_off
    sync_volume
}
first_change put:fail=503:SlowDown,count=6 timeout=60s slow
first_change s3:reset,count=2 timeout=60s reset
remount_from_bucket
equals "$(ls "$MNT/dir" | wc -l)" 20 directories
equals "$(wc -l <"$MNT/before")" 3 lines

# Nothing but 503: others are answered while some wait, and these fail in time, with an error that tells of trouble. (Each in a directory of its own, for the kernel locks that.)
remount_from_bucket timeout=6s
fault put:fail=503:SlowDown >/dev/null
for n in $(seq 6); do
    mkdir "$MNT/dir/slow-$n/new" 2>"$TMP/err-$n" &
    waiting="$waiting $!"
done
for n in $(seq 6); do
    timeout 5 stat "$MNT/dir/slow-$n" >/dev/null && timeout 5 ls "$MNT" >/dev/null || fail "the tree does not answer"
done
for pid in $waiting; do
    wait "$pid" || :
done
equals "$(cat "$TMP"/err-[1-6] | grep -c 'Input/output error')" 6 "EIO"
faults_off
mkdir "$MNT/new"
umount_volume

lose_local_state
fault put:refuse >/dev/null
mount_volume
expect 1 mkdir "$MNT/refused"
says 'Read-only file system'
faults_off
umount_volume
