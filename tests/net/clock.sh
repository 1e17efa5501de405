#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# This host's clock is an hour off, or the server's: S3 refuses the first signature, its clock is learnt from that, and the rest goes well.
BACKENDS='double: it sets its clock'
. "${0%/*}/../sh/lib.sh"
new_volume
for seconds in 3600 -3600; do
    faults_off
    fault "any:clock=$seconds" >/dev/null
    mount_volume
    echo "$seconds" >"$MNT/file$seconds"
    dd if=/dev/zero of="$MNT/synced$seconds" bs=1000 count=1 conv=fsync status=none
    umount_volume
done
[ "$(counted code RequestTimeTooSkewed)" -gt 0 ] || fail "no signature was refused"
lose_local_state
mount_volume
equals "$(cat "$MNT/file3600" "$MNT/file-3600" | tr '\n' ' ')" "3600 -3600 "
umount_volume
