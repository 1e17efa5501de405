#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The writer's key is revoked under a running copy, and given back: the copy does not notice, nothing that was acknowledged is lost, and status says why
# nothing moved.
BACKENDS='double: it revokes a key'
. "${0%/*}/../sh/lib.sh"
requires openssl
new_volume
mount_volume settle=50ms
bytes 30000 >"$TMP/source"

# Goes on until the file $TMP/enough is there.
copy() {
    n=0
    until [ -e "$TMP/enough" ]; do
        n=$((n + 1))
        { cat "$TMP/source" && echo "$n"; } >"$MNT/file-$n" || fail "file $n could not be written"
        echo "$n" >"$TMP/copied"
    done
}
copied() {
    [ "$(cat "$TMP/copied")" -ge "$1" ]
}
copy &
copy=$!
cleanup_fn "kill $copy 2>/dev/null"
wait_for copied 20
key revoke WRITERKEY
wait_for copied $(($(cat "$TMP/copied") + 20))
says_why() {
    "$ASSETFS" status "$MNT" | grep -q 'InvalidAccessKeyId'
}
wait_for says_why
key restore WRITERKEY
wait_for copied $(($(cat "$TMP/copied") + 20))
touch "$TMP/enough"
wait "$copy" || fail "the copy failed"

sync_volume
remount_from_bucket
n=0
while [ "$n" -lt "$(cat "$TMP/copied")" ]; do
    n=$((n + 1))
    { cat "$TMP/source" && echo "$n"; } | cmp - "$MNT/file-$n" || fail "file $n is not what was written"
done
umount_volume
