# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034 # for those who read it
#
# What the benchmarks of this directory begin with: . "$(dirname "$0")/lib.sh"
#
# It gives them a private directory $DIR (below BENCH_DIR, or /var/tmp) that is taken away at the end with what is mounted in it, the program $DIR/workload, and times
# in microseconds. They set NEEDS_GB first, and give mount_volume (which calls mounted) and, if they have more to take away, at_end.
set -euo pipefail
export LC_ALL=C

HERE=$(cd "$(dirname "$0")" && pwd)
ASSETFS=$(realpath "${ASSETFS:-./assetfs}")
[ -x "$ASSETFS" ] || { echo "$ASSETFS is not there: build it, or set ASSETFS" >&2 && exit 2; }
[ -w /dev/fuse ] || { echo "skipped: /dev/fuse cannot be used" >&2 && exit 77; }

if [ -n "${BENCH_DIR:-}" ]; then
    mkdir -p "$BENCH_DIR"
    DIR=$(mktemp -d "$BENCH_DIR/run.XXXXXX")
else
    DIR=$(mktemp -d /var/tmp/assetfs-bench.XXXXXX)
fi
MNT=$DIR/mnt LOCAL=$DIR/local SOURCE=$DIR/source
STATE=$DIR/state-0 STATES=0
export XDG_CONFIG_HOME=$DIR/config XDG_CACHE_HOME=$DIR/xdg-cache
mkdir "$MNT" "$LOCAL" "$SOURCE"
if [ "$(df --output=avail -B 1G "$DIR" | tail -n 1)" -lt "${NEEDS_GB:?}" ]; then
    echo "$DIR: $NEEDS_GB GB are needed; set BENCH_DIR, or BENCH_SCALE=small" >&2
    rm -r "$DIR"
    exit 2
fi

PID='' # of the daemon, as long as one of ours is mounted
PEAK_KB=0
FAILED=0

at_end() { :; }

cleanup() {
    local status=$?
    trap - EXIT INT TERM HUP
    set +e
    cd /
    if [ -n "$PID" ]; then
        "$ASSETFS" umount --timeout 30s "$MNT" >"$DIR/umount.log" 2>&1 || fusermount3 -u -z "$MNT"
        daemon_ended 300 || kill -9 "$PID"
        mountpoint -q "$MNT" && fusermount3 -u -z "$MNT"
    fi
    at_end
    mountpoint -q "$MNT" || rm -rf --one-file-system "$DIR"
    exit "$status"
}

trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# The mount

status() { "$ASSETFS" status --json "$MNT"; }

field() { # JSON NAME
    local value=0
    value=$(grep -o "\"$2\":[0-9]*" <<<"$1" | head -n 1) || true
    value=${value##*:}
    echo "${value:-0}"
}

mounted() { PID=$(field "$(status)" pid); }

note_peak() {
    local kb
    kb=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/$PID/status")
    [ "$kb" -le "$PEAK_KB" ] || PEAK_KB=$kb
}

daemon_ended() { # TENTHS
    local i
    for ((i = 0; i < $1; i++)); do
        kill -0 "$PID" 2>/dev/null || return 0
        sleep 0.1
    done
    return 1
}

umount_volume() {
    note_peak
    "$ASSETFS" umount --timeout 5m "$MNT"
    daemon_ended 300 || { echo "process $PID has unmounted and does not end" >&2 && exit 1; }
    PID=''
}

sync_volume() { "$ASSETFS" sync --timeout 10m "$MNT"; }

# Times, in microseconds

now() {
    local t=$EPOCHREALTIME
    echo "${t/./}"
}

# What was written before is on the disk first: else it is written while we measure, and by chance at another's cost.
timed() { # VARIABLE COMMAND...: appends to the array
    local -n times=$1
    shift
    local before
    sync
    before=$(now)
    "$@"
    times+=($(($(now) - before)))
}

median() { printf '%s\n' "$@" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

seconds() { awk -v us="$1" 'BEGIN { printf us < 1e6 ? "%.1f ms" : "%.2f s", us < 1e6 ? us / 1e3 : us / 1e6 }'; }

each() { # COUNT N: a quotient
    awk -v n="$1" -v of="$2" 'BEGIN { printf "%.2f", n / of }'
}

# What is compared

same() { # COMMAND...: what must succeed
    "$@" >"$DIR/same.log" 2>&1 && return
    echo "FAILED: $*" && head -n 20 "$DIR/same.log"
    FAILED=1
}

names_of() { (cd "$1" && find . -printf '%P %y %m %U %G %T@ %l %n\n' -type f -printf '%s\n' | sort); }

same_names() { # DIR DIR
    names_of "$1" >"$DIR/names.1"
    names_of "$2" >"$DIR/names.2"
    same diff "$DIR/names.1" "$DIR/names.2"
}

# Work

read_file() { dd if="$1" of=/dev/null bs=1M status=none; }
read_tree() { tar cf - -C "$1" . | wc -c >/dev/null; }
list_tree() { find "$1" -printf '%p %s %m %u %T@\n' >/dev/null; }

# Of ext4, whether it has a journal: without one, each fsync goes to the disk on its own.
file_system() {
    local source type
    read -r source type < <(findmnt -n -o SOURCE,FSTYPE -T "$DIR")
    echo "$type"
    if [ "$type" = ext4 ] && ! compgen -G "/proc/fs/jbd2/${source##*/}-*" >/dev/null; then
        echo "without a journal"
    fi
}

machine() {
    printf 'assetfs benchmarks, %s: %d cores, %s MiB of memory, Linux %s, libfuse %s, %s, load %s\n\n' \
        "$("$ASSETFS" --version | head -n 1)" "$(nproc)" "$(awk '$1 == "MemTotal:" { print int($2 / 1024) }' /proc/meminfo)" \
        "$(uname -r)" "$(fusermount3 -V | awk '{ print $NF }')" "$(file_system | paste -s -d ' ')" "$(cut -d' ' -f1 /proc/loadavg)"
}

${CC:-cc} -O2 -D_GNU_SOURCE -o "$DIR/workload" "$HERE/workload.c"
