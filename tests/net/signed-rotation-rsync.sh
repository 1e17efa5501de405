#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The CDN's key is replaced while rsync writes into the mount, and the volume is read back with the last one. While tar reads: signed-rotation.sh.
# shellcheck disable=SC2034
BACKENDS='double: its CDN checks signatures'
DOUBLE_PRIVATE='*'
. "${0%/*}/../sh/lib.sh"
. "$SRC/tests/lib/key_sources.sh"
requires openssl rsync
requires_fuse

# cdn_key NUMBER: a new one and its id are there, and the CDN knows it.
cdn_key() {
    mkdir -p "$TMP/secret/..$1"
    openssl ecparam -name prime256v1 -genkey -noout -out "$TMP/secret/..$1/key.pem"
    openssl pkey -in "$TMP/secret/..$1/key.pem" -pubout -out "$TMP/public-$1.pem"
    echo "K$1" >"$TMP/secret/..$1/key-id"
    signer add "K$1=$TMP/public-$1.pem" >/dev/null
    ln -sfn "..$1" "$TMP/secret/..next"
    mv -T "$TMP/secret/..next" "$TMP/secret/..data"
}

cdn_key 0
printf '%s\n' "cdn_key_file = $TMP/secret/..data/key.pem" "cdn_key_id = $TMP/secret/..data/key-id" >>"$XDG_CONFIG_HOME/assetfs/assetfs.conf"
PUBLIC=
new_volume
mount_volume settle=50ms,poll=100ms
rsync_on
for n in 1 2 3; do
    more_puts 5
    cdn_key "$n"
    signer remove "K$((n - 1))" >/dev/null
done
more_puts 5
rsync_off
umount_volume
