#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Signatures that are good for two seconds only, under a read that takes longer, with each way of signing: they are renewed, and no program sees an error. A clock that is wrong by days
# is set right by what the CDN says.
BACKENDS='double: its CDN checks signatures'
# shellcheck disable=SC2034 # tests/lib/backend_double.sh reads it
DOUBLE_PRIVATE='*'
. "${0%/*}/../sh/lib.sh"
requires openssl
openssl ecparam -name prime256v1 -genkey -noout -out "$TMP/key.pem"
openssl pkey -in "$TMP/key.pem" -pubout -out "$TMP/public.pem"
signer add "K1=$TMP/public.pem" >/dev/null
KEY=cdn_key_file=$TMP/key.pem,cdn_key_id=K1
bytes 3000000 1 >"$TMP/large"
new_volume "$KEY"
mount_volume "$KEY"
cp "$TMP/large" "$MNT/large"
for how in url,cdn_policy=canned cookie,cdn_policy=custom; do
    # About three seconds, a block after the other.
    remount_from_bucket "$KEY,cdn_expires=2s,cdn_sign=$how,download_limit=1M,read_ahead=0"
    began=$(date +%s)
    cmp "$TMP/large" "$MNT/large" || fail "$how: not what was written"
    [ $(($(date +%s) - began)) -ge 2 ] || fail "$how: the read did not outlive its signature"
done

fault any:clock=100000 >/dev/null
remount_from_bucket "$KEY,cdn_expires=10s"
cmp "$TMP/large" "$MNT/large" || fail "not what was written"
umount_volume
