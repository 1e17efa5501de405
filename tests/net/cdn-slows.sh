#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The CDN refuses by itself, with a page and `Server: CloudFront`, as a firewall or a limit to the rate of requests does: it is asked less, and a program that reads waits. The log says what
# it means, nothing is taken for absent, and when the CDN lets requests through again the tar that was running ends without an error.
# shellcheck disable=SC2034
BACKENDS='double: its CDN refuses'
. "${0%/*}/../sh/lib.sh"
requires openssl tar
mkdir "$TMP/tree"
for n in $(seq 300); do
    echo "file $n" >"$TMP/tree/$n"
done
bytes 30000000 7 >"$TMP/tree/large"
new_volume
mount_volume
cp -r "$TMP/tree" "$MNT/"
remount_from_bucket poll=100ms

rule=$(fault cdn:html)
is_refused() {
    [ "$(fault_hits "$rule")" -ge "$1" ]
}
(cd "$MNT" && tar -cf "$TMP/read.tar" tree) 2>"$TMP/tar.err" &
tar=$!
# And many who read at the same time.
seq 240 300 | (cd "$MNT/tree" && xargs -P 60 -n 1 cat) >"$TMP/cat.out" 2>"$TMP/cat.err" &
cats=$!
wait_for is_refused 1
wait_for grep -q 'the CDN itself refuses, not the bucket: .*the firewall (WAF), a country rule or the request rate; look at' "$(state_dir)/log"
# What was under way when the first one was refused, and then one after another, at longer and longer intervals. Each reader that asked for itself would make this some hundreds.
sleep 3
[ "$(fault_hits "$rule")" -le 90 ] || fail "$(fault_hits "$rule") requests were refused"
fault_hits "$rule" # for the test's log
equals "$(find "$MNT/tree" -type f | wc -l)" 301 'files in the tree meanwhile'
"$ASSETFS" status "$MNT" | grep -q 'OFFLINE .*the CDN itself refuses' || fail "status: $("$ASSETFS" status "$MNT")"
faults_off
wait "$tar" || fail "tar: $(cat "$TMP/tar.err")"
[ ! -s "$TMP/tar.err" ] || fail "tar says: $(cat "$TMP/tar.err")"
wait "$cats" || fail "cat: $(cat "$TMP/cat.err")"
mkdir "$TMP/read"
tar -xf "$TMP/read.tar" -C "$TMP/read"
diff -r "$TMP/tree" "$TMP/read/tree"
answers_again() {
    [ "$(status_value offline)" = false ]
}
wait_for answers_again
umount_volume
