#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# assetfs policy: its JSON is a document that AWS could be given, its Terraform is parsed (python3-pyhcl), and what is asked of neither is refused.
BACKENDS='dir: it asks no server'
. "${0%/*}/lib.sh"
requires python3 openssl
for HCL in python3 /usr/bin/python3 none; do
    "$HCL" -c 'import hcl' 2>/dev/null && break
done
[ "$HCL" != none ] || skip "no python3-pyhcl here, which parses Terraform"
unset AWS_REGION AWS_DEFAULT_REGION AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3 AWS_PROFILE
openssl genrsa -out "$TMP/key.pem" 2048 2>"$TMP/err"
CDN=https://d111111abcdef8.cloudfront.net

# looks BUCKET PLACE WORDS VOLUME [OPTION,...]: both forms are as they should be.
looks() {
    expect 0 "$ASSETFS" policy ${5:+-o "$5"} "$4"
    # shellcheck disable=SC2086 # words
    python3 "$SRC/tests/tools/policy-look.py" json "$1" "$2" $3 <"$TMP/out" || fail "JSON of $4 ${5:-}: $(cat "$TMP/out")"
    expect 0 "$ASSETFS" policy --terraform ${5:+-o "$5"} "$4"
    # shellcheck disable=SC2086 # words
    "$HCL" "$SRC/tests/tools/policy-look.py" terraform "$1" "$2" $3 <"$TMP/out" || fail "Terraform of $4 ${5:-}: $(cat "$TMP/out")"
}

looks my-assets '' '' s3://my-assets "cdn=$CDN"
looks my-assets team/ '' s3://my-assets/team "cdn=$CDN,region=eu-central-1"
looks my-assets team/ signed s3://my-assets/team "cdn=$CDN,cdn_key_file=$TMP/key.pem,cdn_key_id=K2JCJMDEHXQW5F"
looks my-assets '' direct s3://my-assets
looks my-assets 'a b/ü/' '' 's3://my-assets/a b/ü' "cdn=$CDN"

# The manual's examples, as printed.
mkdir -p "$XDG_CONFIG_HOME/assetfs"
printf '%s\n' '[volume pictures]' 'url = s3://my-assets/team' "cdn = $CDN" >"$XDG_CONFIG_HOME/assetfs/assetfs.conf"
sed -n '/^\.Sh EXAMPLES$/,/^\.Sh /s/^assetfs policy /policy /p' "$SRC/man/assetfs.1" >"$TMP/examples"
equals "$(wc -l <"$TMP/examples")" 3 "examples of policy in the manual"
while read -r line; do
    expect 0 sh -c "cd '$TMP' && '$ASSETFS' $line"
done <"$TMP/examples"
python3 "$SRC/tests/tools/policy-look.py" json my-assets team/ <"$TMP/out"
"$HCL" "$SRC/tests/tools/policy-look.py" terraform my-assets team/ <"$TMP/assets.tf"

# What cannot be.
expect 1 "$ASSETFS" policy "$VOLUME"
says 'directory'
expect 1 "$ASSETFS" policy s3://x
expect 1 "$ASSETFS" policy nowhere
says 'nowhere'
expect 1 "$ASSETFS" policy -o cdn=http://cdn.example s3://my-assets
says 'plain http'
expect 2 "$ASSETFS" policy
expect 2 "$ASSETFS" policy --terrafrom s3://my-assets
