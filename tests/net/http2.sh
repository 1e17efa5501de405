#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Reads by HTTP/2, through a CDN that retires each connection after a few requests, so that some are always under way when it does: rsync and tar read a tree whole, no call fails, and the CDN was
# really asked by HTTP/2, by many requests to a connection.
BACKENDS='real: it needs a CDN with HTTP/2'
. "${0%/*}/../sh/lib.sh"
requires rsync openssl tar
CDN_KEEPALIVE=20 "$SRC/tests/real/cdn" start "$TMP/cdn" "$REAL_DIR/s3" || fail "no CDN"
cleanup_fn "'$SRC/tests/real/cdn' stop '$TMP/cdn'"
# shellcheck disable=SC1091
. "$TMP/cdn/cdn.env"
read_through "$CDN_URL"
mkdir -p "$TMP/tree/dir"
for n in $(seq 300); do
    bytes $((n * 150)) "$n" >"$TMP/tree/dir/$n"
done
bytes 20000000 large >"$TMP/tree/large"
new_volume
mount_volume
rsync -a "$TMP/tree/" "$MNT/tree/"
sync_volume

# gets PROTOCOL: how many
gets() {
    grep -c "^[^ ]* GET .* $1 connection=" "$TMP/cdn/access.log" || true
}
read_all() {
    tar -cf - -C "$MNT/tree" . | tar -xf - -C "$TMP/out" || fail "tar"
    diff -r "$TMP/tree" "$TMP/out" || fail "tar read something else"
    rm -rf "$TMP/out" && mkdir "$TMP/out"
}
mkdir "$TMP/out"
before=$(gets HTTP/2.0)
equals "$before" 0 "by HTTP/2 without the option"
remount_from_bucket http2
read_all
remount_from_bucket http2
rsync -a "$MNT/tree/" "$TMP/out/" || fail "rsync: exit status $?"
diff -r "$TMP/tree" "$TMP/out" || fail "rsync read something else"
echo more >"$MNT/tree/more"
sync_volume
umount_volume

enough() {
    [ "$(gets HTTP/2.0)" -gt 600 ]
}
wait_for enough # the log comes a second later
most=$(sed -n 's/.* HTTP\/2\.0 connection=//p' "$TMP/cdn/access.log" | sort | uniq -c | sort -rn | awk 'NR == 1 { print $1 }')
[ "$most" -gt 2 ] || fail "$most requests to a connection at most"
retired=$(sed -n 's/.* HTTP\/2\.0 connection=//p' "$TMP/cdn/access.log" | sort -u | wc -l)
[ "$retired" -gt 20 ] || fail "only $retired connections"
echo "$(gets HTTP/2.0) requests by HTTP/2 on $retired connections, $(gets HTTP/1.1) by HTTP/1.1"
