#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A tree that goes in by rsync comes out of the bucket as it was: every byte, mode, owner, time, link and extended attribute.
# (rsync -@-1 compares nanoseconds.)
. "${0%/*}/lib.sh"
requires rsync getfattr setfattr openssl

make_tree "$TMP/tree" 6
new_volume
mount_volume
rsync -@-1 -aHAX "$TMP/tree/" "$MNT/"
same_tree "$TMP/tree" "$MNT"

sync_volume
equals "$(status_value local_files)" 0 "files still local after sync"
equals "$(status_value pending_changes)" 0 "changes still pending after sync"
remount_from_bucket
same_tree "$TMP/tree" "$MNT"

rsync -@-1 -aiHAX "$TMP/tree/" "$MNT/" >"$TMP/itemized"
[ ! -s "$TMP/itemized" ] || fail "the second rsync did something: $(cat "$TMP/itemized")"
umount_volume
