#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The bucket refuses the CDN, which still serves what is in its cache, entries of the journal among it: a 403 beside that is no absence. The tree never looks emptier,
# files that the CDN does not have fail within the timeout, and when it is over all is as before.
BACKENDS='double: its origin refuses'
. "${0%/*}/../sh/lib.sh"
requires openssl
A=$TMP/mnt-a
bytes 100000 1 >"$TMP/in-cdn"
bytes 100000 2 >"$TMP/not-in-cdn"
set_double cache-all=1 error-ttl=0
new_volume
mount_volume "cache_dir=$TMP/a,host_label=anna,poll=100ms" "$A"
cp "$TMP/in-cdn" "$TMP/not-in-cdn" "$A/"
sync_volume "$A"
mount_volume poll=100ms,timeout=2s # the entries are in the CDN's cache now
cat "$MNT/in-cdn" >/dev/null
umount_volume
lose_content() { # what this host has of the files themselves
    rm -rf "$(state_dir)"/blocks*
}
lose_content
mount_volume poll=100ms,timeout=2s

fault origin:refuse >/dev/null
is_unproven() {
    [ "$(status_value head_unproven_since)" != null ] || [ "$(status_value offline)" = true ]
}
check_tree() {
    equals "$(ls "$MNT" | tr '\n' ' ')" "in-cdn not-in-cdn "
    cmp "$TMP/in-cdn" "$MNT/in-cdn" || fail "what the CDN has cannot be read"
    expect 1 timeout 20 cat "$MNT/not-in-cdn"
    grep -q 'Input/output error' "$TMP/err" || fail "not EIO: $(cat "$TMP/err")"
    equals "$(status_value read_only)" false "read-only"
}
wait_for is_unproven
check_tree

# anna writes on: her entries get into the bucket, and nobody can read them. A host that begins now would see an older tree, so it does not begin.
echo later >"$A/later"
sync_volume "$A"
mkdir "$TMP/mnt2"
expect 1 timeout 50 "$ASSETFS" mount -o "timeout=2s,cache_dir=$TMP/fresh,ro" "$VOLUME" "$TMP/mnt2"
says 'cache|CDN|cannot be read'
check_tree

faults_off
wait_for test -e "$MNT/later"
wait_for cmp "$TMP/not-in-cdn" "$MNT/not-in-cdn" # a read that began before may still wait
equals "$(cat "$MNT/later")" later
echo after >"$MNT/after"
sync_volume
umount_volume
umount_volume "$A"
mount_volume "cache_dir=$TMP/fresh" "$TMP/mnt2"
equals "$(ls "$TMP/mnt2" | tr '\n' ' ')" "after in-cdn later not-in-cdn "
umount_volume "$TMP/mnt2"
