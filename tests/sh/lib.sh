# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# What every test of this directory begins with: . "${0%/*}/lib.sh"
#
# It gives the test a private directory $TMP with HOME and the XDG directories in it, and takes everything away again when the test ends: mounts,
# daemons, files. The whole test runs under timeout(1), so no single command can hang it; a test that needs longer sets LIMIT (seconds) first. One that
# mounts other things (tmpfs, bind mounts) sets PRIVATE_MOUNTS=yes first: it then runs in a mount namespace of its own, and is skipped without root.
#
# $ASSETFS is the program, $SRC the source tree. Most tests need one volume only, so the functions know it by these names:
#   $VOLUME what commands call it, $LINK what a public link to one of its objects begins with, $MNT where it is mounted, $DAEMON the process of the last mount.
#
# Where the volume lies is the backend's, tests/lib/backend_NAME.sh, and $BACKEND says which: a directory bucket (dir), an S3 and CDN double of the test's own
# (double), the real servers that tests/real/run has started (real). A test that is not for all of them says so first, and why: BACKENDS='dir: ...'; the
# first one is taken where $BACKEND is not set.
set -eu

BACKEND_NAMES=${BACKENDS:-dir double real:}
case " ${BACKEND_NAMES%%:*} " in
*" ${BACKEND:=${BACKEND_NAMES%%[: ]*}} "*) ;;
*) echo "SKIP: not for BACKEND=$BACKEND:${BACKENDS#*:}"; exit 77 ;;
esac
# A real server takes its time, on a machine that runs other tests as well.
[ "$BACKEND" != real ] || [ -n "${ASSETFS_TEST:-}" ] || LIMIT=$((3 * ${LIMIT:-120}))

if [ -z "${ASSETFS_TEST:-}" ]; then
    if [ -n "${PRIVATE_MOUNTS:-}" ]; then
        [ "$(id -u)" -eq 0 ] || { echo "SKIP: needs root, for a mount namespace"; exit 77; }
        unshare -m true 2>/dev/null || { echo "SKIP: no mount namespaces here"; exit 77; }
        ASSETFS_TEST=1 exec timeout -k 30 "${LIMIT:-120}" unshare -m --propagation private sh "$0" "$@"
    fi
    ASSETFS_TEST=1 exec timeout -k 30 "${LIMIT:-120}" sh "$0" "$@"
fi
unset ASSETFS_TEST

SRC=${SRC:-$(cd "${0%/*}/../.." && pwd)}
ASSETFS=$(readlink -f "$(command -v "${ASSETFS:-assetfs}")") || { echo "SKIP: no assetfs program: set ASSETFS"; exit 77; }
TMP=$(mktemp -d "${TMPDIR:-/tmp}/assetfs-$(basename "$0" .sh).XXXXXX")
TMP=$(cd "$TMP" && pwd -P)
HOME=$TMP/home
XDG_CONFIG_HOME=$TMP/config
XDG_CACHE_HOME=$TMP/cache
XDG_RUNTIME_DIR=$TMP/run
LC_ALL=C.UTF-8
export BACKEND HOME XDG_CONFIG_HOME XDG_CACHE_HOME XDG_RUNTIME_DIR LC_ALL
mkdir "$HOME" "$XDG_RUNTIME_DIR"
MNT=$TMP/mnt
DAEMON=
CLEANUPS=
WAIT_TRIES=600

# The end of a test

# cleanup_fn CMD...: runs it when the test ends, whatever happens; the last first.
cleanup_fn() {
    CLEANUPS="$*
$CLEANUPS"
}

# Mount points below $TMP, the innermost first.
mounts_in_tmp() {
    awk -v tmp="$TMP/" 'index($2, tmp) == 1 { print $2 }' /proc/self/mounts | sort -r
}

# Not when it is a zombie, which nobody but its parent can change, and its last thread is gone.
is_running() {
    case $(sed 's/^.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) in
    '' | X) return 1 ;;
    Z) [ "$(find "/proc/$1/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)" -gt 1 ] ;;
    esac
}

# Daemons of this test: their command line names a directory in $TMP.
kill_daemons() {
    for cmdline in $(grep -lasF -- "$TMP/" /proc/[0-9]*/cmdline); do
        pid=${cmdline#/proc/} pid=${pid%/cmdline}
        case $(readlink "/proc/$pid/exe") in
        "$ASSETFS" | "$ASSETFS (deleted)") kill -9 "$pid" 2>/dev/null ;;
        esac
    done
}

show_logs() {
    find "$TMP" -xdev -name log -type f -path '*cache*' -size -1000k 2>/dev/null | while read -r log; do
        echo "--- the end of $log:"
        tail -n 15 "$log"
    done >&2
}

at_exit() {
    status=$?
    trap - EXIT INT TERM HUP
    set +e
    cd /
    printf '%s' "$CLEANUPS" >"$TMP/cleanups"
    while read -r command; do
        eval "$command" </dev/null
    done <"$TMP/cleanups"
    [ "$status" -eq 0 ] || [ "$status" -eq 77 ] || show_logs
    for at in $(mounts_in_tmp); do
        timeout 10 fusermount3 -uzq "$at" 2>/dev/null || timeout 10 umount -l "$at"
    done
    kill_daemons
    rm -rf "$TMP" 2>/dev/null || { sleep 1 && rm -rf "$TMP"; } # a daemon that is just ending may make a file meanwhile
    exit "$status"
}
trap at_exit EXIT
trap 'exit 130' INT TERM HUP

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

skip() {
    echo "SKIP: $*"
    exit 77
}

# requires PROG...
requires() {
    for prog; do
        command -v "$prog" >/dev/null || skip "no $prog here"
    done
}

requires_root() {
    [ "$(id -u)" -eq 0 ] || skip "needs root: $*"
}

is_root() {
    [ "$(id -u)" -eq 0 ]
}

requires_fuse() {
    (exec 3<>/dev/fuse) 2>/dev/null || skip "no /dev/fuse here"
    is_root || requires fusermount3
}

# What commands do

# expect STATUS CMD...: the command ends with that exit status. Its output is in $TMP/out and $TMP/err.
expect() {
    local want="$1" got=0
    shift
    "$@" >"$TMP/out" 2>"$TMP/err" </dev/null || got=$?
    [ "$got" -eq "$want" ] || fail "exit status $got, not $want: $*: $(cat "$TMP/out" "$TMP/err")"
}

# says REGEX: the last command of expect() said it on standard error, in a single line of at least some words.
says() {
    [ "$(wc -l <"$TMP/err")" -eq 1 ] || fail "not one line of explanation: '$(cat "$TMP/err")'"
    [ "$(wc -w <"$TMP/err")" -ge 4 ] || fail "not a sentence: $(cat "$TMP/err")"
    grep -qE -- "$1" "$TMP/err" || fail "nothing about '$1' in: $(cat "$TMP/err")"
}

# wait_for CMD...: until it succeeds; $WAIT_TRIES, a 20th of a second apart.
wait_for() {
    local tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt "$WAIT_TRIES" ] || fail "waited in vain for: $*"
        sleep 0.05
    done
}

# equals A B [WHAT]
equals() {
    [ "$1" = "$2" ] || fail "${3:-}${3:+: }'$1' is not '$2'"
}

# Volumes and mounts

# network_volume URL LINE...: $VOLUME is a name from the configuration, with these lines; the keys are a writer's.
network_volume() {
    VOLUME='test'
    PUBLIC=--public
    mkdir -p "$XDG_CONFIG_HOME/assetfs"
    printf '%s\n' "[volume test]" "url = $1" >"$XDG_CONFIG_HOME/assetfs/assetfs.conf"
    shift
    printf '%s\n' "$@" >>"$XDG_CONFIG_HOME/assetfs/assetfs.conf"
    unset AWS_PROFILE AWS_SESSION_TOKEN AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3 AWS_DEFAULT_REGION
    unset http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY
    export AWS_ACCESS_KEY_ID=WRITERKEY AWS_SECRET_ACCESS_KEY=writersecret AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
}

# new_volume [OPTION,...]: makes $VOLUME; one that is read through a CDN is public ($PUBLIC, which other calls of `assetfs init` need as well), unless the options have a key to sign with.
new_volume() {
    local public="${PUBLIC:-}"
    requires_fuse
    mkdir -p "$MNT"
    case ${1:-} in
    *cdn_key_file=*) public= ;;
    esac
    # shellcheck disable=SC2086 # nothing or a word
    "$ASSETFS" init $public ${1:+-o "$1"} "$VOLUME" >"$TMP/init.out" || fail "init: exit status $?"
}

# mount_volume [OPTION,... [MOUNTPOINT]]
mount_volume() {
    local at="${2:-$MNT}"
    mkdir -p "$at" 2>/dev/null || true # it may be there with a dead daemon
    "$ASSETFS" mount ${1:+-o "$1"} "$VOLUME" "$at" || fail "mount: exit status $?"
    DAEMON=$(status_value pid "$at")
}

# Also proves that everything was durable.
umount_volume() {
    "$ASSETFS" umount "${1:-$MNT}" || fail "umount: exit status $?"
    ! is_mounted "${1:-$MNT}" || fail "umount left ${1:-$MNT} mounted"
}

is_mounted() {
    mounts_in_tmp | grep -qxF "$1"
}

sync_volume() {
    "$ASSETFS" sync "${1:-$MNT}" || fail "sync: exit status $?"
}

# Everything this host knows of volumes, but not the keys.
lose_local_state() {
    chmod -R u+rwx "$XDG_CACHE_HOME" 2>/dev/null || true
    rm -rf "$XDG_CACHE_HOME"
}

# The proof of most tests: what is in the bucket, and nothing else, is the volume.
remount_from_bucket() {
    umount_volume
    lose_local_state
    mount_volume "$@"
}

# status_value NAME [MOUNTPOINT]: of `status --json`; text without its quotes.
status_value() {
    "$ASSETFS" status --json "${2:-$MNT}" | sed -n 's/^.*"'"$1"'":\("\([^"]*\)"\|\([^,}]*\)\).*$/\2\3/p'
}

daemon_pid() {
    status_value pid "$@"
}

# kill_daemon [PID]: as a power cut for the daemon. The mount stays behind, dead.
kill_daemon() {
    kill -9 "${1:-$DAEMON}"
    tries=0
    while is_running "${1:-$DAEMON}"; do
        tries=$((tries + 1))
        [ "$tries" -lt 500 ] || fail "process ${1:-$DAEMON} does not die"
        sleep 0.01
    done
}

# state_dir: where this host keeps the state of the volume (unless cache_dir= was given).
state_dir() {
    find "$XDG_CACHE_HOME/assetfs" -mindepth 1 -maxdepth 1 -type d ! -name volumes
}

# The bucket, past assetfs. A backend gives
#   object_list PREFIX      the keys that begin so, sorted
#   object_get KEY          to standard output
#   object_put KEY          from standard input, whatever was there
#   object_remove KEY
#   bucket_away, bucket_back     (dir and double) nobody can reach it meanwhile

# journal: the keys of the journal, the oldest first.
journal() {
    object_list .assetfs/journal/
}

# next_entry: the key of the next number of the journal.
next_entry() {
    printf '.assetfs/journal/%016d\n' $(($(journal | tail -n 1 | sed 's|^.*/0*||') + 1))
}

# truth NAME FILE: the virtual extended attribute user.assetfs.NAME
truth() {
    getfattr -h --only-values -n "user.assetfs.$1" "$2" 2>/dev/null
}

# Trees of files

# manifest DIR: everything about a tree but its atimes and ctimes: kind, mode, owner, size, mtime in ns, target, links, content, attributes.
manifest() (
    cd "$1" || exit 1
    find . \( -type f -printf '%P %y %m %U:%G %T@ %n links %s bytes\0' \) -o \( -type d -printf '%P %y %m %U:%G %T@\0' \) \
        -o \( -type l -printf '%P %y %U:%G %T@ to %l\0' \) -o -printf '%P %y %m %U:%G %T@\0' | sort -z | tr '\0' '\n'
    echo "content:"
    find . -type f -print0 | sort -z | xargs -0r sha256sum
    echo "hard links:"
    find . -type f -links +1 -printf '%i %P\n' | sort -k 2 | awk '{ i = $1; sub(/^[0-9]+ /, ""); if (!(i in n)) n[i] = $0; print $0, "=", n[i] }'
    echo "extended attributes:"
    find . -print0 | sort -z | xargs -0r getfattr -h -d -m '^(user|trusted)\.' -e hex 2>/dev/null
)

# same_tree A B
same_tree() {
    requires getfattr
    manifest "$1" >"$TMP/manifest-a"
    manifest "$2" >"$TMP/manifest-b"
    [ -s "$TMP/manifest-a" ] || fail "$1 cannot be read"
    diff -u "$TMP/manifest-a" "$TMP/manifest-b" >"$TMP/manifest-diff" ||
        fail "$1 and $2 differ: $(head -n 40 "$TMP/manifest-diff")"
}

# bytes N [SEED]: so many bytes, always the same ones for a seed, which do not compress.
bytes() {
    openssl enc -aes-128-ctr -nosalt -pass "pass:${2:-1}" -md sha256 </dev/zero 2>/dev/null | head -c "$1"
}

# make_tree DIR [COPIES]: a tree with one of everything, about 50 files a copy.
make_tree() {
    local i=1 n
    while [ "$i" -le "${2:-1}" ]; do
        mkdir -p "$1/part $i/deep/er/still" "$1/part $i/empty"
        n=1
        while [ "$n" -le 40 ]; do
            echo "file $n of part $i" >"$1/part $i/file-$n.txt"
            n=$((n + 1))
        done
        (
            cd "$1/part $i"
            : >nothing
            bytes 1048576 "$i" >one-block.bin
            bytes 1048577 "$i" >one-block-and-a-byte.bin
            bytes 3000000 "$i" >deep/er/picture.jpg
            truncate -s 2M sparse
            echo x | dd of=sparse bs=1 seek=1500000 conv=notrunc 2>/dev/null
            ln -s ../file-1.txt deep/link
            ln -s /nowhere/at/all dangling
            ln file-2.txt deep/er/linked
            ln file-2.txt linked-again
            printf 'umlaut' >"$(printf 'gr\303\274n')"
            printf 'newline and more' >'  blank, "quote" $x * ?'
            printf 'not UTF-8' >"$(printf 'latin\374')"
            mkfifo pipe
            chmod 0400 file-3.txt
            chmod 0777 file-4.txt
            chmod 06755 file-5.txt
            chmod 01777 empty
            setfattr -n user.comment -v "part $i" file-6.txt 2>/dev/null || true
            setfattr -n user.binary -v 0x00ff0a empty 2>/dev/null || true
            touch -d '1999-12-31 23:59:59.123456789 UTC' file-7.txt
            touch -d '2001-02-03 04:05:06.000000001 UTC' deep/er
            touch -h -d '1971-01-01 00:00:00.5 UTC' dangling
            touch -d '1969-07-20 20:17:40.25 UTC' file-8.txt
            touch -d '2106-02-08 00:00:00.75 UTC' file-9.txt
            if is_root; then
                chown 1234:5678 file-10.txt
                chown -h 1234:5678 dangling
            fi
        )
        i=$((i + 1))
    done
}

# shellcheck source=../lib/backend_dir.sh
. "$SRC/tests/lib/backend_$BACKEND.sh"
backend_begin
