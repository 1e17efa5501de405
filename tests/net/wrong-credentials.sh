#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Credentials that S3 does not know: no volume is made; a mount reads by the CDN all the same, keeps what is written, and says why it does not get away. With the
# right ones it does.
BACKENDS='double: it knows who signs'
. "${0%/*}/../sh/lib.sh"
requires_fuse
AWS_SECRET_ACCESS_KEY=wrong
expect 1 "$ASSETFS" init --public "$VOLUME"
says 'SignatureDoesNotMatch.*secret key'
AWS_ACCESS_KEY_ID=NOBODY
expect 1 "$ASSETFS" init --public "$VOLUME"
says 'InvalidAccessKeyId.*access key'
equals "$(journal)" '' "journal"
AWS_ACCESS_KEY_ID=WRITERKEY AWS_SECRET_ACCESS_KEY=writersecret
new_volume
mount_volume
echo before >"$MNT/before"
umount_volume

for secret in wrong writersecret-; do
    AWS_SECRET_ACCESS_KEY=$secret
    mount_volume drain_timeout=300ms
    equals "$(cat "$MNT/before")" before
    echo "$secret" >"$MNT/$secret"
    expect 3 "$ASSETFS" sync --timeout 2s "$MNT"
    says 'SignatureDoesNotMatch'
    equals "$(cat "$MNT/$secret")" "$secret"
    expect 3 "$ASSETFS" umount "$MNT"
    says 'queued.*next mount'
done

# A host that is new to the volume cannot make itself known: it only reads, and says why.
mount_volume "cache_dir=$TMP/fresh" "$TMP/mnt2"
equals "$(ls "$TMP/mnt2")" before
! echo new 2>/dev/null >"$TMP/mnt2/new" || fail "a write was accepted"
"$ASSETFS" status "$TMP/mnt2" | grep -q 'SignatureDoesNotMatch' || fail "not said: $("$ASSETFS" status "$TMP/mnt2")"
umount_volume "$TMP/mnt2"

AWS_SECRET_ACCESS_KEY=writersecret
mount_volume
sync_volume
remount_from_bucket
equals "$(cat "$MNT"/* | tr '\n' ' ')" "before writersecret- wrong "
umount_volume
