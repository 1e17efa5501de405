#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A web identity, of the environment as in a pod of Kubernetes, and of a profile. Its token's file is replaced by swapping a link.
BACKENDS='double: it takes the keys that the stand-in hands out'
. "${0%/*}/../sh/lib.sh"
. "$SRC/tests/lib/key_sources.sh"
requires_fuse
stand_in
export AWS_ENDPOINT_URL_STS="$STAND_IN"
mkdir "$TMP/one" "$TMP/two"
echo first-token >"$TMP/one/token"
echo second-token >"$TMP/two/token"
ln -s one "$TMP/data"
echo first-token >"$ASKED/web-token"
AWS_WEB_IDENTITY_TOKEN_FILE=$TMP/data/token AWS_ROLE_ARN=arn:aws:iam::123456789012:role/pod AWS_ROLE_SESSION_NAME=pod-1
export AWS_WEB_IDENTITY_TOKEN_FILE AWS_ROLE_ARN AWS_ROLE_SESSION_NAME
put_and_read
umount_volume
[ "$(asked '^AssumeRoleWithWebIdentity .*role/pod web')" -ge 1 ] || fail "not asked: $(cat "$ASKED/log")"

# Keys that hold a few seconds only are asked for anew all the time: soon with the other token.
echo 7 >"$ASKED/lifetime"
mount_volume
echo before >"$MNT/before"
sync_volume
ln -s two "$TMP/next"
mv -T "$TMP/next" "$TMP/data"
echo second-token >"$ASKED/web-token"
: >"$ASKED/log"
renewed() {
    echo more >>"$MNT/more"
    "$ASSETFS" sync "$MNT"
    [ "$(asked '^AssumeRoleWithWebIdentity')" -gt 0 ]
}
wait_for renewed
equals "$(asked refused)" 0
umount_volume

unset AWS_WEB_IDENTITY_TOKEN_FILE AWS_ROLE_ARN AWS_ROLE_SESSION_NAME
cat >"$HOME/.aws/config" <<INI
[profile pod]
web_identity_token_file = $TMP/data/token
role_arn = arn:aws:iam::123456789012:role/of-profile
INI
mount_volume profile=pod
echo third >"$MNT/third"
umount_volume
[ "$(asked '^AssumeRoleWithWebIdentity .*role/of-profile web')" -ge 1 ] || fail "not asked: $(cat "$ASKED/log")"

rm "$TMP/two/token"
mount_volume profile=pod,drain_timeout=300ms
echo kept >"$MNT/kept"
says_why() {
    "$ASSETFS" status "$MNT" | grep -q 'token of the web identity in .*/data/token.*No such file'
}
wait_for says_why
expect 3 "$ASSETFS" umount "$MNT"
echo second-token >"$TMP/two/token"
mount_volume profile=pod
sync_volume
umount_volume
