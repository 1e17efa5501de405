#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A program that reads the files of a tree one after another finds the next ones fetched already: in the order of listings (tar), and with the files of a directory before its
# subdirectories (rsync). Files that are picked here and there fetch nothing but themselves.
. "${0%/*}/lib.sh"
new_volume
mount_volume
for dir in d1 d1/sub d2; do
    mkdir "$MNT/$dir"
    for n in 1 2 3 4 5 6 7 8 9; do
        bytes 20000 "$dir$n" >"$MNT/$dir/file-$n"
    done
done
sync_volume

fetched() {
    status_value bytes_fetched
}

# fetches N FILE...: of the files, only some are read, and from the bucket come N files in all.
fetches() {
    local want="$1" before
    shift
    remount_from_bucket
    before=$(fetched)
    for name; do
        cat "$MNT/$name" >"$TMP/read"
    done
    has_fetched() {
        [ $(($(fetched) - before)) -eq $((want * 20000)) ]
    }
    wait_for has_fetched
}

# The run is three files long: the rest of the directory follows, but no other directory.
fetches 9 d1/file-1 d1/file-2 d1/file-3 d1/file-4
# From one directory to the next in the order of listings: all that follows, as far as the run is long.
fetches 23 d1/file-5 d1/file-6 d1/file-7 d1/file-8 d1/file-9 d1/sub/file-1
# Here and there.
fetches 3 d1/file-7 d2/file-2 d1/sub/file-5

# A program that opens them in that order and reads none (rsync -X, for their attributes) has nothing fetched.
remount_from_bucket
before=$(status_value bytes_fetched)
for n in 1 2 3 4 5 6 7 8 9; do
    exec 7<"$MNT/d1/file-$n"
    exec 7<&-
done
cat "$MNT/d2/file-9" >"$TMP/read"
equals $(($(status_value bytes_fetched) - before)) 20000 "bytes fetched"
umount_volume
