#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# cp -a, mv, rm -r and tar do in the mount what they do on a local disk, and the bucket alone has the result.
. "${0%/*}/lib.sh"
requires getfattr setfattr openssl tar
make_tree "$TMP/tree" 1
find "$TMP/tree" -type p -delete # not for tar --xattrs and cp alike
mkdir "$TMP/local"
new_volume
mount_volume

# The same on both sides, $1 being the side.
work() (
    cd "$1"
    cp -a "$TMP/tree" copied
    cp -a copied copied-inside
    mkdir moved
    mv copied-inside/"part 1" moved/
    mv copied/"part 1"/file-11.txt moved/
    mv moved/file-11.txt copied/"part 1"/file-12.txt # replaces
    cp copied/"part 1"/file-13.txt copied/"part 1"/one-block.bin # overwrites
    rm -r copied/"part 1"/deep/er
    rmdir copied-inside
    tar -C "$TMP/tree" --sort=name -cf - . | (mkdir untarred && tar -C untarred -xpf -)
    tar -C untarred --sort=name -cf archive.tar .
    # What is made by itself gets the time of now: not the same on both sides.
    find . -mindepth 1 -maxdepth 3 -exec touch -h -d '2020-01-01 00:00:00.123456789 UTC' {} +
    touch -d '2020-01-01 UTC' .
)
work "$TMP/local"
work "$MNT"
tar -C "$TMP/local" -tvf "$TMP/local/archive.tar" | sort >"$TMP/list-local"
tar -C "$MNT" -tvf "$MNT/archive.tar" | sort >"$TMP/list-mount"
cmp "$TMP/list-local" "$TMP/list-mount" || fail "the archives differ"
rm "$TMP/local/archive.tar" "$MNT/archive.tar" # its bytes depend on the order of names
touch -d '2020-01-01 UTC' "$TMP/local" "$MNT"
same_tree "$TMP/local" "$MNT"
remount_from_bucket
same_tree "$TMP/local" "$MNT"

rm -r "${MNT:?}"/*
equals "$(ls -A "$MNT")" ""
remount_from_bucket
equals "$(ls -A "$MNT")" ""
umount_volume
