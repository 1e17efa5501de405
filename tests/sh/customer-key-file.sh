#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What is in the file of a customer key (sse_c_key_file=): whatever is no key is refused at once, before any server is asked, in words that name the file.
# shellcheck disable=SC2034
BACKENDS='dir: no server is asked'
. "${0%/*}/lib.sh"
requires openssl
requires_fuse

FILE=$TMP/customer-key
mkdir -p "$MNT"
export AWS_ACCESS_KEY_ID=K AWS_SECRET_ACCESS_KEY=S AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true

# Nobody listens at that port.
mount_with() {
    expect "$1" "$ASSETFS" mount -o "endpoint=https://127.0.0.1:1,path_style,timeout=1s,sse_c_key_file=$FILE" s3://assets "$MNT"
}

# refused SENTENCE: with what standard input gives.
refused() {
    cat >"$FILE"
    chmod 600 "$FILE"
    mount_with 1
    says "sse_c_key_file=$FILE $1"
}

NO_KEY='does not hold a customer key: 32 bytes, or their base64 on one line, as openssl rand -base64 32 prints it'
refused "$NO_KEY" </dev/null
openssl rand 31 | refused "$NO_KEY"
openssl rand 33 | refused "$NO_KEY"
openssl rand -base64 31 | refused "$NO_KEY"
openssl rand -base64 33 | refused "$NO_KEY"
openssl rand -base64 16 | refused "$NO_KEY"
openssl rand -hex 32 | refused "$NO_KEY"
openssl genrsa 2048 2>/dev/null | refused "$NO_KEY"
{ openssl rand -base64 32; openssl rand -base64 31; } | refused "$NO_KEY"
{ openssl rand -base64 32; echo '# the old one'; openssl rand -base64 32; } | refused "$NO_KEY"
for n in $(seq 33); do openssl rand -base64 32; done | refused 'has more than 32 keys in it'
openssl rand -base64 32 | tr '+/' '-_' | sed 's/^./_/' | refused "$NO_KEY"
bytes 5000 | refused 'cannot be read: File too large'

rm "$FILE"
mount_with 1
says "sse_c_key_file=$FILE cannot be read: No such file or directory"
mkdir "$FILE"
mount_with 1
says "sse_c_key_file=$FILE cannot be read"
rmdir "$FILE"
openssl rand -base64 32 >"$FILE"
chmod 644 "$FILE"
mount_with 1
says "can be read by everybody on this machine: run chmod 600 $FILE"

# A right one, in each of its forms and by way of a link: now the server is missing.
good() {
    chmod 600 "$FILE"
    mount_with 1
    ! grep -q sse_c_key_file "$TMP/err" || fail "refused: $(cat "$TMP/err")"
}
openssl rand 32 >"$FILE"
good
openssl rand -base64 32 >"$FILE"
good
openssl rand -base64 32 | sed 's/$/\r/' >"$FILE"
good
{ openssl rand -base64 32; echo; openssl rand -base64 32 | sed 's/$/ \r/'; } >"$FILE" # several
good
mkdir "$TMP/..data"
openssl rand -base64 32 | tr -d '\n' >"$TMP/..data/key"
chmod 600 "$TMP/..data/key"
ln -sf "$TMP/..data/key" "$FILE"
good
