# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2034 # what it sets is for lib.sh
#
# The tests' volume on a double of S3 and a CDN (tests/double) that is the test's own (tests/sh/lib.sh says what a backend gives). Its objects are the files of
# $BUCKET, its log is $TMP/double.log. What it can be told while it runs, tests/double/control.h has it all:
#   fault RULE...           something goes wrong from now on (tests/double/faults.h); prints the number of each rule
#   fault_hits NUMBER       how often that rule has hit
#   faults_off              nothing goes wrong any more
#   key revoke|restore KEY
#   signer add ID=PUBLIC.pem | signer remove ID     whose signatures count; which keys need one, a test says before: DOUBLE_PRIVATE='PATTERN...'
#   authoriser ['Name: value']                      the header that the CDN wants to see on each read
#   set_double NAME=VALUE...
#   counted GROUP [NAME]    of its counters (tests/double/tally.h): a number, or the group as JSON

# shellcheck source=bucket_files.sh
. "$SRC/tests/lib/bucket_files.sh"

backend_begin() {
    local program="${BUILD:-${ASSETFS%/*}}/tests/double/assetfs-double"
    [ -x "$program" ] || skip "no assetfs-double here: it needs libmicrohttpd-dev, and make check builds it"
    requires python3
    BUCKET=$TMP/bucket
    WAIT_TRIES=900 # longer than the CDN keeps errors
    set -f # patterns, of keys
    # shellcheck disable=SC2046,SC2086 # one word each
    set -- $(printf -- '--private %s ' ${DOUBLE_PRIVATE:-})
    set +f
    [ -n "${DOUBLE_PRIVATE:-}" ] || set --
    # No child of this shell: a test that waits for its own must not wait for this one.
    ("$program" --objects "$BUCKET" --ready "$TMP/double.env" --log "$TMP/double.log" "$@" >"$TMP/double.out" 2>&1 </dev/null & echo $! >"$TMP/double.pid")
    cleanup_fn "kill $(cat "$TMP/double.pid")"
    wait_for test -e "$TMP/double.env"
    # shellcheck disable=SC1091 # written by the double
    . "$TMP/double.env"
    network_volume s3://assets "endpoint = $S3" "path_style = yes" "cdn = $CDN"
    LINK=$CDN
}

# control METHOD PATH [TEXT]: what the double answers; what it refuses ends the test.
control() {
    python3 - "$CONTROL$2" "$1" "${3:-}" <<'PY' || fail "the double refuses $*"
import sys, urllib.request, urllib.error
url, method, text = sys.argv[1:]
try:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            urllib.request.Request(url, data=text.encode() if text else None, method=method), timeout=20) as answer:
        sys.stdout.write(answer.read().decode())
except urllib.error.HTTPError as error:
    sys.exit(error.read().decode())
PY
}

fault() {
    local rule
    for rule; do
        control POST /faults "$rule"
    done
}

fault_hits() {
    control GET "/hits/$1"
}

faults_off() {
    control DELETE /faults
}

key() {
    control POST /credentials "$1 $2"
}

signer() {
    control POST /signers "$*"
}

authoriser() {
    control POST /authoriser "$*"
}

set_double() {
    control POST /settings "$(printf '%s\n' "$@")"
}

counted() {
    control GET /counters | python3 -c '
import json, sys
group = json.load(sys.stdin).get(sys.argv[1], {})
print(group.get(sys.argv[2], 0) if len(sys.argv) > 2 else json.dumps(group))' "$@"
}

bucket_away() {
    control POST /offline
}

bucket_back() {
    control POST /online
}

# The journal is cached like everything else, and what was not there is so for a while.
use_careless_cdn() {
    set_double cache-all=1 error-ttl=10
}
