#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Areas: parts of a volume with rules of their own. The example of assetfs(1), run as it is printed; files that go from one area to another; bad rules, each with its
# sentence; the same rules on two hosts; and `area apply`.
# shellcheck disable=SC2034
BACKENDS='dir double'
. "${0%/*}/lib.sh"
requires python3 openssl

# key_begins FILE TEXT
key_begins() {
    case $(truth key "$1") in
    "$2"*) ;;
    *) fail "$1 is at $(truth key "$1"), not at $2..." ;;
    esac
}

# rule MOUNTPOINT PATH FIELD: of list --json
rule() {
    "$ASSETFS" area list --json "$1" | python3 -c '
import json, sys
for line in sys.stdin:
    rule = json.loads(line)
    if rule["path"] == sys.argv[1]:
        print(rule[sys.argv[2]])' "$2" "$3"
}

# header FILE NAME: what the CDN says of its object
header() {
    python3 - "$(truth url "$1")" "$2" <<'PY'
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], method="HEAD")
with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
    print(answer.headers[sys.argv[2]] or "")
PY
}

MNT=$HOME/assets
SIGNED=
if [ "$BACKEND" = double ]; then # a volume that is not public, read through a CDN
    openssl genrsa -out "$TMP/key.pem" 2048 2>/dev/null
    SIGNED=cdn_key_file=$TMP/key.pem,cdn_key_id=K1
fi
new_volume "$SIGNED"
mount_volume

# The example, as printed.
sed -n '/^\.\\" areas example begin/,/^\.\\" areas example end/p' "$SRC/man/assetfs.1" | grep -v '^\.' >"$TMP/example"
[ "$(grep -c '^assetfs area ' "$TMP/example")" -ge 3 ] || fail "no example in the manual: $(cat "$TMP/example")"
mkdir "$TMP/bin"
ln -s "$ASSETFS" "$TMP/bin/assetfs"
(PATH=$TMP/bin:$PATH && . "$TMP/example") >"$TMP/out" || fail "the manual's example fails"
grep -qx 'public access=open meta.owner=marketing' "$TMP/out" || fail "not the example's rule: $(cat "$TMP/out")"
grep -q '^domains access=signed cache-control=private,%20max-age=3600 encryption=sse-s3$' "$TMP/out" || fail "not the example's rule: $(cat "$TMP/out")"
grep -qx '/ access=signed' "$TMP/out" || fail "no default rule: $(cat "$TMP/out")"

mkdir -p "$MNT/public" "$MNT/domains/anna" "$MNT/other"
echo landing >"$MNT/public/page.html"
echo picture >"$MNT/public/picture.jpg"
echo cv >"$MNT/domains/anna/cv.pdf"
echo rest >"$MNT/other/rest.txt"
sync_volume
key_begins "$MNT/public/page.html" public/
key_begins "$MNT/public/picture.jpg" public/
key_begins "$MNT/domains/anna/cv.pdf" domains/
key_begins "$MNT/other/rest.txt" files/
if [ "$BACKEND" = double ]; then
    equals "$(header "$MNT/public/picture.jpg" Cache-Control)" 'public, max-age=31536000, immutable'
    equals "$(header "$MNT/public/picture.jpg" x-amz-meta-owner)" marketing
    equals "$(header "$MNT/public/picture.jpg" Content-Disposition)" ''
    equals "$(header "$MNT/domains/anna/cv.pdf" Cache-Control)" 'private, max-age=3600'
    equals "$(header "$MNT/domains/anna/cv.pdf" x-amz-server-side-encryption)" AES256
    equals "$(header "$MNT/public/page.html" Content-Disposition)" attachment # it would run there
    equals "$(header "$MNT/other/rest.txt" Cache-Control)" 'public, max-age=31536000, immutable'
fi

# A file goes from one area to another: another object, the same file, and a line in the log when it leaves an open one.
inode=$(stat -c %i "$MNT/public/picture.jpg")
old=$(truth key "$MNT/public/picture.jpg")
mv "$MNT/public/picture.jpg" "$MNT/domains/"
sync_volume
key_begins "$MNT/domains/picture.jpg" domains/
equals "$(stat -c %i "$MNT/domains/picture.jpg")" "$inode" 'inode number'
equals "$(cat "$MNT/domains/picture.jpg")" picture
object_get "$old" | grep -qx picture || fail "the old object is gone"
grep -q 'picture.jpg leaves the open area public' "$(state_dir)/log" || fail "nothing in the log"

# Directories and links do not: mv copies.
mkdir "$MNT/album"
echo one >"$MNT/album/1.jpg"
sync_volume
expect 1 python3 -c 'import os, sys; os.rename(*sys.argv[1:])' "$MNT/album" "$MNT/public/album"
grep -q 'Errno 18' "$TMP/err" || fail "a directory crossed: $(cat "$TMP/err")"
mv "$MNT/album" "$MNT/public/"
[ ! -e "$MNT/album" ] || fail "mv left the directory behind"
expect 1 ln "$MNT/public/album/1.jpg" "$MNT/domains/1.jpg"
ln "$MNT/public/album/1.jpg" "$MNT/public/2.jpg"
sync_volume
key_begins "$MNT/public/album/1.jpg" public/

# Bad rules: a sentence each, and nothing changes.
bad() {
    local path="$1" sentence="$2"
    shift 2
    expect 1 "$ASSETFS" area set "$MNT/$path" "$@"
    says "$sentence"
}
"$ASSETFS" area list "$MNT" >"$TMP/before"
bad public 'add \{sha256\}' 'key={area}/x'
bad public 'a time is no name for a content' 'key={area}/{timestamp}'
bad public '\{sha1\} in it, which means nothing' 'key={sha1}{sha256}'
bad public 'a key has at most 1024' "key=$(printf '%01000d' 0)/{sha256}"
bad public 'S3 takes at most 2048' "meta.a=$(printf '%01020d' 0)" "meta.b=$(printf '%01020d' 0)" meta.c=123456
bad public 'there are 11 tags' tag.a=1 tag.b=1 tag.c=1 tag.d=1 tag.e=1 tag.f=1 tag.g=1 tag.h=1 tag.i=1 tag.j=1 tag.k=1
bad public 'CHEAP is not a storage class' class=CHEAP
bad public 'encryption=sse-c cannot be had here' encryption=sse-c
bad public 'it is open or signed' access=public
bad public 'write NAME=VALUE' open
bad public 'a rule has no "colour"' colour=red
bad public 'access= is given twice' access=open access=signed
bad domains/picture.jpg 'is no directory' access=open # nor is it the rule of something else
bad public/secret 'public/secret is signed and the area around it, public, is open' access=signed
bad other 'would both begin with "public/"' access=open 'key=public/{sha256}'
bad .assetfs 'where the volume keeps its journal' access=open
bad "new$(printf '\t')line" 'a control character' access=open
"$ASSETFS" area list "$MNT" | cmp - "$TMP/before" || fail "a bad rule changed something"
expect 2 "$ASSETFS" area set
expect 2 "$ASSETFS" area list
expect 1 "$ASSETFS" area remove "$MNT/nothing/there"
says 'there is no rule for nothing/there'
expect 1 "$ASSETFS" area list "$TMP"
expect 0 "$ASSETFS" area apply "$MNT/domains/picture.jpg"
grep -qx '1 file looked at, 0 moved to where the rules say.' "$TMP/out" || fail "apply to a file: $(cat "$TMP/out")"
expect 1 "$ASSETFS" area apply "$MNT/domains/nothing"
says 'No such file'

# Another host has the same rules, and goes by them.
(
    XDG_CACHE_HOME=$TMP/other-cache
    mount_volume poll=100ms "$TMP/other"
    "$ASSETFS" area list "$TMP/other" | cmp - "$TMP/before" || fail "the other host has other rules"
    echo other >"$TMP/other/public/other.txt"
    sync_volume "$TMP/other"
    key_begins "$TMP/other/public/other.txt" public/
    # Rules for a path that is not there yet; what older files have is for area apply.
    "$ASSETFS" area set "$TMP/other/later/on" access=open class=STANDARD_IA
    "$ASSETFS" area set "$TMP/other/public" access=open 'key=v2/{sha256:2}/{sha256}{ext}'
    umount_volume "$TMP/other"
)
wait_for sh -c "'$ASSETFS' area list '$MNT' | grep -qx 'public access=open key=v2/{sha256:2}/{sha256}{ext}'" # the last of them
equals "$(rule "$MNT" public key)" 'v2/{sha256:2}/{sha256}{ext}'
equals "$(rule "$MNT" later/on class)" STANDARD_IA
echo new >"$MNT/public/new.txt"
sync_volume
key_begins "$MNT/public/new.txt" v2/
key_begins "$MNT/public/page.html" public/
(cd "$MNT/public/album" && expect 0 "$ASSETFS" area apply ../page.html) # one file
grep -qx '1 file looked at, 1 moved to where the rules say.' "$TMP/out" || fail "apply to a file: $(cat "$TMP/out")"
key_begins "$MNT/public/page.html" v2/
key_begins "$MNT/public/album/1.jpg" public/
expect 0 "$ASSETFS" area apply "$MNT/public"
grep -q '^[45] files looked at, [23] moved' "$TMP/out" || fail "apply: $(cat "$TMP/out")"
key_begins "$MNT/public/page.html" v2/
key_begins "$MNT/public/album/1.jpg" v2/
expect 0 "$ASSETFS" area apply "$MNT"
grep -q ', 0 moved' "$TMP/out" || fail "apply again: $(cat "$TMP/out")"
"$ASSETFS" area remove "$MNT/later/on"

remount_from_bucket
"$ASSETFS" area list "$MNT" >"$TMP/after"
grep -qx 'public access=open key=v2/{sha256:2}/{sha256}{ext}' "$TMP/after" || fail "the rule is gone: $(cat "$TMP/after")"
! grep -q later "$TMP/after" || fail "a rule that was removed is back"
equals "$(cat "$MNT/public/page.html" "$MNT/public/album/1.jpg" "$MNT/public/2.jpg" "$MNT/domains/picture.jpg")" "$(printf 'landing\none\none\npicture')"
umount_volume

# A volume that is public as a whole says so from its first entry on.
VOLUME_2=$TMP/bucket2
"$ASSETFS" init --public "file://$VOLUME_2" >"$TMP/out"
grep -q 'it is public' "$TMP/out" || fail "init --public: $(cat "$TMP/out")"
VOLUME=file://$VOLUME_2
mount_volume '' "$TMP/public"
"$ASSETFS" area list "$TMP/public" | grep -qx '/ access=open' || fail "not public"
umount_volume "$TMP/public"
