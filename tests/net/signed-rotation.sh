#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The CDN's key is replaced while programs read, as Kubernetes replaces a secret (a symbolic link is swapped): the new key is added to the key group, the files change, the old key goes. No
# program sees an error. So it is with a header for an authoriser. A key that is taken away is trouble with a sentence, never absence.
BACKENDS='double: its CDN checks signatures'
# shellcheck disable=SC2034 # tests/lib/backend_double.sh reads it
DOUBLE_PRIVATE='*'
. "${0%/*}/../sh/lib.sh"
requires openssl tar
# secret NUMBER: a directory with a new key, its id and a header, which $TMP/secret/..data leads to from then on; tells the CDN of the key.
secret() {
    mkdir -p "$TMP/secret/..$1"
    openssl ecparam -name prime256v1 -genkey -noout -out "$TMP/secret/..$1/key.pem"
    openssl pkey -in "$TMP/secret/..$1/key.pem" -pubout -out "$TMP/public-$1.pem"
    echo "K$1" >"$TMP/secret/..$1/key-id"
    (umask 077 && echo "X-Token: token $1" >"$TMP/secret/..$1/headers")
    signer add "K$1=$TMP/public-$1.pem" >/dev/null
    ln -sfn "..$1" "$TMP/secret/..next"
    mv -T "$TMP/secret/..next" "$TMP/secret/..data"
}
secret 1
for file in key.pem key-id headers; do
    ln -s "..data/$file" "$TMP/secret/$file"
done
ACCESS=cdn_key_file=$TMP/secret/key.pem,cdn_key_id=$TMP/secret/key-id,cdn_header=$TMP/secret/headers
authoriser 'X-Token: token 1' >/dev/null
new_volume "$ACCESS"
mount_volume "$ACCESS"
mkdir "$TMP/tree"
for n in $(seq 60); do
    echo "file $n" >"$TMP/tree/$n"
done
cp -r "$TMP/tree" "$MNT/tree"
bytes 4000000 7 | tee "$TMP/large" >"$MNT/large"
# Slowly, so that keys go while files come.
remount_from_bucket "$ACCESS,download_limit=4M,read_ahead=0,connections=2,poll=100ms"

is_read() {
    [ "$(stat -c %s "$TMP/read.tar")" -ge "$1" ]
}
(cd "$MNT" && tar -cf "$TMP/read.tar" tree large) 2>"$TMP/tar.err" &
tar=$!
for n in 2 3; do
    wait_for is_read $(((n - 1) * 1048576))
    authoriser "X-Token: token $((n - 1))|token $n" >/dev/null
    secret "$n"
    authoriser "X-Token: token $n" >/dev/null
    signer remove "K$((n - 1))" >/dev/null
done
wait "$tar" || fail "tar: $(cat "$TMP/tar.err")"
[ ! -s "$TMP/tar.err" ] || fail "tar says: $(cat "$TMP/tar.err")"
mkdir "$TMP/read"
tar -xf "$TMP/read.tar" -C "$TMP/read"
cmp "$TMP/large" "$TMP/read/large"
diff -r "$TMP/tree" "$TMP/read/tree"

! grep 'does not answer' "$(state_dir)/log" || fail "not every read was let in"

# Half a key: the one before counts, and the log says so.
echo '-----BEGIN PRIVATE KEY-----' >"$TMP/secret/..3/key.pem.new"
mv "$TMP/secret/..3/key.pem.new" "$TMP/secret/..3/key.pem"
echo after >"$MNT/after"
sync_volume
wait_for grep -q 'cdn_key_file=.*damaged or cut off; what was read before stays in use' "$(state_dir)/log"
umount_volume

# A key that the CDN does not know any more.
authoriser >/dev/null
secret 5
rm -rf "$(state_dir)"/blocks*
mount_volume "$ACCESS,timeout=500ms,poll=100ms"
is_online() { [ "$(status_value offline)" = false ]; }
wait_for is_online
signer remove K5 >/dev/null
expect 1 cat "$MNT/large"
grep -q 'Input/output error' "$TMP/err" || fail "not EIO: $(cat "$TMP/err")"
wait_for grep -q 'InvalidKey by the CDN .*does not know the key id of the signature; look at cdn_key_id=' "$(state_dir)/log"
equals "$(ls "$MNT" | tr '\n' ' ')" "after large tree "
signer add "K5=$TMP/public-5.pem" >/dev/null
wait_for cmp "$TMP/large" "$MNT/large"
# No secret is in the log, nor anywhere else in the local state.
! grep -rlE 'token [0-9]|Signature=' "$XDG_CACHE_HOME" || fail "a secret is in the local state"
umount_volume
