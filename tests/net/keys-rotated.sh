#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The writer's key is rotated under a running rsync, as a secret operator does it in Kubernetes: a link is swapped, and the old key stops working, sooner or
# later. No program sees an error, and status has none to tell.
BACKENDS='double: it takes the keys that the stand-in hands out'
. "${0%/*}/../sh/lib.sh"
. "$SRC/tests/lib/key_sources.sh"
requires_fuse
requires rsync
no_other_keys
mkdir "$TMP/secret"
rotate() { # rotate NUMBER: the next key is there, and so is its file
    control POST /credentials "writer ROTATED$1 rotatedsecret$1"
    mkdir "$TMP/secret/..$1"
    printf '[default]\naws_access_key_id = ROTATED%s\naws_secret_access_key = rotatedsecret%s\n' "$1" "$1" >"$TMP/secret/..$1/credentials"
    chmod 600 "$TMP/secret/..$1/credentials"
    ln -s "..$1" "$TMP/secret/..data_tmp"
    mv -T "$TMP/secret/..data_tmp" "$TMP/secret/..data"
}
rotate 0
ln -s ..data/credentials "$TMP/secret/credentials"
export AWS_SHARED_CREDENTIALS_FILE="$TMP/secret/credentials"
new_volume
mount_volume settle=50ms

rsync_on
for round in 1 2 3; do
    more_puts 5
    rotate "$round"
    key revoke "ROTATED$((round - 1))"
done
more_puts 5
rsync_off
umount_volume
