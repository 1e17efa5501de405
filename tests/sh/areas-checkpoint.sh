#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Areas on a host that began from a checkpoint: it goes by their rules, and `area apply` brings everything home, also what this host has never looked at. Areas inside one another: the one of
# the longest path counts.
# shellcheck disable=SC2034
BACKENDS='dir double: what a real CDN keeps cannot be made to forget'
. "${0%/*}/lib.sh"

key_begins() {
    case $(truth key "$1") in
    "$2"*) ;;
    *) fail "$1 is at $(truth key "$1"), not at $2..." ;;
    esac
}

new_volume
mount_volume
mkdir -p "$MNT/shop/private/deep/er" "$MNT/other"
for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
    echo "shop $n" >"$MNT/shop/$n.txt"
    echo "private $n" >"$MNT/shop/private/deep/er/$n.txt"
    "$ASSETFS" sync "$MNT"
done
echo other >"$MNT/other/file"
"$ASSETFS" area set "$MNT/shop" access=signed
"$ASSETFS" area set "$MNT/shop/private" access=signed meta.for=staff
"$ASSETFS" area set "$MNT/shop/private/deep" access=open 'key=deep/{sha256:32}{ext}'
"$ASSETFS" area list "$MNT" >"$TMP/rules"
sync_volume
"$ASSETFS" checkpoint "$MNT" >"$TMP/said"
cp -a "$MNT/shop" "$TMP/shop"

remount_from_bucket
grep -q 'beginning from the checkpoint of journal entry' "$(state_dir)/log" || fail "not from the checkpoint: $(cat "$(state_dir)/log")"
"$ASSETFS" area list "$MNT" | cmp - "$TMP/rules" || fail "other rules: $("$ASSETFS" area list "$MNT")"
echo new >"$MNT/shop/new.txt"
echo new >"$MNT/shop/private/new.txt"
echo new >"$MNT/shop/private/deep/new.txt"
sync_volume
key_begins "$MNT/shop/new.txt" shop/
key_begins "$MNT/shop/private/new.txt" shop/private/
key_begins "$MNT/shop/private/deep/new.txt" deep/

# Nothing below was looked at on this host.
expect 0 "$ASSETFS" area apply "$MNT/shop"
grep -q '^27 files looked at, 24 moved' "$TMP/out" || fail "apply: $(cat "$TMP/out")"
sync_volume
rm "$MNT/shop/new.txt" "$MNT/shop/private/new.txt" "$MNT/shop/private/deep/new.txt"
sync_volume
remount_from_bucket
for n in 1 5 12; do
    key_begins "$MNT/shop/$n.txt" shop/
    key_begins "$MNT/shop/private/deep/er/$n.txt" deep/
done
key_begins "$MNT/other/file" files/
diff -r "$TMP/shop" "$MNT/shop" >&2 || fail "the files are not what they were"
expect 0 "$ASSETFS" area apply "$MNT"
grep -q '^25 files looked at, 0 moved' "$TMP/out" || fail "apply again: $(cat "$TMP/out")"

# A rule that is taken away: the one around it counts.
"$ASSETFS" area remove "$MNT/shop/private/deep"
expect 0 "$ASSETFS" area apply "$MNT/shop/private"
grep -q '^12 files looked at, 12 moved' "$TMP/out" || fail "apply after remove: $(cat "$TMP/out")"
key_begins "$MNT/shop/private/deep/er/7.txt" shop/private/
umount_volume

# A mount that cannot change anything says so.
"$ASSETFS" area list "$TMP" 2>/dev/null && fail "rules of no mount"
mount_volume ro
"$ASSETFS" area list "$MNT" | grep -q '^shop/private ' || fail "no rules on a read-only mount"
for words in "set $MNT/x access=open" "remove $MNT/shop"; do
    # shellcheck disable=SC2086 # words
    expect 1 "$ASSETFS" area $words
    says 'the volume cannot be changed from here: Read-only file system'
done
umount_volume
