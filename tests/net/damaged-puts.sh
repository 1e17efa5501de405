#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Puts that are cut on their way, answered with an error that passes, sent elsewhere, or answered by something that is not S3: of contents and of journal entries.
# All of it gets there, once.
BACKENDS='double: it damages requests'
LIMIT=300 # a busy machine
. "${0%/*}/../sh/lib.sh"
requires openssl
FAULTS="delay=100 cut-request=0 cut-request=50000 reset lose fail=409 fail=500 fail=503,retry-after=1 fail=400:RequestTimeout fail=400:BadDigest fail=307,to=${S3#http://} html=200 html=511 late=100 throttle=2000000 close"
new_volume
mount_volume settle=50ms
mkdir "$MNT/first" # a host's first change takes an entry by itself
sync_volume
# Every second put of a file, and every second one of an entry, meets the next fault.
n=0 rules=
for kind in $FAULTS; do
    n=$((n + 1))
    rules="$rules;put:$kind,nth=$((2 * n)),count=1,prefix=files/;put:$kind,nth=$((2 * n)),count=1,prefix=.assetfs/journal/"
done
fault "${rules#;}" >/dev/null
all_hit() {
    ! control GET /faults | grep -q '"hits":0'
}
files=0
until [ "$files" -ge $n ] && all_hit; do
    files=$((files + 1))
    [ "$files" -lt $((6 * n)) ] || fail "not all faults were met: $(control GET /faults)"
    bytes 100000 "$files" >"$TMP/source"
    cp "$TMP/source" "$MNT/file-$files"
    sync_volume
    sha256sum <"$TMP/source" | sed "s|-|$MNT/file-$files|" >>"$TMP/sums"
done
faults_off
equals "$(status_value entries_void)" 0 "void entries"
equals "$(object_list files/ | wc -l)" "$files" "objects of $files files"

# One that hangs: when its connection goes, it is put again.
for prefix in files/ .assetfs/journal/; do
    rule=$(fault "put:hang,count=1,prefix=$prefix")
    echo "$prefix" >"$MNT/hangs-${prefix%%/*}"
    hangs() {
        [ "$(fault_hits "$rule")" -eq 1 ]
    }
    wait_for hangs
    faults_off
    sync_volume
done
remount_from_bucket
sha256sum --quiet -c "$TMP/sums" || fail "a file is not what was written"
equals "$(cat "$MNT/hangs-files" "$MNT/hangs-.assetfs" | tr '\n' ' ')" "files/ .assetfs/journal/ "
equals "$(counted violation)" '{}' "what the double objects to"
umount_volume
