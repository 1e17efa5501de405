#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Two hosts get the same files at the same time, and one hears of the other's before it has looked at its own: each file is there once, without a conflicted copy.
. "${0%/*}/lib.sh"
requires rsync openssl
A=$TMP/mnt-a B=$TMP/mnt-b
new_volume
mount_volume "cache_dir=$TMP/a,host_label=anna,poll=100ms,settle=100ms" "$A"
mount_volume "cache_dir=$TMP/b,host_label=bert,poll=100ms,settle=1h" "$B"
mkdir "$TMP/source"
make_tree "$TMP/source"
are_even() {
    [ "$(status_value sequence "$A")" = "$(status_value sequence "$B")" ]
}
copies() {
    find "$B" "$A" -name '*conflicted copy*'
}

# both CMD...: with a mount as its last argument, on B, then on A.
both() {
    "$@" "$B"
    "$@" "$A"
    sync_volume "$A"
    wait_for are_even
    equals "$(copies)" "" "after: $*"
    sync_volume "$B"
    wait_for are_even
    same_tree "$A" "$B"
}
bring() {
    rsync -a "$TMP/source/" "$1/tree/"
}
both bring

# Once more, with other contents, over what is there: as rsync does, and into the very files.
find "$TMP/source" -name 'file-1*.txt' -exec sh -c 'echo more >>"$1"' sh {} \;
both bring
find "$TMP/source" -name 'file-2*.txt' -exec sh -c 'echo more >>"$1"' sh {} \;
rewrite() {
    (cd "$TMP/source" && find . -name 'file-2*.txt') | while read -r file; do
        cat "$TMP/source/$file" >"$1/tree/$file"
    done
}
both rewrite
equals "$(status_value conflict_copies "$B")" 0 "conflicted copies"
umount_volume "$A"
umount_volume "$B"
