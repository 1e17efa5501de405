#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Options that are not there, are malformed or contradict each other: exit status 2, one sentence, and nothing is mounted.
. "${0%/*}/lib.sh"
new_volume

# refuses OPTION,... REGEX
refuses() {
    expect 2 "$ASSETFS" mount -o "$1" "$VOLUME" "$MNT"
    says "$2"
    ! is_mounted "$MNT" || fail "-o $1 was refused, but the volume is mounted"
}

refuses cache_siez=1G 'unknown option "cache_siez"; did you mean cache_size'
refuses no_such_thing 'unknown option "no_such_thing"'
refuses poll=soon 'poll=soon'
refuses poll 'poll needs a value'
refuses cache_size=-1 'cache_size=-1'
refuses cache_size=1 'cache_size must be 1M or more'
refuses durability=perhaps 'bucket.*close.*local'
refuses umask=999 'umask=999'
refuses fmode=0888 'fmode=0888'
refuses dmode=1777 'dmode=1777'
refuses allow_other,allow_root 'contradict each other'
refuses timeout=0 'timeout must be more than 0'
refuses durability=bucket,fsync_timeout=0 'fsync_timeout must be more than 0'
refuses prefix=../elsewhere 'prefix must be'
refuses suid 'suid is not possible'
refuses sync 'sync is not possible'

expect 2 "$ASSETFS" mount "$VOLUME"
grep -q '^Usage: assetfs mount' "$TMP/err" || fail "no usage: $(cat "$TMP/err")"
expect 2 "$ASSETFS" mount "$VOLUME" "$MNT" "$MNT"
expect 2 "$ASSETFS" mount -z "$VOLUME" "$MNT"
expect 2 "$ASSETFS" sync
expect 2 "$ASSETFS" sync --timeout never "$MNT"
expect 2 "$ASSETFS" frobnicate
expect 1 "$ASSETFS" mount no-such-volume "$MNT"
says 'no-such-volume'
expect 1 "$ASSETFS" mount "https://example.com/bucket" "$MNT"
says 'example.com'
expect 1 "$ASSETFS" mount "file://relative/bucket" "$MNT"
says 'absolute path'
