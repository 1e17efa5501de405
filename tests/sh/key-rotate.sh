#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The volume key is rotated: a host that has the new key goes on without a word to any program, one that does not is read-only and asks for it, and goes on when it has it. Everything that
# was written before and after is readable with the keys together, and what was written after is not with the old one alone.
. "${0%/*}/lib.sh"
requires rsync
A=$TMP/mnt-a B=$TMP/mnt-b
new_volume
# Two hosts with key files of their own: those of a secret operator, say.
"$ASSETFS" key show "$VOLUME" >"$TMP/key-a"
cp "$TMP/key-a" "$TMP/key-b"
chmod 600 "$TMP/key-a" "$TMP/key-b"
mv "$XDG_CONFIG_HOME/assetfs/keys" "$TMP/keys-of-init"
mount_volume "cache_dir=$TMP/a,key_file=$TMP/key-a,poll=100ms,settle=50ms" "$A"
mount_volume "cache_dir=$TMP/b,key_file=$TMP/key-b,poll=100ms,settle=50ms" "$B"
has() { [ "$(cat "$1" 2>/dev/null)" = "$2" ]; }
echo before >"$A/before"
wait_for has "$B/before" before

# A new key, brought to both hosts in the way of an operator: a file is replaced.
"$ASSETFS" key new >"$TMP/new.out"
id=$(sed -n 's/^Key \([0-9a-f]*\) is in .*/\1/p' "$TMP/new.out")
code=$(sed -n 's/^ *\(assetfs1-.*\)$/\1/p' "$TMP/new.out")
replace_key() {
    umask 077
    printf '%s\n%s\n' "$(cat "$1")" "$code" >"$1.new"
    mv "$1.new" "$1"
}
expect 1 "$ASSETFS" key rotate --key 0123456789abcdef "$A"
says 'cannot find that key'
rm -r "$XDG_CONFIG_HOME/assetfs/keys"
replace_key "$TMP/key-a"

# Under a running rsync.
make_tree "$TMP/source"
find "$TMP/source" -type p -delete # rsync gives them no times, nor what differs by less than a second
find "$TMP/source" -depth -exec touch -h -d '2020-01-02 03:04:05' {} +
rsync -aHX "$TMP/source/" "$A/imported/" >"$TMP/rsync.out" 2>&1 &
importing=$!
"$ASSETFS" key rotate --key "$id" "$A" >"$TMP/rotate.out"
wait "$importing" || fail "rsync: $(cat "$TMP/rsync.out")"
sync_volume "$A"
same_tree "$TMP/source" "$A/imported"
echo after >"$A/after"
sync_volume "$A"

# The other host shows what it has, writes nothing, and says what it needs.
is_read_only() { [ "$(status_value read_only "$B")" = true ]; }
wait_for is_read_only
status_value reason "$B" | grep -q "needs key $id" || fail "it does not say what it needs: $(status_value reason "$B")"
equals "$(cat "$B/before")" before
! [ -e "$B/after" ] || fail "it can read what is sealed under a key that it does not have"
! echo x 2>/dev/null >"$B/refused" || fail "it takes changes"

# It gets the key, and goes on by itself.
replace_key "$TMP/key-b"
wait_for has "$B/after" after
equals "$(status_value read_only "$B")" false
echo more >"$B/more"
sync_volume "$B"
wait_for has "$A/more" more
same_tree "$TMP/source" "$B/imported"

# Once more with a key of the daemon's user, and a host that starts anew.
"$ASSETFS" key rotate "$A" >"$TMP/rotate.out"
echo third >"$A/third"
sync_volume "$A"
expect 1 "$ASSETFS" key rotate --key "$id" "$A"
says 'in use already'
umount_volume "$A"
umount_volume "$B"
equals "$("$ASSETFS" key show -o "cache_dir=$TMP/a,key_file=$TMP/key-a" "$VOLUME" | wc -l)" 2 "codes in the file"
rm -rf "$TMP/a" "$TMP/b"
mount_volume "cache_dir=$TMP/c,key_file=$TMP/key-a" "$A"
equals "$(cat "$A/before" "$A/after" "$A/more" "$A/third")" "$(printf 'before\nafter\nmore\nthird')"
umount_volume "$A"
# With the first key alone there is no mount: not one that shows less.
cp "$TMP/keys-of-init"/* "$TMP/key-old"
rm -r "$XDG_CONFIG_HOME/assetfs/keys"
expect 1 "$ASSETFS" mount -o "cache_dir=$TMP/d,key_file=$TMP/key-old" "$VOLUME" "$A"
grep -q "needs key $id" "$TMP/err" || fail "it does not say what it needs: $(cat "$TMP/err")"
