#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A second machine in one step: a file that assetfs invite writes is all it needs, but for keys of AWS; and it says what is missing.
. "${0%/*}/lib.sh"
new_volume
mount_volume
echo hello >"$MNT/file"
"$ASSETFS" key rotate "$MNT" >"$TMP/rotate.out"
echo after >"$MNT/after"
sync_volume

"$ASSETFS" invite -o "$TMP/invitation" "$VOLUME" >"$TMP/invite.out"
equals "$(stat -c %a "$TMP/invitation")" 600 "mode of the invitation"
equals "$(grep -c '^# key assetfs1-' "$TMP/invitation")" 2 "keys in it"
! grep -iE 'AKIA|WRITERKEY|writersecret|aws_|key_file|cache_dir' "$TMP/invitation" || fail "it has what is this host's alone"
expect 1 "$ASSETFS" invite -o "$TMP/invitation" "$VOLUME"
says 'is there already'
umount_volume

# Another machine: no configuration, no keys, no local state.
other() {
    mkdir -p "$TMP/other/config" "$TMP/other/cache" "$TMP/other/mnt"
    XDG_CONFIG_HOME=$TMP/other/config XDG_CACHE_HOME=$TMP/other/cache "$@"
}
name=$(sed -n 's/^\[volume \(.*\)\]$/\1/p' "$TMP/invitation")
other "$ASSETFS" join "$TMP/invitation" "$TMP/other/mnt" >"$TMP/out" 2>"$TMP/err" || fail "join: $(cat "$TMP/out" "$TMP/err")"
equals "$(cat "$TMP/other/mnt/file" "$TMP/other/mnt/after")" "$(printf 'hello\nafter')"
echo back >"$TMP/other/mnt/back"
umount_volume "$TMP/other/mnt"
if [ "$BACKEND" != dir ]; then
    grep -q '^It is written with the keys out of ' "$TMP/out" || fail "it does not say which credential it found: $(cat "$TMP/out")"
fi
equals "$(stat -c %a "$TMP/other/config/assetfs/keys"/* | sort -u)" 600 "modes of the keys"

if [ "$BACKEND" = double ]; then # where the bucket is, is said by this host's environment
    printf '%s\n' '[volume elsewhere]' 'url = s3://assets' 'path_style = yes' "cdn = $CDN" >>"$XDG_CONFIG_HOME/assetfs/assetfs.conf"
    AWS_ENDPOINT_URL_S3=$S3 AWS_REGION=us-east-1 "$ASSETFS" invite -o "$TMP/elsewhere.invitation" elsewhere >"$TMP/invite.out"
    grep -qx "endpoint = $S3" "$TMP/elsewhere.invitation" || fail "no endpoint: $(grep -v key "$TMP/elsewhere.invitation")"
    grep -qx 'region = us-east-1' "$TMP/elsewhere.invitation" || fail "no region: $(grep -v key "$TMP/elsewhere.invitation")"
    rm -rf "$TMP/other"
    unset AWS_REGION
    other "$ASSETFS" join "$TMP/elsewhere.invitation" >"$TMP/out" 2>"$TMP/err" || fail "join: $(cat "$TMP/out" "$TMP/err")"
    grep -q 'it can be read from here' "$TMP/out" || fail "join: $(cat "$TMP/out")"
    export AWS_REGION=us-east-1
    rm -rf "$TMP/other"
    other "$ASSETFS" join "$TMP/invitation" >"$TMP/out"
fi

if [ -n "${CA_FILE:-}" ]; then # what it needs of this host's files came along
    openssl x509 -in "$CA_FILE" -noout -fingerprint >"$TMP/fingerprint"
    openssl x509 -in "$TMP/other/config/assetfs/certificates/$name.pem" -noout -fingerprint | cmp - "$TMP/fingerprint"
    ! grep -q "$CA_FILE" "$TMP/invitation" || fail "it has a path of this host"
fi

# Once more changes nothing; by its name it is a volume like any other.
cp "$TMP/other/config/assetfs/assetfs.conf" "$TMP/conf"
other "$ASSETFS" join "$TMP/invitation" >"$TMP/out"
cmp "$TMP/conf" "$TMP/other/config/assetfs/assetfs.conf"
other "$ASSETFS" mount "$name" "$TMP/other/mnt"
equals "$(cat "$TMP/other/mnt/back")" back
umount_volume "$TMP/other/mnt"

# What is not right is said, and nothing is changed.
sed 's,^url = .*,url = file:///elsewhere,' "$TMP/invitation" >"$TMP/elsewhere"
sed 's/^\(# key assetfs1-\)./\1?/' "$TMP/invitation" >"$TMP/damaged"
echo nonsense >"$TMP/nonsense"
chmod 600 "$TMP/elsewhere" "$TMP/damaged" "$TMP/nonsense"
refuses() {
    expect 1 other "$ASSETFS" join "$1"
    says "$2"
    cmp "$TMP/conf" "$TMP/other/config/assetfs/assetfs.conf"
}
[ "$BACKEND" != dir ] || refuses "$TMP/elsewhere" "has another volume $name"
refuses "$TMP/damaged" 'a key in it has been damaged'
refuses "$TMP/nonsense" 'it is no invitation'
refuses "$TMP/nowhere" 'nowhere'
if [ -n "${CA_FILE:-}" ]; then
    sed 's/^# ca MII.../# ca ??????/' "$TMP/invitation" >"$TMP/no-ca"
    chmod 600 "$TMP/no-ca"
    refuses "$TMP/no-ca" 'a certificate in it has been damaged'
fi
