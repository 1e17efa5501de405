#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Signed URLs, cookies and links before a verifier that nobody of us has written: the CDN of the real pair checks them with nginx's WebCrypto and a JSON parser.
BACKENDS='real: it is about its CDN'
. "${0%/*}/../sh/lib.sh"
requires openssl curl
openssl genrsa -out "$TMP/key.pem" 2048 2>/dev/null
openssl genrsa -out "$TMP/other.pem" 2048 2>/dev/null
openssl pkey -in "$TMP/key.pem" -pubout -out "$TMP/public.pem"
CDN_SIGNER=K1=$TMP/public.pem "$SRC/tests/real/cdn" start "$TMP/cdn" "$REAL_DIR/s3" || fail "no CDN"
cleanup_fn "'$SRC/tests/real/cdn' stop '$TMP/cdn'"
# shellcheck disable=SC1091
. "$TMP/cdn/cdn.env"
read_through "$CDN_URL"
get() {
    curl -sS --cacert "$CA_FILE" -o "$TMP/body" -w '%{http_code}' "$1"
}
KEY=cdn_key_file=$TMP/key.pem,cdn_key_id=K1
bytes 2500000 1 >"$TMP/file"
new_volume "$KEY"
mount_volume "$KEY"
mkdir -p "$MNT/a b"
cp "$TMP/file" "$MNT/a b/file.jpg"
sync_volume
for how in cdn_sign=url cdn_sign=cookie cdn_sign=url,cdn_policy=custom cdn_sign=cookie,cdn_policy=custom,cdn_hash=sha256 cdn_hash=sha256; do
    remount_from_bucket "$KEY,$how"
    cmp "$TMP/file" "$MNT/a b/file.jpg" || fail "$how: not what was written"
    plain=$(truth url "$MNT/a b/file.jpg")
    link=$("$ASSETFS" url --sign "$MNT/a b/file.jpg")
    equals "$(get "$plain")" 403 "$how: without a signature"
    equals "$(get "$link")" 200 "$how: a link"
    cmp "$TMP/file" "$TMP/body" || fail "$how: a link to something else"
    equals "$(get "$link&x=1")" 403 "$how: with something added"
    equals "$(get "$(echo "$link" | sed 's/\.jpg/.jpe/')")" 403 "$how: of another file"
    equals "$(get "$(echo "$link" | sed 's/Key-Pair-Id=K1/Key-Pair-Id=K2/')")" 403 "$how: of a key that nobody knows"
    short=$("$ASSETFS" url --sign --expires 1s "$MNT/a b/file.jpg")
    has_expired() {
        [ "$(get "$short")" = 403 ]
    }
    wait_for has_expired
done
remount_from_bucket "cdn_key_file=$TMP/key.pem,cdn_key_id=K1"
cp "$TMP/other.pem" "$TMP/key.pem" # the wrong key
equals "$(get "$("$ASSETFS" url --sign "$MNT/a b/file.jpg")")" 403 'by another key'
