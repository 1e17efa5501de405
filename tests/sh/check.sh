#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# assetfs check of a directory bucket: that it is one, that a key is put once there, who may write to it. S3 and CDN: tests/net/check.sh.
BACKENDS='dir: it is about directories'
PRIVATE_MOUNTS=yes
. "${0%/*}/lib.sh"

# checks STATUS CHECK RESULT: the check has that result.
checks() {
    expect "$1" "$ASSETFS" check "$VOLUME"
    grep -q "^$3 *$2 " "$TMP/out" || fail "$2 is not $3: $(cat "$TMP/out")"
}

checks 1 directory broken
grep -q 'assetfs init' "$TMP/out" || fail "nobody is told what to do: $(cat "$TMP/out")"
"$ASSETFS" init ${PUBLIC:-} "$VOLUME" >"$TMP/init.out"
BUCKET=${VOLUME#file://}
for check in directory put condition get mode room volume; do
    checks 0 "$check" ok
done
find "$BUCKET" -type f | sort >"$TMP/before"
expect 0 "$ASSETFS" check --json "$VOLUME"
python3 -c 'import json, sys; assert json.load(open(sys.argv[1]))["result"] == "ok"' "$TMP/out"
find "$BUCKET" -type f | sort | diff "$TMP/before" - || fail "it left something behind"

chmod o+w "$BUCKET"
checks 3 mode warning
chmod o-w "$BUCKET"

printf 'something else\n' >"$TMP/other"
mv "$TMP/other" "$BUCKET/.assetfs/check"
checks 1 get broken

rm "$BUCKET/.assetfs/check"
mount --bind "$BUCKET" "$BUCKET"
mount -o remount,bind,ro "$BUCKET"
checks 1 put broken
umount "$BUCKET"

checks 0 put ok
mv "$XDG_CONFIG_HOME/assetfs/keys" "$TMP/keys"
checks 1 volume broken
mv "$TMP/keys" "$XDG_CONFIG_HOME/assetfs/keys"

mkdir "$TMP/empty"
VOLUME=file://$TMP/empty
checks 1 directory broken
VOLUME=file://$TMP/new
"$ASSETFS" init ${PUBLIC:-} --plain "$VOLUME" >"$TMP/init.out"
checks 0 volume ok
grep -q 'plain' "$TMP/out" || fail "nothing about a plain volume: $(cat "$TMP/out")"
expect 1 "$ASSETFS" check file://relative
says 'absolute path'
