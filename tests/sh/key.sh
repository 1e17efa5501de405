#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The volume key: without it, with a wrong one or with a file that others can read nothing is mounted, and the sentence says what to do; the recovery
# code brings it back.
. "${0%/*}/lib.sh"
new_volume
mount_volume
echo hello >"$MNT/file"
umount_volume

code=$("$ASSETFS" key show "$VOLUME")
grep -qF "$code" "$TMP/init.out" || fail "init printed another code than key show"
keys=$XDG_CONFIG_HOME/assetfs/keys
equals "$(stat -c %a "$keys"/*)" 600 "mode of the key file"
mv "$keys" "$TMP/keys"

expect 1 "$ASSETFS" mount "$VOLUME" "$MNT"
says 'is not on this host.*assetfs key import'
lose_local_state
expect 1 "$ASSETFS" mount "$VOLUME" "$MNT"
says 'is not on this host.*assetfs key import'
expect 1 "$ASSETFS" mount -o "key_file=$TMP/nowhere" "$VOLUME" "$MNT"
says 'nowhere is not there'

# Another volume's key, one that everybody can read, and one that is none.
"$ASSETFS" init "file://$TMP/other" >"$TMP/other.out"
other=$(ls "$keys"/*)
expect 1 "$ASSETFS" mount -o "key_file=$other" "$VOLUME" "$MNT"
says 'is sealed under key'
cp "$TMP/keys"/* "$TMP/open-key"
chmod 644 "$TMP/open-key"
expect 1 "$ASSETFS" mount -o "key_file=$TMP/open-key" "$VOLUME" "$MNT"
says 'chmod 600'
echo nonsense >"$TMP/no-key"
chmod 600 "$TMP/no-key"
expect 1 "$ASSETFS" mount -o "key_file=$TMP/no-key" "$VOLUME" "$MNT"
says 'does not hold a recovery code'

# A code with a typing error, the code of another volume, the right one.
typo=$(printf '%s' "$code" | sed 's/.$/?/; t')
printf '%s\n' "$typo" >"$TMP/typo"
! "$ASSETFS" key import "$VOLUME" <"$TMP/typo" 2>"$TMP/err" || fail "a code with a typing error was taken"
says 'recovery code'
"$ASSETFS" key show "file://$TMP/other" >"$TMP/other-code"
! "$ASSETFS" key import "$VOLUME" <"$TMP/other-code" 2>"$TMP/err" || fail "the code of another volume was taken"
says 'this is the code of key'
echo "$code" | "$ASSETFS" key import "$VOLUME" >"$TMP/out"
mount_volume
equals "$(cat "$MNT/file")" hello
umount_volume
