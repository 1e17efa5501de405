#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Answers of the CDN that are cut, too short, of other bytes, of another range, or none at all: the first time they are asked for again, and the file reads right; while
# it stays so, reading fails, and shows nothing that is not the file's.
BACKENDS='double: it damages answers'
. "${0%/*}/../sh/lib.sh"
requires openssl
FAULTS='delay=100 cut=100000 truncate=100000 corrupt=70000 corrupt=2200000 wrong-range whole chunked close reset lose fail=500 fail=502 fail=504 fail=503,retry-after=1 html html=200 throttle=2000000 late=100'
new_volume
mount_volume
mkdir "$TMP/source"
for kind in $FAULTS; do
    bytes 2300000 "$kind" >"$TMP/source/$kind"
done
cp "$TMP"/source/* "$MNT/"

# rules [OPTION]: each file has a fault of its own.
rules() {
    for kind in $FAULTS; do
        echo "get:$kind${1:-},prefix=files/$(sha256sum <"$TMP/source/$kind" | cut -c 1-64)"
    done
}

# Once.
remount_from_bucket read_ahead=0
fault "$(rules ,count=1)" >/dev/null
for kind in $FAULTS; do
    cmp "$TMP/source/$kind" "$MNT/$kind" || fail "$kind: not what was written"
done
! control GET /faults | grep -o '{"rule[^}]*"hits":0}' || fail "no hit"

# For as long as it lasts. What only takes its time, or is another way of saying the same, is right then, too.
faults_off
remount_from_bucket read_ahead=0,timeout=1s
fault "$(rules)" >/dev/null
for kind in $FAULTS; do
    status=0
    timeout 30 cat "$MNT/$kind" >"$TMP/out" 2>"$TMP/err" || status=$?
    cmp -n "$(wc -c <"$TMP/out")" "$TMP/out" "$TMP/source/$kind" || fail "$kind: wrong bytes were shown"
    case $kind:$status in
    whole:0 | chunked:[01] | close:0 | throttle=*:[01] | delay=*:[01] | late=*:[01]) ;; # in a second or not
    *:1) grep -q 'Input/output error' "$TMP/err" || fail "$kind: not EIO: $(cat "$TMP/err")" ;;
    *) fail "$kind: exit status $status" ;;
    esac
done
faults_off
for kind in $FAULTS; do
    cmp "$TMP/source/$kind" "$MNT/$kind" || fail "$kind: it is over, and the file cannot be read"
done
umount_volume
