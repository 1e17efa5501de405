#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The endpoint of a container (ECS, EKS Pod Identity): with its token in the environment, and in a file.
BACKENDS='double: it takes the keys that the stand-in hands out'
. "${0%/*}/../sh/lib.sh"
. "$SRC/tests/lib/key_sources.sh"
requires_fuse
stand_in
export AWS_CONTAINER_CREDENTIALS_FULL_URI="$STAND_IN/container"
export AWS_CONTAINER_AUTHORIZATION_TOKEN=sesame
echo sesame >"$ASKED/container-token"
put_and_read
[ "$(asked '^keys /container')" -ge 1 ] || fail "not asked: $(cat "$ASKED/log")"
umount_volume

echo other >"$TMP/token"
export AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="$TMP/token"
expect 1 "$ASSETFS" init --public -o prefix=other "$VOLUME"
says 'container.s endpoint.*403.*AWS_CONTAINER_AUTHORIZATION_TOKEN'
echo sesame >"$TMP/token"
mount_volume
echo "with a file" >"$MNT/other"
umount_volume

AWS_CONTAINER_CREDENTIALS_FULL_URI=http://192.0.2.1/keys
expect 1 "$ASSETFS" init --public -o prefix=other "$VOLUME"
says 'AWS_CONTAINER_CREDENTIALS_FULL_URI is plain http to 192.0.2.1'
