#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# rsync in each of its ways to write: what arrives is what was sent, also out of the bucket alone; and one more run, there as well, itemizes nothing, transfers nothing
# and reads no file that it was not told to read.
LIMIT=120
. "${0%/*}/lib.sh"
requires rsync openssl getfattr setfattr
make_tree "$TMP/tree" 1
new_volume
mount_volume

# send WAY [OPTION...]: into the directory of that name. (-@-1 compares nanoseconds.)
send() {
    local way="$1"
    shift
    rsync -@-1 -a "$@" "$TMP/tree/" "$MNT/$way/" || fail "$way: rsync $* ends with $?"
    echo "$way $*" >>"$TMP/sent"
}

digests() (
    cd "$1" && find . -type f -print0 | sort -z | xargs -0r sha256sum
)

# Every way once more: nothing to do, and all is there.
nothing_to_do() {
    sort -u "$TMP/sent" | while read -r way options; do
        reads=$(status_value read)
        # shellcheck disable=SC2086 # a list
        rsync -@-1 -ai --stats $options "$TMP/tree/" "$MNT/$way/" >"$TMP/again"
        sed '/^Number of files:/,$d; /^$/d' "$TMP/again" >"$TMP/itemized"
        [ ! -s "$TMP/itemized" ] || fail "$way $1: one more run did something: $(cat "$TMP/itemized")"
        grep -q '^Number of regular files transferred: 0$' "$TMP/again" || fail "$way $1: one more run sent files"
        grep -q '^Literal data: 0 bytes$' "$TMP/again" || fail "$way $1: one more run sent bytes"
        [ "$way" = checksum ] || equals "$(status_value read)" "$reads" "$way $1: times that one more run read a file"
    done
    digests "$TMP/tree" >"$TMP/digests"
    while read -r way options; do
        digests "$MNT/$way" | diff "$TMP/digests" - || fail "$way $1: other content"
    done <"$TMP/sent"
}

for way in archive all inplace append partial delete checksum delay linked; do
    case $way in
    all) set -- -HAX ;;
    inplace) set -- --inplace ;;
    append) set -- --append-verify ;;
    partial) set -- --partial ;;
    delete) set -- --delete ;;
    checksum) set -- --checksum ;;
    delay) set -- --delay-updates ;;
    linked) set -- --link-dest=../archive ;;
    *) set -- ;;
    esac
    send "$way" "$@"
done
same_tree "$TMP/tree" "$MNT/all"
same_file() {
    equals "$(stat -c %i "$MNT/archive/part 1/$1")" "$(stat -c %i "$MNT/linked/part 1/$1")" "--link-dest, $1"
}
same_file file-1.txt
same_file one-block.bin
sync_volume

# The source goes on: a file has grown, one has changed in the middle, one has other bytes and says nothing of it, one is gone, one is new.
cd "$TMP/tree/part 1"
bytes 500000 7 >>one-block.bin
printf 'in the middle' | dd of=deep/er/picture.jpg bs=1 seek=1500000 conv=notrunc status=none
touch -r file-15.txt "$TMP/time"
echo "FILE 15 of part 1" >file-15.txt
touch -r "$TMP/time" file-15.txt
rm file-16.txt
bytes 100000 8 >new.bin
cd /
inode=$(stat -c %i "$MNT/inplace/part 1/deep/er/picture.jpg")
rm "$TMP/sent"
# What a way cannot see for itself (--append-verify the middle, all but --checksum the silent change) it is told by --ignore-times.
send checksum --checksum --delete
equals "$(cat "$MNT/checksum/part 1/file-15.txt")" "FILE 15 of part 1"
for way in all inplace partial delete delay; do
    touch -d '2020-01-01 UTC' "$MNT/$way/part 1/file-15.txt"
done
send all -HAX --delete
send inplace --inplace --delete
equals "$(stat -c %i "$MNT/inplace/part 1/deep/er/picture.jpg")" "$inode" "--inplace made a new file"
send delete --delete
[ ! -e "$MNT/delete/part 1/file-16.txt" ] || fail "--delete left a file"
send delay --delay-updates --delete

# --append-verify: of what has grown only the end is sent.
rsync -@-1 -a --append-verify --stats "$TMP/tree/part 1/one-block.bin" "$MNT/append/part 1/" >"$TMP/appended"
grep -q '^Literal data: 500,000 bytes$' "$TMP/appended" || fail "--append-verify sent $(grep Literal "$TMP/appended")"
cmp "$TMP/tree/part 1/one-block.bin" "$MNT/append/part 1/one-block.bin"

# --partial: broken off in the middle of a file, what has arrived stays, and the next run goes on with it.
bytes 4000000 9 >"$TMP/slow.bin"
rsync -@-1 -a --partial --bwlimit=200 "$TMP/slow.bin" "$MNT/partial/" 2>/dev/null &
slow=$!
arrives() {
    [ -n "$(find "$MNT/partial" -maxdepth 1 -name '.slow.bin.*' -size +100k)" ]
}
wait_for arrives
kill -TERM "$slow"
! wait "$slow" || fail "rsync was not broken off"
wait_for test -s "$MNT/partial/slow.bin" # kept by the receiving process
equals "$(find "$MNT/partial" -name '.slow*')" ""
rsync -@-1 -a --partial --stats --no-whole-file "$TMP/slow.bin" "$MNT/partial/" >"$TMP/resumed"
! grep -q '^Matched data: 0 bytes$' "$TMP/resumed" || fail "--partial began again"
cmp "$TMP/slow.bin" "$MNT/partial/slow.bin"
rm "$MNT/partial/slow.bin"
send partial --partial --delete
send linked2 --link-dest=../delete
equals "$(stat -c %i "$MNT/delete/part 1/new.bin")" "$(stat -c %i "$MNT/linked2/part 1/new.bin")" "--link-dest"

nothing_to_do "at once"
remount_from_bucket
nothing_to_do "out of the bucket"
same_tree "$TMP/tree" "$MNT/all"
equals "$(stat -c %i "$MNT/delete/part 1/new.bin")" "$(stat -c %i "$MNT/linked2/part 1/new.bin")" "--link-dest after a remount"
equals "$(find "$MNT" -name '.~tmp~' -o -name '.*.??????')" "" "temporary names"
umount_volume
