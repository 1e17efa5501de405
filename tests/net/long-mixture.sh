#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Everything that the double can do wrong, in random order and together, under a running rsync on one host and a running tar, other reads, listings and small writes
# on another. Meanwhile: rsync and the writes never fail, no read gives a wrong byte (EIO is allowed), nothing takes much longer than the timeout, no name is
# ever missing. When all is well again, everything gets into the bucket, and is there.
#
# SEED=N repeats one order of faults; ROUNDS=N (3) goes through so many; FAULT_SECONDS=N (20) is how long each lasts.
BACKENDS='double: it does everything wrong'
LIMIT=1800
. "${0%/*}/../sh/lib.sh"
requires rsync openssl tar
MIXTURE=$SRC/tests/tools/mixture.py
PATIENCE=40 # seconds that a call may take: the timeout of 4 s, stops, and a busy machine
OPTIONS=timeout=4s,settle=100ms,poll=200ms,drain_timeout=2s
A=$TMP/mnt-a B=$TMP/mnt-b

sums() {
    (cd "$1" && find . -type f -print0 | sort -z | xargs -0r sha256sum | sed 's|  \./|  |')
}

make_base() {
    mkdir -p "$TMP/base/small" "$TMP/base/large"
    for n in $(seq 25); do
        bytes $((n * n * 300)) "small $n" >"$TMP/base/small/$n"
    done
    for n in 1 2 3; do
        bytes $((n * 2500000)) "large $n" >"$TMP/base/large/$n"
    done
    sums "$TMP/base" >"$TMP/base-sums"
    (cd "$TMP/base" && find . -mindepth 1 | cut -c 3-) >"$TMP/base-names"
}

# What rsync brings, each time something more and something else.
more_source() {
    mkdir -p "$TMP/source/round-$1"
    for i in $(seq 8); do
        bytes $((i * 4000)) "$seed $1 $i" >"$TMP/source/round-$1/$i"
    done
    bytes $((50000 + $1)) "changed $seed $1" >"$TMP/source/changed" # rsync takes one of the same size and second for the same
    [ "$1" -ne 2 ] || bytes 34000000 "$seed" >"$TMP/source/in-parts"
}

run_rsync() {
    n=0
    until [ -e "$TMP/stop" ]; do
        n=$((n + 1))
        more_source "$n"
        rsync -a "$TMP/source/" "$A/in/" || fail "rsync: exit status $?"
        (cd "$TMP/source" && find . -mindepth 1 | cut -c 3-) >"$TMP/new-names"
        mv "$TMP/new-names" "$TMP/in-names"
    done
}

run_tar() {
    until [ -e "$TMP/stop" ]; do
        : >"$TMP/tar.err" # what tar says is read when the archive has ended
        tar -cf - -C "$B/base" . 2>"$TMP/tar.err" | python3 "$MIXTURE" tar "$TMP/base-sums" 3<"$TMP/tar.err" || fail "tar"
    done
}

# background NAME CMD...
background() {
    local name="$1"
    shift
    "$@" >"$TMP/$name.out" 2>&1 &
    JOBS="$JOBS $name:$!"
}

show() {
    echo "--- seed $seed, $1:"
    tail -n "${2:-20}" "$TMP/$1.out"
}

end_jobs() {
    touch "$TMP/stop"
    failed=
    for job in $JOBS; do
        wait "${job#*:}" || failed="$failed ${job%%:*}"
    done
    for job in $failed; do
        show "$job"
    done
    [ -z "$failed" ] || { show faults 1000 && fail "seed $seed:$failed failed"; }
}

sync_both() {
    for at in "$A" "$B"; do
        "$ASSETFS" sync --timeout 4m "$at" || { show faults 1000 && "$ASSETFS" status "$at" && fail "seed $seed: sync of $at: exit status $?"; }
        equals "$(status_value read_only "$at")" false "seed $seed: $at is read-only: $(status_value reason "$at")"
    done
}

# What was acknowledged is there, for a host that knows nothing.
check_bucket() {
    mount_volume "cache_dir=$TMP/c-$seed,ro" "$TMP/mnt-c"
    sums "$TMP/mnt-c/in" | diff "$TMP/in-sums" - || { show faults 1000 && fail "seed $seed: what rsync brought is not there"; }
    sums "$TMP/mnt-c/base" | diff "$TMP/base-sums" - || fail "seed $seed: the files of before are not there"
    n=0
    while read -r note; do
        n=$((n + 1))
        equals "$(cat "$TMP/mnt-c/notes/note-$n")" "$note" "seed $seed: note $n"
    done <"$TMP/notes.out"
    equals "$(ls "$TMP/mnt-c/notes" | wc -l)" "$n" "seed $seed: notes"
    umount_volume "$TMP/mnt-c"
    rm -rf "$TMP/c-$seed"
}

one_round() {
    JOBS=''
    rm -rf "$TMP/stop" "$TMP/source" "$B/notes"
    mkdir "$B/notes"
    : >"$TMP/in-names"
    sync_both
    background rsync run_rsync
    background tar run_tar
    background notes python3 "$MIXTURE" notes "$B/notes" "$seed" "$PATIENCE" "$TMP/stop"
    background look python3 "$MIXTURE" look "$B/base" "$TMP/base-names" "$PATIENCE" "$TMP/stop"
    background look-in python3 "$MIXTURE" look "$A/in" "$TMP/in-names" "$PATIENCE" "$TMP/stop"
    background read env "SOURCE=$TMP/base" python3 "$MIXTURE" read "$B/base" "$TMP/base-sums" "$PATIENCE" "$TMP/stop"
    python3 "$MIXTURE" faults "$CONTROL" "${S3#http://}" "$seed" "${FAULT_SECONDS:-20}" "$(daemon_pid "$A")" "$(daemon_pid "$B")" >"$TMP/faults.out" ||
        fail "seed $seed: the faults"
    end_jobs
    sums "$TMP/source" >"$TMP/in-sums"
    sync_both
    check_bucket
    rm -rf "$A/in"
    mkdir "$A/in"
    echo "seed $seed: $(grep -c . "$TMP/faults.out") faults, $(wc -l <"$TMP/in-sums") files by rsync, $(wc -l <"$TMP/notes.out") notes, $(tail -n 1 "$TMP/read.out")"
}

make_base
new_volume
mount_volume "cache_dir=$TMP/a,host_label=anna,$OPTIONS" "$A"
mkdir "$A/in" "$A/notes"
cp -r "$TMP/base" "$A/base"
sync_volume "$A"
mount_volume "cache_dir=$TMP/b,host_label=bert,cache_size=4M,$OPTIONS" "$B"
wait_for test -d "$B/notes"
seeds=${SEED:-$(od -An -N 4 -tu2 /dev/urandom | tr -d '\n') $(date +%s)}
# shellcheck disable=SC2086
set -- $seeds
[ -n "${SEED:-}" ] || while [ $# -lt "${ROUNDS:-3}" ]; do set -- "$@" $(($1 + $#)); done
for seed; do
    echo "seed $seed" # to be seen also of one that hangs
    one_round
done
equals "$(counted violation)" '{}' "what the double objects to"
umount_volume "$A"
umount_volume "$B"
