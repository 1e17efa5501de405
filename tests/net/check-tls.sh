#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# assetfs check over TLS: it tells the version, refuses old ones and certificates nobody trusts, and says why.
BACKENDS='double: the test starts doubles of its own'
. "${0%/*}/../sh/lib.sh"
requires openssl

# tls_double NAME PRIORITIES: its environment is in $TMP/NAME.env, a volume of that name in the configuration.
tls_double() {
    "${BUILD:-${ASSETFS%/*}}/tests/double/assetfs-double" --objects "$TMP/$1" --ready "$TMP/$1.env" --cert "$TMP/cert.pem" --key "$TMP/key.pem" \
        --tls-priorities "$2" --set error-ttl=0 --credential 'writer TLSKEY tlssecret' >"$TMP/$1.out" 2>&1 </dev/null &
    cleanup_fn "kill $!"
    wait_for test -e "$TMP/$1.env"
    # shellcheck disable=SC1090 # written by the double
    . "$TMP/$1.env"
    printf '%s\n' "[volume $1]" "url = s3://assets" "endpoint = $S3" "path_style = yes" "cdn = $CDN" "ca_file = $TMP/cert.pem" \
        >>"$XDG_CONFIG_HOME/assetfs/assetfs.conf"
}

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=double -addext subjectAltName=IP:127.0.0.1 \
    -keyout "$TMP/key.pem" -out "$TMP/cert.pem" 2>"$TMP/err" || fail "no certificate: $(cat "$TMP/err")"
tls_double new 'NORMAL'
tls_double middle 'NORMAL:-VERS-ALL:+VERS-TLS1.2'
tls_double old 'NORMAL:-VERS-ALL:+VERS-TLS1.1:%COMPAT'
"$ASSETFS" init --public new >"$TMP/init.out"
"$ASSETFS" init --public middle >"$TMP/init.out"

for check in tls cdn-tls; do
    expect 3 "$ASSETFS" check new # its writer may put anywhere
    grep -q "^ok *$check *TLSv1.3 with " "$TMP/out" || fail "$(cat "$TMP/out")"
    expect 3 "$ASSETFS" check middle
    grep -q "^ok *$check *TLSv1.2 with " "$TMP/out" || fail "$(cat "$TMP/out")"
done
expect 1 "$ASSETFS" check old
grep -q '^broken *endpoint .*TLS 1.2 or later' "$TMP/out" || fail "$(cat "$TMP/out")"

# A certificate of nobody we know, and one with another name.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=other -keyout "$TMP/other-key.pem" -out "$TMP/other.pem" 2>"$TMP/err"
expect 1 "$ASSETFS" check -o "ca_file=$TMP/other.pem" new
grep -q '^broken *endpoint .*certificate.*ca_file=' "$TMP/out" || fail "$(cat "$TMP/out")"
# shellcheck disable=SC1091 # written by the double
. "$TMP/new.env"
expect 1 "$ASSETFS" check -o "endpoint=https://localhost:${S3##*:}" new
grep -q '^broken *endpoint .*certificate' "$TMP/out" || fail "$(cat "$TMP/out")"
# TLS with who speaks none.
expect 1 "$ASSETFS" check -o "endpoint=https://${CONTROL#http://}" new
grep -q '^broken *endpoint ' "$TMP/out" || fail "$(cat "$TMP/out")"
