#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A tree that goes in by S3, a large file in parts, comes out by the CDN as it was; the writer has asked for nothing but puts under a condition, the CDN for
# nothing that was not there.
BACKENDS='double: it counts requests'
. "${0%/*}/../sh/lib.sh"
requires rsync getfattr setfattr openssl
make_tree "$TMP/tree" 1
bytes 40000000 large >"$TMP/tree/large.mov" # from 32 MiB on in parts
new_volume
mount_volume
rsync -@-1 -aHAX "$TMP/tree/" "$MNT/"
sync_volume
remount_from_bucket
same_tree "$TMP/tree" "$MNT"
umount_volume

equals "$(counted violation)" '{}' "what the double objects to"
equals "$(counted server s3)" $(($(counted operation PutObject) + $(counted operation CreateMultipartUpload) + $(counted operation UploadPart) + $(counted operation CompleteMultipartUpload))) "requests at S3 that put"
equals "$(counted operation CreateMultipartUpload)" 1 "uploads in parts"

equals "$(counted operation PutObject)" "$(object_list '' | wc -l)" \
    "puts: each object but the one in parts once, and one twice, with which init sees that the second is refused"
