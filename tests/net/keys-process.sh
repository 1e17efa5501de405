#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Keys that a program prints: run without a shell, again when they run out, and explained when it fails.
BACKENDS='double: it takes the keys that the stand-in hands out'
. "${0%/*}/../sh/lib.sh"
. "$SRC/tests/lib/key_sources.sh"
requires_fuse
stand_in
cat >"$TMP/give keys" <<'SH'
#!/bin/sh
# give keys DIR 'an argument'
[ "$2" = '$HOME * and "quotes"' ] || { echo "wrong argument: $2" >&2; exit 3; }
if [ -e "$1/away" ]; then
    echo "cannot reach the vault" >&2
    exit 7
fi
echo run >>"$1/runs"
cat "$1/answer"
SH
chmod +x "$TMP/give keys"
cat >"$HOME/.aws/config" <<INI
[profile vault]
credential_process = "$TMP/give keys" $ASKED '\$HOME * and "quotes"'
INI
answer() {
    printf '{"Version": 1, "AccessKeyId": "%s", "SecretAccessKey": "%s", "Expiration": "%s"}\n' "$1" "$2" "$(date -u -d "$3" +%Y-%m-%dT%H:%M:%SZ)" >"$ASKED/answer"
}
answer WRITERKEY writersecret '+1 hour'
echo "profile = vault" >>"$XDG_CONFIG_HOME/assetfs/assetfs.conf"
put_and_read

# Revoked: the program is asked once more, and has others by now.
control POST /credentials "writer OTHERKEY othersecret"
answer OTHERKEY othersecret '+1 hour'
key revoke WRITERKEY
echo after >"$MNT/after"
sync_volume
umount_volume

touch "$ASKED/away"
mount_volume drain_timeout=300ms
echo kept >"$MNT/kept"
says_why() {
    "$ASSETFS" status "$MNT" | grep -q 'exit status 7 .*cannot reach the vault'
}
wait_for says_why
expect 3 "$ASSETFS" umount "$MNT"
rm "$ASKED/away"
mount_volume
sync_volume
umount_volume

echo '{"Version": 1, "AccessKeyId": "OTHERKEY"}' >"$ASKED/answer"
expect 1 "$ASSETFS" init --public -o prefix=other "$VOLUME"
says 'give keys printed cannot be used: it has no SecretAccessKey'
