#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kill -9 of the daemon at random moments of a copy: every file whose cp had returned is there and whole after the next mount, and once `sync` has
# returned 0 also after this host's local state is lost.
. "${0%/*}/lib.sh"
requires openssl
kills=${KILLS:-10}

# Copies files until the mount dies; writes down the digest of each one whose cp has returned.
copy_until_death() {
    n=0
    mkdir "$MNT/round-$1" || return 0
    while cp "$TMP/source-$((n % 4))" "$MNT/round-$1/file-$n"; do
        echo "$(cat "$TMP/digest-$((n % 4))")  $MNT/round-$1/file-$n" >>"$TMP/acknowledged"
        n=$((n + 1))
    done
}

# Each file of the list is there with its bytes.
check_acknowledged() {
    [ ! -s "$TMP/acknowledged" ] || sha256sum --quiet -c "$TMP/acknowledged" >&2 || fail "$1: a file is not what was copied"
}

# A moment up to half a second, a different one each time.
random_moment() {
    awk -v seed="$(od -An -N4 -tu4 /dev/urandom)" 'BEGIN { srand(seed); printf "%.3f", rand() * rand() / 2 }'
}

bytes 11 0 >"$TMP/source-0"
bytes 70000 1 >"$TMP/source-1"
bytes 2500000 2 >"$TMP/source-2"
: >"$TMP/source-3"
for n in 0 1 2 3; do
    sha256sum <"$TMP/source-$n" | cut -d ' ' -f 1 >"$TMP/digest-$n"
done
: >"$TMP/acknowledged"

new_volume
mount_volume settle=50ms
round=0 total=0
while [ "$round" -lt "$kills" ]; do
    round=$((round + 1))
    copy_until_death "$round" 2>/dev/null &
    copy=$!
    moment=$(random_moment)
    sleep "$moment"
    kill_daemon
    wait "$copy" || true
    mount_volume settle=50ms
    total=$((total + $(wc -l <"$TMP/acknowledged")))
    check_acknowledged "round $round, killed after $moment s"

    # In between, as often as not: everything but the bucket is lost, which is right to happen only once all is durable.
    if [ $((round % 3)) -eq 0 ]; then
        sync_volume
        kill_daemon
        lose_local_state
        mount_volume settle=50ms
        check_acknowledged "local state lost after round $round"
        "$ASSETFS" sync "$MNT"
        find "$MNT" -mindepth 1 -maxdepth 1 -exec rm -r {} +
        : >"$TMP/acknowledged"
    fi
done

sync_volume
remount_from_bucket
check_acknowledged "at the end"
[ "$total" -gt 0 ] || fail "no file was copied between the kills"
umount_volume
