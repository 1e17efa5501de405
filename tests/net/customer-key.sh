#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# An area under a customer key (SSE-C), on a real S3 server through TLS: small and in parts, read back by a host that has nothing but the bucket and the key. Without the
# key nobody reads it, the bucket's owner neither; with another key a host says so.
# shellcheck disable=SC2034
BACKENDS='real: the double has no TLS, over which alone a customer key may go'
. "${0%/*}/../sh/lib.sh"
requires "${PYTHON:=python3}" openssl
"$PYTHON" -c 'import botocore.session' 2>/dev/null || skip "no botocore here: scripts/install-deps test"

# What is under the key is read from S3 itself, so by somebody who may get objects.
without_cdn() {
    network_volume "s3://$S3_BUCKET/$PREFIX" "endpoint = $S3_URL" "path_style = yes" "ca_file = $CA_FILE" "sse_c_key_file = $TMP/customer key"
    export AWS_ACCESS_KEY_ID=OWNERKEY AWS_SECRET_ACCESS_KEY=ownersecret
}

# owner_gets KEY ANSWER [KEYFILE]
owner_gets() {
    local key="$1" want="$2" got
    shift 2
    got=$("$PYTHON" -W ignore "$SRC/tests/tools/customer-get.py" "$S3_URL" "$CA_FILE" "$S3_BUCKET" "$PREFIX/$key" "$@") || fail "no answer for $key"
    # shellcheck disable=SC2254 # a pattern
    case $got in
    $want) ;;
    *) fail "$key ${1:+with ${1##*/}}: '$got', not '$want'" ;;
    esac
}

a_key() {
    (umask 077 && openssl rand -base64 32 >"$1")
}

a_key "$TMP/customer key"
a_key "$TMP/another key"
without_cdn
new_volume
mount_volume
"$ASSETFS" area set "$MNT/papers" encryption=sse-c access=signed
mkdir "$MNT/papers" "$MNT/plain"
echo 'a curriculum vitae' >"$MNT/papers/small.txt"
bytes 40000000 >"$MNT/papers/large.bin"
bytes 40000000 2 >"$MNT/plain/large.bin"
sync_volume
small=$(truth key "$MNT/papers/small.txt") large=$(truth key "$MNT/papers/large.bin") plain=$(truth key "$MNT/plain/large.bin")
equals "${small%%/*} ${large%%/*} ${plain%%/*}" 'papers papers files'

for file in papers/small.txt papers/large.bin; do
    key=$(truth key "$MNT/$file")
    owner_gets "$key" '400 *'
    owner_gets "$key" '400 *' "$TMP/another key"
    owner_gets "$key" "200 AES256 $(truth sha256 "$MNT/$file")" "$TMP/customer key"
done
owner_gets "$plain" "200 - $(truth sha256 "$MNT/plain/large.bin")"

# A host that has nothing.
remount_from_bucket
equals "$(cat "$MNT/papers/small.txt")" 'a curriculum vitae'
bytes 40000000 | cmp - "$MNT/papers/large.bin"
bytes 40000000 2 | cmp - "$MNT/plain/large.bin"
umount_volume

# Another key, none, and a CDN before it.
mv "$TMP/customer key" "$TMP/the right one"
cp -p "$TMP/another key" "$TMP/customer key"
expect 1 "$ASSETFS" mount "$VOLUME" "$MNT"
says 'encryption=sse-c of this area is under the customer key [0-9a-f]*, and this host has [0-9a-f]*: give the right sse_c_key_file='
lose_local_state
expect 1 "$ASSETFS" mount "$VOLUME" "$MNT"
says 'give the right sse_c_key_file='
read_through "$CDN_URL"
expect 1 "$ASSETFS" mount "$VOLUME" "$MNT"
says 'what is read through a CDN cannot be under a customer key'
expect 2 "$ASSETFS" mount -o "sse_c_key_file=$TMP/the right one" "$VOLUME" "$MNT"
says 'sse_c_key_file and cdn= do not go together'

# The bucket is as it was.
without_cdn
mv "$TMP/the right one" "$TMP/customer key"
mount_volume
bytes 40000000 | cmp - "$MNT/papers/large.bin"

# A secret operator replaces the file: by one without the key, which is said and changes nothing; then by one with both, and a rule that is set from then on takes the first.
replace_keys() {
    (umask 077 && cat >"$TMP/customer key.new")
    mv "$TMP/customer key.new" "$TMP/customer key"
}
cp -p "$TMP/customer key" "$TMP/the right one"
replace_keys <"$TMP/another key"
echo more >"$MNT/papers/more.txt"
sync_volume
owner_gets "$(truth key "$MNT/papers/more.txt")" "200 AES256 $(truth sha256 "$MNT/papers/more.txt")" "$TMP/the right one"
equals "$(grep -c 'does not have the customer key [0-9a-f]* any more.*stays in use until this mount ends' "$(state_dir)/log")" 1
cat "$TMP/another key" "$TMP/the right one" | replace_keys
"$ASSETFS" area set "$MNT/letters" encryption=sse-c
mkdir "$MNT/letters"
echo letter >"$MNT/letters/letter.txt"
echo paper >"$MNT/papers/paper.txt"
sync_volume
owner_gets "$(truth key "$MNT/letters/letter.txt")" "200 AES256 $(truth sha256 "$MNT/letters/letter.txt")" "$TMP/another key"
owner_gets "$(truth key "$MNT/papers/paper.txt")" "200 AES256 $(truth sha256 "$MNT/papers/paper.txt")" "$TMP/the right one"
remount_from_bucket
equals "$(cat "$MNT/letters/letter.txt" "$MNT/papers/paper.txt")" "$(printf 'letter\npaper')"
! grep -rqF -f "$TMP/the right one" "$(state_dir)/log" || fail "a key is in the log"
umount_volume
