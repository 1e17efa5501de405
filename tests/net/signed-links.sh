#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# assetfs url --sign: links that a browser can use, checked by the double's own verifier: good ones, and expired, tampered, of another file, of an unknown key. link_base= says where they begin.
BACKENDS='double: its CDN checks signatures'
# shellcheck disable=SC2034 # tests/lib/backend_double.sh reads it
DOUBLE_PRIVATE='files/*'
. "${0%/*}/../sh/lib.sh"
requires openssl curl python3
openssl genrsa -out "$TMP/key.pem" 2048 2>/dev/null
openssl pkey -in "$TMP/key.pem" -pubout -out "$TMP/public.pem"
signer add "K1=$TMP/public.pem" >/dev/null
# get URL: the status and CloudFront's code.
get() {
    curl -sS -o "$TMP/body" -w '%{http_code}' "$1"
    sed -n 's|.*<Code>\(.*\)</Code>.*| \1|p' "$TMP/body"
}
new_volume "cdn_key_file=$TMP/key.pem,cdn_key_id=K1" # it is not public
mount_volume # without a key
mkdir "$MNT/dir"
printf one >"$MNT/dir/one.txt"
printf two >"$MNT/dir/two.txt"
: >"$MNT/empty"
sync_volume
expect 1 "$ASSETFS" url --sign "$MNT/dir/one.txt"
says 'no key to sign with: mount with cdn_key_file='
umount_volume

for how in canned custom; do
    mount_volume "cdn_key_file=$TMP/key.pem,cdn_key_id=K1,cdn_policy=$how,cdn_sign=cookie"
    plain=$(truth url "$MNT/dir/one.txt")
    link=$("$ASSETFS" url --sign "$MNT/dir/one.txt")
    equals "${link%%\?*}" "$plain" "the address before its signature"
    equals "$(get "$plain")" '403 MissingKey' 'without a signature'
    equals "$(get "$link") $(cat "$TMP/body")" '200 one'
    equals "$(get "$(echo "$link" | sed "s|$(basename "$plain")|$(basename "$(truth url "$MNT/dir/two.txt")")|")")" '403 AccessDenied' 'for another file'
    equals "$(get "$(echo "$link" | sed 's/Key-Pair-Id=K1/Key-Pair-Id=K2/')")" '403 InvalidKey' 'by another key'
    equals "$(get "$link&x=1")" '403 AccessDenied' 'with something added'
    fault cdn:clock=3700 >/dev/null
    equals "$(get "$link")" '403 AccessDenied' 'after an hour'
    equals "$(get "$("$ASSETFS" url --sign --expires 2h "$MNT/dir/one.txt")")" 200 'of two hours after one'
    faults_off
    umount_volume
done

mount_volume "cdn_key_file=$TMP/key.pem,cdn_key_id=K1,link_base=https://pictures.example.org/here/"
equals "$("$ASSETFS" url --sign "$MNT/dir/one.txt" | sed 's/?.*//')" "$(truth url "$MNT/dir/one.txt")"
case $(truth url "$MNT/dir/one.txt") in https://pictures.example.org/here/files/*.txt) ;; *) fail "link_base= is not what links begin with" ;; esac

# A whole tree, as lines and as JSON; an empty file has no address, and the command says so.
expect 1 "$ASSETFS" url --sign --expires 10m -r "$MNT"
says 'empty: it has no object'
equals "$(cut -f 2 "$TMP/out")" "$(printf '%s\n' "$MNT/dir/one.txt" "$MNT/dir/two.txt")"
"$ASSETFS" url --sign --expires 10m -r --json "$MNT/dir" >"$TMP/json"
python3 - "$TMP/json" <<'PY' || fail "not the JSON that was promised: $(cat "$TMP/json")"
import hashlib, json, sys, time
lines = [json.loads(line) for line in open(sys.argv[1])]
assert [l["path"].rsplit("/", 1)[1] for l in lines] == ["one.txt", "two.txt"]
for l, text in zip(lines, (b"one", b"two")):
    assert set(l) == {"path", "url", "expires", "size", "sha256", "sequence", "access"} and l["access"] == "signed"
    assert "Signature=" in l["url"] and "Expires=%d&" % l["expires"] in l["url"]
    assert 500 < l["expires"] - time.time() < 700 and l["size"] == 3 and l["sha256"] == hashlib.sha256(text).hexdigest()
PY
# Without a signature a link to it would not work.
expect 1 "$ASSETFS" url "$MNT/dir/one.txt"
says 'works only with a signature: say --sign'
ln -s "$MNT/dir" "$TMP/to-dir"
equals "$("$ASSETFS" url --sign -r "$TMP/to-dir" | wc -l)" 2 "through a link"
for wrong in '--expires 1h' '--sign --expires soon' '--sign --expires 0' '--sign --expires 100000d' ''; do
    # shellcheck disable=SC2086 # words
    expect 2 "$ASSETFS" url $wrong ${wrong:+"$MNT/dir/one.txt"}
done
! grep -rlE 'Signature=' "$XDG_CACHE_HOME" || fail "a signature is in the local state"
umount_volume
