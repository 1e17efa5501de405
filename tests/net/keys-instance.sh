#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The metadata service of an instance, in version 2. When nobody answers there, that is said at once.
BACKENDS='double: it takes the keys that the stand-in hands out'
. "${0%/*}/../sh/lib.sh"
. "$SRC/tests/lib/key_sources.sh"
requires_fuse
stand_in
unset AWS_EC2_METADATA_DISABLED
export AWS_EC2_METADATA_SERVICE_ENDPOINT="$STAND_IN"
put_and_read
[ "$(asked '^session 21600')" -ge 1 ] || fail "no session: $(cat "$ASKED/log")"
[ "$(asked '^keys /latest/meta-data/iam/security-credentials/the-role')" -ge 1 ] || fail "not asked: $(cat "$ASKED/log")"
umount_volume

echo 404 >"$ASKED/fail"
expect 1 "$ASSETFS" init --public -o prefix=other "$VOLUME"
says 'instance metadata service.*404.*IMDSv2'
AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:1
expect 1 "$ASSETFS" init --public -o prefix=other "$VOLUME"
says 'instance metadata service at http://127.0.0.1:1 does not answer'
export AWS_EC2_METADATA_DISABLED=true
expect 1 "$ASSETFS" init --public -o prefix=other "$VOLUME"
says 'there are no AWS credentials.*AWS_EC2_METADATA_DISABLED'
