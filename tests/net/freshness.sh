#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What one host changes, programs on another see, without being told and without a remount: by stat, by open, by looking again and again, through a directory that is open; with a CDN that
# remembers for ten seconds that something was not there, and with one that does not. It prints how long each took; it must be within the poll interval and what the CDN remembers, which is judged with much
# patience only: the figures are for people.
BACKENDS='double real: it needs a CDN'
. "${0%/*}/../sh/lib.sh"
requires python3
A=$TMP/mnt-a B=$TMP/mnt-b

cat >"$TMP/watch.py" <<'PY'
# watch.py FILE: does what its standard input says, once it is so, and says when (CLOCK_MONOTONIC). Until then it looks again and again, each time through the kernel.
#   stat PATH SIZE | open PATH TEXT | absent PATH | listed DIRECTORY NAME (through one descriptor) | unlisted DIRECTORY NAME
import os, sys, time
held = {}

def directory(path):
    if path not in held:
        held[path] = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    os.lseek(held[path], 0, os.SEEK_SET)
    return os.listdir(held[path])

def is_so(kind, path, what):
    try:
        if kind == "stat":
            return os.stat(path).st_size == int(what)
        if kind == "open":
            return open(path).read().strip() == what
        if kind == "listed":
            return what in directory(path)
        if kind == "unlisted":
            return what not in directory(path)
        os.stat(path)
        return False
    except FileNotFoundError:
        return kind == "absent"

for line in sys.stdin:
    kind, path, what = line.rstrip("\n").split(" ", 2)
    looks = 0
    until = time.monotonic() + 90
    while not is_so(kind, path, what):
        looks += 1
        if time.monotonic() > until:
            sys.exit("not seen in 90 s: " + line)
        time.sleep(0.02)
    print("%.3f %d" % (time.monotonic(), looks), flush=True)
PY

# seen KIND PATH WHAT COMMAND...: the program on one host begins to look, then the command on the other, until it is durable; then how long until it is seen.
seen() {
    kind=$1 path=$2 what=$3
    shift 3
    echo "$kind $path $what" >&8
    "$@"
    began=$(python3 -c 'import time; print("%.3f" % time.monotonic())')
    read -r ended looks <&9 || fail "$kind $path: the program on the other host did not see it: $(cat "$TMP/watch.err")"
    printf '%-8s %-8s %6.2f s after it was durable, %s looks in vain\n' "$1" "$kind" "$(python3 -c "print(max(0.0, $ended - $began))")" "$looks"
}

write() {
    echo "$1" >"$2"
    sync_volume "$A"
}
remove() {
    rm "$1"
    sync_volume "$A"
}
move() {
    mv "$1" "$2"
    sync_volume "$A"
}

more_of() {
    seen listed "$B/$1" new write x "$A/$1/new"
    stat "$B/$1/file" >/dev/null
    seen absent "$B/$1/file" - remove "$A/$1/file"
    seen listed "$B/$1" moved move "$A/$1/new" "$A/$1/moved"
    seen unlisted "$B/$1" moved remove "$A/$1/moved"
}

# all_of SECONDS: with a CDN that remembers for so long what was not in the journal
all_of() {
    echo "the CDN remembers errors for $1 s, the poll interval is 1 s"
    mount_volume "cache_dir=$TMP/a,host_label=anna,poll=1s,settle=100ms" "$A"
    mount_volume "cache_dir=$TMP/b,host_label=bert,poll=1s,settle=100ms" "$B"
    mkdir "$A/$1"
    sync_volume "$A"
    mkfifo "$TMP/to-$1" "$TMP/from-$1"
    python3 "$TMP/watch.py" <"$TMP/to-$1" >"$TMP/from-$1" 2>"$TMP/watch.err" &
    exec 8>"$TMP/to-$1" 9<"$TMP/from-$1"
    wait_for test -d "$B/$1"
    seen stat "$B/$1/file" 4 write one "$A/$1/file"
    seen open "$B/$1/file" two write two "$A/$1/file"
    [ "$1" -gt 0 ] || more_of "$1" # each may take as long as the CDN remembers
    exec 8>&- 9<&-
    wait $! || fail "the program on the other host: $(cat "$TMP/watch.err")"
    umount_volume "$A"
    umount_volume "$B"
}
new_volume
[ "$BACKEND" = real ] || set_double cache-all=0 error-ttl=0
all_of 0
use_careless_cdn
all_of 10
