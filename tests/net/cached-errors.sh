#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A CDN that nobody has set up for assetfs: it caches the journal, and that an object was not there, for ten seconds. Two hosts see each other's files all the same,
# by then.
BACKENDS='double real: it needs a CDN'
. "${0%/*}/../sh/lib.sh"
use_careless_cdn
A=$TMP/mnt-a B=$TMP/mnt-b
new_volume
mount_volume "cache_dir=$TMP/a,host_label=anna,poll=1s,settle=100ms" "$A"
mount_volume "cache_dir=$TMP/b,host_label=bert,poll=1s,settle=100ms" "$B"

has() {
    [ "$(cat "$1")" = "$2" ]
}
for n in 1 2; do
    echo "from anna $n" >"$A/anna-$n"
    sync_volume "$A"
    wait_for has "$B/anna-$n" "from anna $n"
    echo "from bert $n" >"$B/bert-$n"
    sync_volume "$B" # it loses a number to nobody, or reads the winner's entry once the CDN lets it
    wait_for has "$A/bert-$n" "from bert $n"
done
umount_volume "$A"
umount_volume "$B"

mount_volume
equals "$(ls "$MNT" | tr '\n' ' ')" "anna-1 anna-2 bert-1 bert-2 "
umount_volume
