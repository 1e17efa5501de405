#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The CDN answers everything with 200 and an HTML page (a custom error response, a captive portal): no byte of that is taken for a file's, known files that are not
# cached fail, the tree stays what it was. When it is over all goes on.
BACKENDS='double: it serves a page for everything'
LIMIT=120
. "${0%/*}/../sh/lib.sh"
requires openssl
bytes 100000 1 >"$TMP/cached"
bytes 100000 2 >"$TMP/not-cached"
bytes 3000000 3 >"$TMP/large"
new_volume
mount_volume
cp "$TMP/cached" "$TMP/not-cached" "$TMP/large" "$MNT/"
remount_from_bucket poll=100ms,timeout=2s
cmp "$TMP/cached" "$MNT/cached"

fault cdn:html=200 >/dev/null
is_offline() {
    [ "$(status_value offline)" = "${1:-true}" ]
}
wait_for is_offline
equals "$(ls "$MNT" | tr '\n' ' ')" "cached large not-cached "
cmp "$TMP/cached" "$MNT/cached" || fail "what is cached cannot be read"
for file in not-cached large; do
    expect 1 timeout 20 cat "$MNT/$file"
    grep -q 'Input/output error' "$TMP/err" || fail "not EIO: $(cat "$TMP/err")"
    [ ! -s "$TMP/out" ] || fail "$file: something was read: $(head -c 100 "$TMP/out")"
done

# A mount that begins now knows what it knew.
umount_volume
"$ASSETFS" mount -o poll=100ms,timeout=2s "$VOLUME" "$MNT" 2>"$TMP/err" || fail "mount: $(cat "$TMP/err")"
equals "$(ls "$MNT" | tr '\n' ' ')" "cached large not-cached "
# A host that knows nothing does not take the page for an empty bucket.
expect 1 "$ASSETFS" mount -o "timeout=2s,cache_dir=$TMP/fresh" "$VOLUME" "$TMP/mnt2"

faults_off
wait_for is_offline false
wait_for cmp "$TMP/not-cached" "$MNT/not-cached" # a read that began before may still wait
wait_for cmp "$TMP/large" "$MNT/large"
umount_volume
