#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Ten minutes without a network, with rsync and small writes going on; then it is back, and all of it gets into the bucket. OFFLINE_SECONDS=N makes it shorter. And a
# laptop that is closed for minutes: stopped.sh.
BACKENDS='double: it goes away'
LIMIT=$((900 + 2 * ${OFFLINE_SECONDS:=600}))
. "${0%/*}/../sh/lib.sh"
requires rsync openssl getfattr
STOPPED_SECONDS=$((OFFLINE_SECONDS / 4)) sh "$SRC/tests/net/stopped.sh" || fail "stopped.sh"

make_tree "$TMP/tree" 1
new_volume
mount_volume timeout=5s
rsync -aH "$TMP/tree/" "$MNT/tree/"
sync_volume
bucket_away
is_offline() {
    [ "$(status_value offline)" = true ]
}
wait_for is_offline
until_s=$(($(date +%s) + OFFLINE_SECONDS))
n=0
while [ "$(date +%s)" -lt "$until_s" ]; do
    n=$((n + 1))
    mkdir -p "$TMP/tree/more $n"
    bytes 300000 "$n" >"$TMP/tree/more $n/content"
    rsync -aH "$TMP/tree/" "$MNT/tree/" || fail "rsync: exit status $?"
    echo "$n" >"$MNT/note" || fail "a write failed"
    mv "$MNT/note" "$MNT/note-$n"
    [ "$((n % 5))" -ne 0 ] || rm "$MNT/note-$((n - 1))"
    is_offline || fail "it does not say that it is offline"
    sleep 2
done
ls "$MNT" >"$TMP/names"
bucket_back
"$ASSETFS" sync --timeout 5m "$MNT" || fail "sync: exit status $?"
remount_from_bucket
ls "$MNT" | diff "$TMP/names" - || fail "the names are not those of before"
(cd "$TMP/tree" && find . -type f -exec sha256sum {} +) | (cd "$MNT/tree" && sha256sum --quiet -c) || fail "a file is not what was written"
equals "$(ls -A "$MNT" | grep -c conflicted)" 0 "conflicted copies"
umount_volume
