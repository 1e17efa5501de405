#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# assetfs check where reads are signed: who may read an area, whose signatures count, and that a signed link is good for reading only. And with the areas of a mounted volume, also policy.
BACKENDS='double: its CDN checks signatures'
# shellcheck disable=SC2034 # tests/lib/backend_double.sh reads it
DOUBLE_PRIVATE='[!o]*' # keys below open/ are not
. "${0%/*}/../sh/lib.sh"
requires openssl python3
openssl genrsa -out "$TMP/key.pem" 2048 2>/dev/null
openssl pkey -in "$TMP/key.pem" -pubout -out "$TMP/public.pem"
signer add "K1=$TMP/public.pem" >/dev/null
KEY=cdn_key_file=$TMP/key.pem,cdn_key_id=K1
new_volume "$KEY"
set_double error-ttl=0
control POST /credentials 'scope WRITERKEY .assetfs/,files/,public/,open/'

# finds STATUS OPTION,... [CHECK RESULT WORDS]...
finds() {
    local status="$1" options="$2"
    shift 2
    expect "$status" "$ASSETFS" check ${options:+-o "$options"} "$VOLUME"
    while [ $# -gt 0 ]; do
        grep -Eq "^$2 +$1 .*$3" "$TMP/out" || fail "$1 is not $2 with '$3': $(cat "$TMP/out")"
        shift 3
    done
}

for how in cdn_sign=url cdn_sign=cookie cdn_policy=custom cdn_hash=sha256; do
    finds 0 "$KEY,$how" private:files/ ok 'is good' cdn ok 200 journal ok 200 signed-put ok 'reading only' signed-delete ok 'reading only'
done

# PUT and DELETE: without a signature the CDN refuses, with one it passes on, and the bucket lets it or not.
set_double cdn-writes=1
finds 3 "$KEY" cdn-put ok nobody signed-put warning 'passes it on' signed-delete warning 'passes it on'
set_double cdn-writes=2
finds 1 "$KEY" cdn-put ok nobody signed-put broken 'signed link can' signed-delete broken 'signed link can'
set_double cdn-writes=0
# In one area only.
control POST /faults 'cdn:writes=1,prefix=files/' >"$TMP/rule"
finds 3 "$KEY" cdn-put ok nobody signed-put ok 'reading only' cdn-put:files/ ok nobody signed-put:files/ warning 'passes it on' signed-delete:files/ warning 'passes it on'
control DELETE /faults
control POST /faults 'cdn:writes=2,prefix=files/' >"$TMP/rule"
finds 1 "$KEY" cdn-delete:files/ ok nobody signed-put:files/ broken 'signed link can put' signed-delete:files/ broken 'signed link can delete'
control DELETE /faults

# A key that the CDN does not know (any more), another one under its id, and no key at all.
signer remove K1 >/dev/null
finds 1 "$KEY" cdn broken 'signature|Missing|AccessDenied'
openssl genrsa -out "$TMP/other.pem" 2048 2>/dev/null
openssl pkey -in "$TMP/other.pem" -pubout -out "$TMP/other-public.pem"
signer add "K1=$TMP/other-public.pem" >/dev/null
finds 1 "$KEY" private:files/ broken 'key group'
signer remove K1 >/dev/null
signer add "K1=$TMP/public.pem" >/dev/null
finds 1 '' cdn broken 'signature|Missing' open:files/ broken cdn_key_file=
finds 0 "$KEY" private:files/ ok .

# What should be signed, and is not.
URL=$(sed -n 's/^url = //p' "$XDG_CONFIG_HOME/assetfs/assetfs.conf")
sed -i "s|^url = .*|url = $URL/open|" "$XDG_CONFIG_HOME/assetfs/assetfs.conf"
"$ASSETFS" init -o "$KEY" "$VOLUME" >"$TMP/init.out"
finds 1 "$KEY" private:files/ broken 'can read them without'
sed -i "s|^url = .*|url = $URL|" "$XDG_CONFIG_HOME/assetfs/assetfs.conf"

# The areas of a mounted volume.
mount_volume "$KEY"
mkdir "$MNT/public"
expect 3 "$ASSETFS" area set "$MNT/public" access=open tag.kind=web
says 's3:PutObjectTagging'
finds 1 "$KEY" content:public/ broken 's3:PutObjectTagging'
set_double tagging=1
"$ASSETFS" area set "$MNT/kms" access=signed encryption=sse-kms 'key=files/kms/{sha256}{ext}'
set_double kms-refuses=1
finds 1 "$KEY" content:files/kms/ broken 'kms:GenerateDataKey' content ok .
set_double kms-refuses=0
finds 1 "$KEY" content:files/kms/ ok .
"$ASSETFS" area remove "$MNT/kms"
finds 1 "$KEY" private:files/ ok . open:public/ broken 'do not work' content ok . content:public/ ok 'below public/'
grep -q '^broken *private' "$TMP/out" && fail "$(cat "$TMP/out")"
expect 0 "$ASSETFS" policy -o "$KEY" "$VOLUME"
python3 - "$TMP/out" <<'PY'
import json, sys
p = json.load(open(sys.argv[1]))
first, public, default = p["cloudfront"]["behaviours"]
assert public["PathPattern"] == "/public/*" and public["TrustedKeyGroups"] == [] and default["TrustedKeyGroups"], p["cloudfront"]
tag = [s for s in p["writer_policy"]["Statement"] if s["Action"] == "s3:PutObjectTagging"]
assert [s["Resource"] for s in tag] == [["arn:aws:s3:::assets/public/*"]], tag
assert not any("not mounted" in n for n in p["notes"]), p["notes"]
PY
# An open area that is open, a signed one that is not, and one that nobody has told the writer's policy of.
"$ASSETFS" area set "$MNT/open" access=open
finds 1 "$KEY" open:open/ ok 'whoever has a link may read' open:public/ broken 'do not work'
"$ASSETFS" area remove "$MNT/public"
finds 0 "$KEY" open:open/ ok . private:files/ ok . cdn-put:open/ ok nobody cdn-delete:open/ ok nobody signed-put:files/ ok 'reading only'
! grep -q 'signed-put:open/' "$TMP/out" || fail "who needs no signature is asked with one: $(cat "$TMP/out")"
control POST /faults 'cdn:writes=2,prefix=open/' >"$TMP/rule"
finds 1 "$KEY" cdn-put:open/ broken 'everybody can put.*PUT of open/check-absent|PUT of open/check-absent.*everybody can put' cdn-delete:open/ broken everybody cdn-put:files/ ok .
control DELETE /faults
"$ASSETFS" area set "$MNT/open" access=signed
finds 1 "$KEY" private:open/ broken 'can read them without'
"$ASSETFS" area remove "$MNT/open"
expect 3 "$ASSETFS" area set "$MNT/new" access=signed
says 's3:PutObject on this key'
finds 1 "$KEY" content ok . content:new/ broken 's3:PutObject' private:new/ ok 'is good'
control POST /credentials 'scope WRITERKEY .assetfs/,files/,new/'
finds 0 "$KEY" content:new/ ok . private:new/ ok .
! object_list '' | grep check-absent || fail "check left something behind"
"$ASSETFS" umount "$MNT"
