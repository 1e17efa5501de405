#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What an area asks for and the writer may not, or KMS does not give: the file stays queued, says why in words that name the permission, and goes through when it is granted.
# shellcheck disable=SC2034
BACKENDS='double: what is refused is set there'
. "${0%/*}/../sh/lib.sh"

header() {
    python3 - "$(truth url "$1")" "$2" <<'PY'
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], method="HEAD")
with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
    print(answer.headers[sys.argv[2]] or "")
PY
}

stuck_over() {
    "$ASSETFS" status "$MNT" | grep -qE "$1"
}

# refused FILE SETTING SENTENCE: with that setting the file is stuck for that reason, and without it it arrives.
refused() {
    set_double "$2"
    "${4:-small}" "$1"
    wait_for stuck_over "$3"
    equals "$(truth state "$1")" stuck
    set_double "${2%=*}=$5"
    sync_volume
    equals "$(truth state "$1")" durable
}

small() {
    echo "this is $1" >"$1"
}

large() {
    bytes 34000000 >"$1"
}

new_volume
mount_volume
mkdir "$MNT/tagged" "$MNT/kms"
# Said when a rule is set, which holds all the same; and not said again when it is mended.
sets() {
    "$ASSETFS" area set "$MNT/tagged" 'tag.Cost centre=42/7' tag.team=web class=ONEZONE_IA
}
set_double tagging=0
expect 3 sets
says 'holds from now on, but an object put by it was refused.*allow it s3:PutObjectTagging'
"$ASSETFS" area list "$MNT" | grep -q '^tagged ' || fail "the rule does not hold"
set_double tagging=1
expect 0 sets
KMS='encryption=sse-kms kms-key=arn:aws:kms:us-east-1:111122223333:key/1 bucket-key=yes'
for refused in '1 allow it kms:GenerateDataKey' '2 KMS.DisabledException.*KMS key' '3 KMS.NotFoundException.*KMS key'; do
    set_double "kms-refuses=${refused%% *}"
    # shellcheck disable=SC2086 # words
    expect 3 "$ASSETFS" area set "$MNT/kms" $KMS
    says "an object put by it was refused.*${refused#* }"
done
set_double kms-refuses=0
# shellcheck disable=SC2086 # words
expect 0 "$ASSETFS" area set "$MNT/kms" $KMS
control POST /credentials 'scope WRITERKEY .assetfs/,files/,tagged/,kms/'
expect 3 "$ASSETFS" area set "$MNT/new" access=open
says 'an object put by it was refused.*s3:PutObject on this key.*assetfs policy'
"$ASSETFS" area remove "$MNT/new"
# A server that is busy says nothing about the rule.
fault put:fail=503,prefix=tagged/ >/dev/null
expect 0 sets
faults_off

refused "$MNT/tagged/a.txt" tagging=0 'allow it s3:PutObjectTagging' small 1
equals "$(header "$MNT/tagged/a.txt" x-amz-tagging-count)" 2
equals "$(header "$MNT/tagged/a.txt" x-amz-storage-class)" ONEZONE_IA
refused "$MNT/kms/denied.txt" kms-refuses=1 'allow it kms:GenerateDataKey' small 0
refused "$MNT/kms/disabled.txt" kms-refuses=2 'KMS.DisabledException.*KMS key' small 0
refused "$MNT/kms/none.txt" kms-refuses=3 'KMS.NotFoundException.*KMS key' small 0
refused "$MNT/kms/large.bin" kms-refuses=4 'kms:Decrypt for multipart uploads' large 0
for file in denied.txt large.bin; do
    equals "$(header "$MNT/kms/$file" x-amz-server-side-encryption)" aws:kms "$file"
    equals "$(header "$MNT/kms/$file" x-amz-server-side-encryption-aws-kms-key-id)" arn:aws:kms:us-east-1:111122223333:key/1 "$file"
    equals "$(header "$MNT/kms/$file" x-amz-server-side-encryption-bucket-key-enabled)" true "$file"
done
umount_volume

# A customer's key goes over https only, and not through a CDN.
openssl rand -base64 32 >"$TMP/key"
chmod 600 "$TMP/key"
expect 2 "$ASSETFS" mount -o "sse_c_key_file=$TMP/key" "$VOLUME" "$MNT"
says 'sse_c_key_file and cdn= do not go together'
expect 1 "$ASSETFS" mount -o "sse_c_key_file=$TMP/key,endpoint=$S3,path_style" s3://assets "$MNT"
says 'over https only'
mount_volume
expect 1 "$ASSETFS" area set "$MNT/secret" encryption=sse-c
says 'what is read through a CDN cannot be under a customer key'
umount_volume
