#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A CDN that gives nothing to reads without a signature, the journal included: signed URLs and signed cookies, canned and custom policies, both hashes, RSA and ECDSA. The double
# checks each one.
BACKENDS='double: its CDN checks signatures'
# shellcheck disable=SC2034 # tests/lib/backend_double.sh reads it
DOUBLE_PRIVATE='*'
. "${0%/*}/../sh/lib.sh"
requires openssl
openssl genrsa -out "$TMP/rsa.pem" 2048 2>/dev/null
openssl ecparam -name prime256v1 -genkey -noout -out "$TMP/ec.pem"
for key in rsa ec; do
    openssl pkey -in "$TMP/$key.pem" -pubout -out "$TMP/$key.pub"
done
signer add "KRSA=$TMP/rsa.pub" >/dev/null
signer add "KEC=$TMP/ec.pub" >/dev/null
bytes 3000000 1 >"$TMP/large"
echo small >"$TMP/small"

RSA=cdn_key_file=$TMP/rsa.pem,cdn_key_id=KRSA
EC=cdn_key_file=$TMP/ec.pem,cdn_key_id=KEC
new_volume "$RSA"
mount_volume "$RSA"
cp "$TMP/large" "$TMP/small" "$MNT/"
remount_from_bucket "$RSA"

# read_all OPTIONS: everything comes through the CDN, and is what was written.
read_all() {
    remount_from_bucket "$1"
    cmp "$TMP/large" "$MNT/large" || fail "$1: large"
    cmp "$TMP/small" "$MNT/small" || fail "$1: small"
    echo "$1" >>"$MNT/log"
    sync_volume
}
for sign in url cookie; do
    for policy in canned custom; do
        read_all "$RSA,cdn_sign=$sign,cdn_policy=$policy"
    done
done
read_all "$RSA,cdn_hash=sha256"
read_all "$EC"
read_all "$EC,cdn_hash=sha256,cdn_sign=cookie,cdn_policy=custom"
remount_from_bucket "$RSA"
equals "$(wc -l <"$MNT/log")" 7
umount_volume

# Neither a signature nor a key is in what this host keeps, its log included.
! grep -rlE "Signature=|Policy=|PRIVATE KEY" "$XDG_CACHE_HOME" || fail "a signature is in the local state"
