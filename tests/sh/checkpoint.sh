#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A host that has lost its local state begins from a checkpoint, sees everything, and needs few requests for it; from the one before when the newest is
# damaged; from the journal when all are.
BACKENDS='dir double: what a real CDN keeps cannot be made to forget'
. "${0%/*}/lib.sh"
requires getfattr
new_volume
mount_volume
make_tree "$MNT/tree" 3
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do # an entry each
    echo "$i" >"$MNT/$i"
    "$ASSETFS" sync "$MNT"
done
"$ASSETFS" checkpoint "$MNT" >"$TMP/said"
grep -q '^the tree as of journal entry [0-9]* is checkpoint [0-9a-f]\{64\} (.*)$' "$TMP/said" || fail "it says: $(cat "$TMP/said")"
first=$(sed 's/.*checkpoint \([0-9a-f]*\) .*/\1/' "$TMP/said")
object_get ".assetfs/checkpoint/$first" | sha256sum | grep -q "^$first" || fail "the object is not named by its hash"
"$ASSETFS" checkpoint "$MNT" >"$TMP/again"
equals "$(cat "$TMP/again")" "$(cat "$TMP/said")" "the checkpoint when nothing has changed"
cp -a "$MNT/tree" "$TMP/tree"

# began_from TEXT: the new mount's log.
began_from() {
    grep -q "$1" "$(state_dir)/log" || fail "the log does not say: $1"
}

umount_volume
lose_local_state
mount_volume
gets=$(status_value store_gets)
ls "$MNT" >"$TMP/names"
equals "$(wc -l <"$TMP/names")" 13 "names in the root"
equals "$(cat "$MNT/7")" 7
began_from 'beginning from the checkpoint of journal entry'
[ "$gets" -le 40 ] || fail "$gets requests to mount"
equals "$(status_value entries_applied)" 2 "entries applied: the first, and the one that announces the checkpoint"
same_tree "$TMP/tree" "$MNT/tree"
echo "mounted with $gets requests; after all was read: $(status_value store_gets)"

# What is changed on top of it is kept, and the next checkpoint is made without ever having looked at all of the tree.
umount_volume
lose_local_state
mount_volume
rm "$MNT/3"
mv "$MNT/4" "$MNT/four"
echo more >>"$MNT/5"
"$ASSETFS" sync "$MNT"
"$ASSETFS" checkpoint "$MNT" >"$TMP/said"
second=$(sed 's/.*checkpoint \([0-9a-f]*\) .*/\1/' "$TMP/said")
[ "$second" != "$first" ] || fail "there is no second checkpoint"
remount_from_bucket
began_from 'beginning from the checkpoint of journal entry'
[ ! -e "$MNT/3" ] || fail "what was removed is there again"
equals "$(cat "$MNT/four")" 4
equals "$(cat "$MNT/5")" "5
more"
same_tree "$TMP/tree" "$MNT/tree"
rm -rf "$TMP/mirror"
cp -a "$MNT" "$TMP/mirror"

# spoil KEY: as long as before, and nothing of it right. Damage that shows only later: checkpoint-faults.sh.
spoil() {
    object_get "$1" >"$TMP/object"
    tr '\000-\377' X <"$TMP/object" >"$TMP/spoiled"
    object_put "$1" <"$TMP/spoiled"
    [ "$BACKEND" != double ] || control POST /purge
}

umount_volume
lose_local_state
spoil ".assetfs/checkpoint/$second"
mount_volume
began_from 'cannot be used: it is damaged.*looking for the one before'
began_from 'beginning from the checkpoint of journal entry'
same_tree "$TMP/mirror" "$MNT"

umount_volume
lose_local_state
spoil ".assetfs/checkpoint/$first"
mount_volume
began_from 'no checkpoint can be used: the journal is read from entry 2 on'
same_tree "$TMP/mirror" "$MNT"
umount_volume
