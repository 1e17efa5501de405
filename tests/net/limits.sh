#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# upload_limit= and download_limit= hold: 6 MB at 2 MiB a second take no less than two seconds and a half, either way. How much longer they take is not judged.
BACKENDS='double: its speed does not matter'
. "${0%/*}/../sh/lib.sh"
requires openssl
bytes 6000000 >"$TMP/source"

# takes_its_time COMMAND...
takes_its_time() {
    local began ended
    began=$(date +%s%N)
    "$@" || fail "$*"
    ended=$(date +%s%N)
    [ $((ended - began)) -ge 2500000000 ] || fail "$* took $(((ended - began) / 1000000)) ms only"
}
write() {
    cp "$TMP/source" "$MNT/file"
    sync_volume
}

new_volume
mount_volume upload_limit=2M
mkdir "$MNT/first" # a host's first change takes an entry by itself
takes_its_time write
remount_from_bucket download_limit=2M
takes_its_time cmp "$TMP/source" "$MNT/file"
umount_volume
