#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Without /dev/fuse, and without permission to use it, a mount says what to do.
PRIVATE_MOUNTS=yes
. "${0%/*}/lib.sh"
mkdir -p "$MNT"
"$ASSETFS" init ${PUBLIC:-} "$VOLUME" >"$TMP/init.out"

# All of /dev but the device.
mkdir "$TMP/dev"
mount -t tmpfs none "$TMP/dev"
for node in null zero urandom tty; do
    touch "$TMP/dev/$node"
    mount --bind "/dev/$node" "$TMP/dev/$node"
done
mount --rbind "$TMP/dev" /dev
expect 1 "$ASSETFS" mount "$VOLUME" "$MNT"
says '/dev/fuse is missing.*modprobe fuse.*container'
[ ! -d "$XDG_CACHE_HOME" ] || fail "local state was made"
# The device is there, but has no driver (the numbers of a device that Linux will never have).
if mknod "$TMP/dev/fuse" c 10 65000 2>/dev/null && ! (exec 3<>/dev/fuse) 2>/dev/null; then
    expect 1 "$ASSETFS" mount "$VOLUME" "$MNT"
    says '/dev/fuse (is missing|cannot be opened)'
fi
