#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# cp: a copy of a whole file shares its content: nothing is read from the bucket for it, and no second object is put. Holes (--sparse=always) are zeros everywhere.
. "${0%/*}/lib.sh"
requires openssl python3
new_volume
mount_volume
bytes 5000000 >"$MNT/picture.jpg"
bytes 300 2 >"$MNT/small.txt"
sync_volume
sums=$(sha256sum <"$MNT/picture.jpg")

# content_puts: puts that were not entries of the journal.
content_puts() {
    echo $(($(status_value store_puts) - $(status_value entries_written)))
}
same_content() {
    equals "$(truth key "$MNT/$1")" "$(truth key "$MNT/$2")" "where the bytes of $1 and $2 are"
    cmp "$MNT/$1" "$MNT/$2" || fail "$2 is no copy of $1"
}

# Out of the bucket: what is copied has never been here.
remount_from_bucket
cp --reflink=auto "$MNT/picture.jpg" "$MNT/copy.jpg"
cp -a "$MNT/picture.jpg" "$MNT/copy-a.jpg"
mkdir "$MNT/dir"
cp -a "$MNT/picture.jpg" "$MNT/small.txt" "$MNT/dir/"
sync_volume
equals "$(content_puts)" 0 "objects that were put for copies"
[ "$(status_value bytes_fetched)" -lt 1000000 ] || fail "$(status_value bytes_fetched) bytes were fetched for copies"

# Over a file that has something else, and of one that is not in the bucket yet: two objects, none for a copy.
bytes 6000000 3 >"$MNT/overwritten.jpg"
bytes 2000000 4 >"$MNT/new.jpg"
cp "$MNT/new.jpg" "$MNT/new-copy.jpg"
sync_volume
equals "$(object_list files/ | wc -l)" 4
puts=$(content_puts)
cp "$MNT/picture.jpg" "$MNT/overwritten.jpg"
sync_volume
equals "$(content_puts)" "$puts" "objects that were put for copies"
equals "$(object_list files/ | wc -l)" 4
same_content new.jpg new-copy.jpg
for copy in copy.jpg copy-a.jpg dir/picture.jpg overwritten.jpg; do
    same_content picture.jpg "$copy"
done
same_content small.txt dir/small.txt

# They are files of their own.
printf 'changed' | dd of="$MNT/copy.jpg" bs=1 seek=2000000 conv=notrunc status=none
equals "$(sha256sum <"$MNT/picture.jpg")" "$sums"
rm "$MNT/picture.jpg"
equals "$(sha256sum <"$MNT/copy-a.jpg")" "$sums"

# Holes, from a local disk and within the mount. (What is in the bucket counts as full: its blocks are looked at before it is.)
remount_from_bucket settle=1h
python3 - "$TMP/holes" <<'PY'
import sys
with open(sys.argv[1], "wb") as f:
    f.truncate(12 << 20)
    f.seek(3 << 20); f.write(b"in the middle" * 1000)
    f.seek((12 << 20) - 5); f.write(b"end\0\n")
PY
tr '\0' '\0' <"$TMP/holes" >"$TMP/zeros" # the same bytes, written
cp --sparse=always "$TMP/holes" "$MNT/holes"
cp --sparse=always "$TMP/zeros" "$MNT/zeros"
cp --sparse=never "$TMP/holes" "$MNT/full"
cp --sparse=always "$MNT/full" "$MNT/sparse-again"
cp --sparse=always "$MNT/holes" "$MNT/holes-again"
for file in holes zeros sparse-again holes-again; do
    cmp "$TMP/holes" "$MNT/$file" || fail "$file has other bytes"
    [ "$(stat -c %b "$MNT/$file")" -lt 12000 ] || fail "$file takes $(stat -c %b "$MNT/$file") blocks"
done
remount_from_bucket
for file in holes zeros full sparse-again holes-again; do
    cmp "$TMP/holes" "$MNT/$file" || fail "$file has other bytes after a remount"
done
equals "$(sha256sum <"$MNT/copy-a.jpg")" "$sums"
equals "$(dd if="$MNT/copy.jpg" bs=1 skip=2000000 count=7 status=none)" changed
umount_volume
