#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# proxy=: each request of a volume's life goes through the proxy, and none past it. One that is not there is named.
BACKENDS='double: it counts requests'
. "${0%/*}/../sh/lib.sh"
python3 "$SRC/tests/tools/proxy.py" "$TMP/port" "$TMP/proxy.log" >"$TMP/proxy.out" 2>&1 &
proxy=$!
cleanup_fn "kill $proxy 2>/dev/null"
wait_for test -e "$TMP/port"
PROXY=proxy=http://127.0.0.1:$(cat "$TMP/port")

new_volume "$PROXY"
mount_volume "$PROXY"
bytes 34000000 >"$MNT/large"
echo small >"$MNT/small"
remount_from_bucket "$PROXY"
bytes 34000000 | cmp - "$MNT/large"
equals "$(cat "$MNT/small")" small
umount_volume
for method in 'GET' 'PUT' 'POST'; do
    grep -q "^$method http://127.0.0.1:[0-9]*/.* 20" "$TMP/proxy.log" || fail "no $method went through the proxy"
done
equals "$(wc -l <"$TMP/proxy.log")" $(($(counted server s3) + $(counted server cdn))) 'requests through the proxy, and requests there were'

# Nobody is there: said, and nothing goes past it.
kill "$proxy"
wait "$proxy" 2>/dev/null || :
lose_local_state
before=$(($(counted server s3) + $(counted server cdn)))
expect 1 timeout 60 "$ASSETFS" mount -o "$PROXY,timeout=2s" "$VOLUME" "$MNT"
says "$(cat "$TMP/port")"
equals "$(($(counted server s3) + $(counted server cdn)))" "$before" 'requests past the proxy'
