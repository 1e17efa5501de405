# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2034 # what it sets is for lib.sh
#
# The tests' volume on the pair of servers that tests/real/run has started, below a prefix of its own (tests/sh/lib.sh says what a backend gives). Through TLS, with
# the keys of somebody who may put and nothing else; the objects are looked at with the owner's.

backend_begin() {
    [ -n "${REAL_DIR:-}" ] || skip "no S3 server here: use make check-real, or tests/real/run"
    requires curl
    WAIT_TRIES=1200
    # shellcheck disable=SC1091 # made by tests/real/s3 and tests/real/cdn
    . "$REAL_DIR/s3/s3.env"
    # shellcheck disable=SC1091
    . "$REAL_DIR/cdn/cdn.env"
    PREFIX=$(basename "$TMP")
    read_through "$CDN_URL"
}

read_through() {
    network_volume "s3://$S3_BUCKET/$PREFIX" "endpoint = $S3_URL" "path_style = yes" "cdn = $1" "ca_file = $CA_FILE"
    LINK=$1/$PREFIX
}

# A CDN of the test's own: the journal is cached like everything else, and what was not there is so for a while.
use_careless_cdn() {
    CDN_JOURNAL=cached CDN_ERROR_TTL=10 "$SRC/tests/real/cdn" start "$TMP/cdn" "$REAL_DIR/s3" || fail "no CDN"
    cleanup_fn "'$SRC/tests/real/cdn' stop '$TMP/cdn'"
    # shellcheck disable=SC1091
    . "$TMP/cdn/cdn.env"
    read_through "$CDN_URL"
}

as_owner() {
    local method="$1" key="$2"
    shift 2
    curl -fsS --cacert "$CA_FILE" --aws-sigv4 aws:amz:us-east-1:s3 --user OWNERKEY:ownersecret -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' -X "$method" \
        "$@" "$S3_URL/$S3_BUCKET/$key"
}

# Of a thousand at most, which is more than any test of this makes.
object_list() {
    as_owner GET "?list-type=2&prefix=$PREFIX%2F$(printf '%s' "$1" | sed 's|/|%2F|g')" | sed 's/<Key>/\n&/g; $s/$/\n/' | sed -n "s|^<Key>$PREFIX/\([^<]*\)</Key>.*|\1|p"
}

object_get() {
    as_owner GET "$PREFIX/$1"
}

object_put() {
    cat >"$TMP/object"
    as_owner PUT "$PREFIX/$1" -T "$TMP/object"
}

object_remove() {
    as_owner DELETE "$PREFIX/$1"
}
