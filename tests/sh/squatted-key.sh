#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Somebody has put other bytes at the very key that a file's content is to have: the file gets another key and reads right. Right bytes are used as
# they are.
. "${0%/*}/lib.sh"
requires getfattr openssl
bytes 300000 1 >"$TMP/a.bin"
bytes 300000 2 >"$TMP/b.bin"
bytes 300000 3 >"$TMP/c.bin"
bytes 2500000 4 >"$TMP/d.bin"

key_of() {
    echo "files/$(sha256sum <"$1" | cut -c 1-64).bin"
}

new_volume
# digests: of the four objects that are there before.
digests() {
    for file in a b c d; do
        object_get "$(key_of "$TMP/$file.bin")" | sha256sum
    done
}

echo garbage | object_put "$(key_of "$TMP/a.bin")"
head -c 299999 "$TMP/b.bin" | object_put "$(key_of "$TMP/b.bin")"
object_put "$(key_of "$TMP/c.bin")" <"$TMP/c.bin"
{ head -c 2499999 "$TMP/d.bin"; printf x; } | object_put "$(key_of "$TMP/d.bin")"
digests >"$TMP/before"

mount_volume
cp "$TMP"/?.bin "$MNT/"
sync_volume
remount_from_bucket
for file in a.bin b.bin c.bin d.bin; do
    cmp "$TMP/$file" "$MNT/$file" || fail "$file is not what was written"
done
equals "$(truth key "$MNT/c.bin")" "$(key_of "$TMP/c.bin")"
for file in a.bin b.bin d.bin; do
    [ "$(truth key "$MNT/$file")" != "$(key_of "$TMP/$file")" ] || fail "$file is said to have the key with the wrong bytes"
    object_get "$(truth key "$MNT/$file")" | cmp - "$TMP/$file" || fail "the object of $file has other bytes"
done

# What was there was not touched.
digests >"$TMP/after"
cmp "$TMP/before" "$TMP/after" || fail "objects were changed"
umount_volume
