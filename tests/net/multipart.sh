#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A large file goes up in parts, with the writer's permissions alone (on the real pair through TLS, with a certificate of a private authority), and comes back through the CDN.
# shellcheck disable=SC2034
BACKENDS='double real: a directory knows no parts'
. "${0%/*}/../sh/lib.sh"

# The ETag of an object that was put in parts ends in their number.
etag() {
    curl -sS ${CA_FILE:+--cacert "$CA_FILE"} -o /dev/null -D - "$1" | tr -d '\r' | sed -n 's/^[Ee][Tt][Aa][Gg]: //p'
}

requires curl
new_volume
mount_volume
bytes 40000000 >"$MNT/large.bin"
bytes 1000000 >"$MNT/small.bin"
sync_volume
remount_from_bucket
bytes 40000000 | cmp - "$MNT/large.bin"
bytes 1000000 | cmp - "$MNT/small.bin"
[ "$BACKEND" = double ] || case $(truth url "$MNT/large.bin") in
https://*) ;;
*) fail "not through TLS: $(truth url "$MNT/large.bin")" ;;
esac
large=$(etag "$(truth url "$MNT/large.bin")") small=$(etag "$(truth url "$MNT/small.bin")")
case $large in
*-3\") ;;
*) fail "not in three parts of 16 MiB: $large" ;;
esac
case $small in
'' | *-*) fail "in parts: $small" ;;
esac
umount_volume
