#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# assetfs verify finds what is wrong in a bucket, and nothing where nothing is: the whole journal, and contents; beside a mount; and goes on where it ended.
BACKENDS='dir: it damages what is in the bucket'
. "${0%/*}/lib.sh"
requires python3
new_volume
mount_volume
make_tree "$MNT/tree"
bytes 70000000 large >"$MNT/large" # has a digests object
bytes 3000000 three >"$MNT/three"
cp "$MNT/three" "$MNT/again" # one object
sync_volume
verify() { "$ASSETFS" verify "$@" "$VOLUME" >"$TMP/out" 2>"$TMP/err"; }
# value NAME: of the JSON that was printed
value() { python3 -c 'import json, sys; print(json.dumps(json.load(open(sys.argv[1]))[sys.argv[2]]))' "$TMP/out" "$1"; }

# All is well, beside the mount.
verify --content --json || fail "$(cat "$TMP/out" "$TMP/err")"
equals "$(value ok)" true
equals "$(value sequence)" "$(status_value sequence)"
equals "$(value entries)" "$(status_value sequence)" "entries read"
equals "$(value contents)" "$(object_list files/ | wc -l)" "contents checked"
# What was done is not done again; what has come is.
echo new >"$MNT/new"
sync_volume
verify --content --json || fail "$(cat "$TMP/out" "$TMP/err")"
equals "$(value entries)" 1 "entries of the second run"
equals "$(value contents)" 1 "contents of the second run"
verify --sample=50% --restart --json || fail "$(cat "$TMP/out" "$TMP/err")"
[ "$(value contents)" -gt 0 ] && [ "$(value contents)" -lt "$(object_list files/ | wc -l)" ] || fail "a half is $(value contents)"
umount_volume

# An object is gone, one has other bytes, one is too short, one of digests is another's.
object_of() { find "$TMP/bucket/$1" -name "$(sha256sum | cut -c 1-64)*"; }
gone=$(bytes 3000000 three | object_of files)
rotten=$(echo new | object_of files)
short=$(bytes 1048577 1 | object_of files)
rm "$gone"
chmod u+w "$rotten" "$short"
echo NEW >"$rotten"
truncate -s 1000000 "$short"
digests=$(find "$TMP/bucket/.assetfs/digests" -type f)
chmod u+w "$digests"
printf garbage >"$digests"
expect 1 "$ASSETFS" verify --content --restart --json "$VOLUME"
equals "$(value missing)" 1 "missing"
equals "$(value damaged)" 3 "damaged"
equals "$(value ok)" false
for object in "$gone" "$rotten" "$short"; do
    grep -qF "${object#"$TMP/bucket/"}" "$TMP/out" || fail "$object is not named: $(cat "$TMP/out")"
done
grep -q 'digests object' "$TMP/out" || fail "the digests object is not named: $(cat "$TMP/out")"
# They are looked at again, even without --restart: nothing that is wrong counts as done.
expect 1 "$ASSETFS" verify --content --json "$VOLUME"
equals "$(value missing)$(value damaged)" 13

# The journal: an entry with other bytes is void; where the chain breaks, that is said with its number.
entry=$TMP/bucket/.assetfs/journal/0000000000000003
cp "$entry" "$TMP/entry"
chmod u+w "$entry"
printf garbage >"$entry"
verify --restart && fail "it finds nothing"
grep -q 'journal number 3 holds no readable entry' "$TMP/err" || fail "the void number is not told: $(cat "$TMP/out" "$TMP/err")"
grep -q '^journal: .*entry 4' "$TMP/out" || fail "the broken chain is not told: $(cat "$TMP/out" "$TMP/err")"
cp "$TMP/entry" "$entry"
"$ASSETFS" verify --restart "$VOLUME" >"$TMP/out" 2>"$TMP/err" || fail "it is whole again: $(cat "$TMP/out" "$TMP/err")"
grep -q 'chain and tree digests agree' "$TMP/out" || fail "$(cat "$TMP/out")"

# One content in two objects, each of several files: what is wrong with an object is told once.
mount_volume
for n in 1 2 3; do
    echo twice >"$MNT/$n.one"
    echo twice >"$MNT/$n.two"
done
umount_volume
find "$TMP/bucket/files" -name "$(echo twice | sha256sum | cut -c 1-64)*" >"$TMP/objects"
equals "$(wc -l <"$TMP/objects")" 2 "objects"
xargs rm <"$TMP/objects"
expect 1 "$ASSETFS" verify --content --json "$VOLUME"
equals "$(value missing)" 3 "missing, with those of before"

expect 2 "$ASSETFS" verify --sample=0% "$VOLUME"
expect 1 "$ASSETFS" verify "file://$TMP/nowhere"
