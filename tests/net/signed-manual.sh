#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The examples of assetfs(1) about signed reads and links, run as they are printed there; only where S3 and the CDN are is said beside them.
BACKENDS='double: its CDN checks signatures'
# shellcheck disable=SC2034 # tests/lib/backend_double.sh reads it
DOUBLE_PRIVATE='*'
PRIVATE_MOUNTS=yes
. "${0%/*}/../sh/lib.sh"
. "$SRC/tests/lib/manual.sh"
requires openssl python3
# Nothing of this machine is touched.
mkdir -p /etc/assetfs /run/secrets
mount -t tmpfs none /etc/assetfs
mount -t tmpfs none /run/secrets
cleanup_fn 'umount /etc/assetfs /run/secrets'
HERE=endpoint=$S3,path_style,cdn=$CDN
VOLUME=pictures
MNT=$HOME/pictures

example make-key >"$TMP/make-key.sh"
sh -e "$TMP/make-key.sh" 2>"$TMP/err" || fail "no key: $(cat "$TMP/err")"
equals "$(stat -c %a /etc/assetfs/cdn/private_key.pem)" 600
signer add K2JCJMDEHXQW5F=/etc/assetfs/cdn/public_key.pem >/dev/null
example signed-urls >"$XDG_CONFIG_HOME/assetfs/assetfs.conf"
PUBLIC= # the example has a key to sign with
new_volume "$HERE"
mount_volume "$HERE"
mkdir "$MNT/2026"
echo stand >"$MNT/2026/stand.jpg"
remount_from_bucket "$HERE"
equals "$(cat "$MNT/2026/stand.jpg")" stand
umount_volume

# The other kind of key, in the same place.
rsa=$TMP/rsa
cp -a /etc/assetfs/cdn "$rsa"
run_example make-ecdsa-key
equals "$(stat -c %a /etc/assetfs/cdn/private_key.pem)" 600
signer remove K2JCJMDEHXQW5F >/dev/null
signer add K2JCJMDEHXQW5F=/etc/assetfs/cdn/public_key.pem >/dev/null
for more in '' ,cdn_hash=sha256 ,cdn_sign=cookie,cdn_policy=custom; do
    lose_local_state
    mount_volume "$HERE$more"
    equals "$(cat "$MNT/2026/stand.jpg")" stand
    umount_volume
done
cp "$rsa"/* /etc/assetfs/cdn/
signer remove K2JCJMDEHXQW5F >/dev/null
signer add K2JCJMDEHXQW5F=/etc/assetfs/cdn/public_key.pem >/dev/null

# Another machine: it needs the key as well.
cd "$TMP"
mount -t tmpfs none /srv
cleanup_fn 'umount -l /srv'
mkdir -p /srv/pictures
sed "s|^cdn = .*|cdn = $CDN|" "$XDG_CONFIG_HOME/assetfs/assetfs.conf" >"$TMP/conf"
printf '%s\n' "endpoint = $S3" 'path_style = yes' >>"$TMP/conf"
cp "$TMP/conf" "$XDG_CONFIG_HOME/assetfs/assetfs.conf"
run_example invite
grep -q 'assetfs join -o cdn_key_file=FILE pictures.invitation MOUNTPOINT' "$TMP/out" || fail "invite: $(cat "$TMP/out")"
mv "$XDG_CONFIG_HOME" "$TMP/config-here"
expect 1 "$ASSETFS" join pictures.invitation
says 'run assetfs join -o cdn_key_file=FILE pictures.invitation'
[ ! -e "$XDG_CONFIG_HOME" ] || fail "something was saved: $(ls -R "$XDG_CONFIG_HOME")"
expect 1 "$ASSETFS" join -o cdn_key_file=/etc/assetfs/cdn/private_key.pem,cache_size=1G pictures.invitation
says 'cache_size is not for join'
lose_local_state
cleanup_fn 'fusermount3 -uzq /srv/pictures'
run_example join-signed
equals "$(cat /srv/pictures/2026/stand.jpg)" stand
"$ASSETFS" umount /srv/pictures
grep -qx 'cdn_key_file = /etc/assetfs/cdn/private_key.pem' "$XDG_CONFIG_HOME/assetfs/assetfs.conf" || fail "not in the section"
rm -r "$XDG_CONFIG_HOME"
mv "$TMP/config-here" "$XDG_CONFIG_HOME"

mkdir -p /run/secrets/cdn
mv /etc/assetfs/cdn/private_key.pem /run/secrets/cdn/
echo K2JCJMDEHXQW5F >/run/secrets/cdn/key_id
(umask 077 && example headers >/run/secrets/cdn/headers)
authoriser 'X-Deployment-Token: 4f1c0f7e' >/dev/null
example secrets >"$XDG_CONFIG_HOME/assetfs/assetfs.conf"
lose_local_state
mount_volume "$HERE" 2>"$TMP/err"
[ ! -s "$TMP/err" ] || fail "the mount complains: $(cat "$TMP/err")"
equals "$(cat "$MNT/2026/stand.jpg")" stand

run_example links
equals "$(wc -l <"$TMP/out")" 2
grep -q '^https://pictures.example.org/files/[0-9a-f]*.jpg?Policy=.*&Hash-Algorithm=SHA256$' "$TMP/out" || fail "no link: $(cat "$TMP/out")"
tail -n 1 "$TMP/out" | python3 -c 'import json, sys; assert json.load(sys.stdin)["path"].endswith("/2026/stand.jpg")' || fail "no JSON: $(cat "$TMP/out")"
example follow >"$TMP/follow.sh"
PATH=$TMP/bin:$PATH sh -e "$TMP/follow.sh" >"$TMP/followed" 2>/dev/null &
number=0
is_followed() { # it tells what came after it began
    number=$((number + 1))
    echo "$number" >"$MNT/2026/stand.jpg"
    sync_volume
    grep -q '"change":"replaced","path":"/2026/stand.jpg","from":null,"old":"https://pictures.example.org/files/.*","new":"https://' "$TMP/followed"
}
wait_for is_followed
umount_volume
