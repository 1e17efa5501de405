#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The writer's key and the volume's are replaced under a running tar, where everything is read from S3 itself, with the writer's key: no program sees an error, and the log has none. The CDN's
# key: signed-rotation.sh; under a running rsync: keys-rotated.sh, key-rotate.sh.
# shellcheck disable=SC2034
BACKENDS='double: it takes the keys that it is told of'
. "${0%/*}/../sh/lib.sh"
. "$SRC/tests/lib/key_sources.sh"
. "$SRC/tests/lib/slow_tar.sh"
requires_fuse
no_other_keys
network_volume s3://assets "endpoint = $S3" "path_style = yes"
no_other_keys
export AWS_SHARED_CREDENTIALS_FILE="$TMP/credentials"

# writer NUMBER: its key is there, may get objects as well, and replaces the one before in the file.
writer() {
    control POST /credentials "writer ROTATED$1 rotatedsecret$1"
    control POST /credentials "allow ROTATED$1 get"
    printf '[default]\naws_access_key_id = ROTATED%s\naws_secret_access_key = rotatedsecret%s\n' "$1" "$1" >"$TMP/credentials.new"
    chmod 600 "$TMP/credentials.new"
    mv "$TMP/credentials.new" "$TMP/credentials"
}

writer 0
new_volume
mount_volume
tree_for_tar "$TMP/tree"
cp -a "$TMP/tree" "$MNT/tree"
remount_from_bucket "$SLOWLY,poll=100ms"

tar_on "$MNT/tree"
for n in 1 2 3; do
    tar_reads 1
    writer "$n"
    key revoke "ROTATED$((n - 1))"
done
tar_reads 1
"$ASSETFS" key rotate "$MNT" >"$TMP/rotated"
echo 'under the new key' >"$MNT/after"
tar_off "$TMP/tree"
sync_volume
! grep -E ' (error|warning): ' "$(state_dir)/log" || fail "something was said"
remount_from_bucket
equals "$(cat "$MNT/after")" 'under the new key'
same_tree "$TMP/tree" "$MNT/tree"
umount_volume
