#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Nothing is public that was not said to be: a volume that is read through a CDN, with nothing to present there, is made with --public or not at all.
# shellcheck disable=SC2034
BACKENDS='double: there is no CDN before a directory'
. "${0%/*}/../sh/lib.sh"
requires openssl
(umask 077 && openssl ecparam -name prime256v1 -genkey -noout -out "$TMP/key.pem" && echo 'X-Token: t' >"$TMP/headers")

expect 1 "$ASSETFS" init "$VOLUME"
says 'whoever has a link could read them, and that was not said: say so with --public, or give cdn_key_file= and cdn_key_id='
equals "$(object_list '')" '' 'what was put all the same'
[ ! -e "$XDG_CONFIG_HOME/assetfs/keys" ] || fail "a key was made all the same"
equals "$(counted operation PutObject)" 0 puts

# made PREFIX ACCESS OPTION...: it is made, and its default is that.
made() {
    local prefix="$1" access="$2"
    shift 2
    "$ASSETFS" init "$@" "$VOLUME" >"$TMP/out" 2>"$TMP/err" || fail "init $*: $(cat "$TMP/err")"
    [ ! -s "$TMP/err" ] || fail "init $* says: $(cat "$TMP/err")"
    mkdir -p "$MNT"
    "$ASSETFS" mount -o "prefix=$prefix,cache_dir=$TMP/$prefix" "$VOLUME" "$MNT"
    "$ASSETFS" area list "$MNT" | grep -qx "/ access=$access" || fail "$prefix: $("$ASSETFS" area list "$MNT")"
    umount_volume
}
made one open --public -o prefix=one
made two signed -o "prefix=two,cdn_key_file=$TMP/key.pem,cdn_key_id=K1"
made three signed -o "prefix=three,cdn_header=$TMP/headers"
made four open --public -o "prefix=four,cdn_key_file=$TMP/key.pem,cdn_key_id=K1"

# Without a CDN nobody reads but who has keys of AWS.
sed -i '/^cdn = /d' "$XDG_CONFIG_HOME/assetfs/assetfs.conf"
control POST /credentials 'allow WRITERKEY get'
made five signed -o prefix=five
