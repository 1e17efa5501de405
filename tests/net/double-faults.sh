#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The double itself: each fault does what tests/double/faults.h says, and counts its hits.
BACKENDS='double: it is what is tested'
LIMIT=120
. "${0%/*}/../sh/lib.sh"
requires curl
cd "$TMP"
mkdir -p "$BUCKET/files"
bytes 300000 >body
HASH=$(sha256sum body | cut -d ' ' -f 1)
cp body "$BUCKET/files/a"

# As the backend's, and faster: it is called a hundred times.
control() {
    curl -sS --fail-with-body -X "$1" -d "${3:-}" "$CONTROL$2"
}

# put KEY [OPTION...] and get KEY [OPTION...]: status, S3's code, and curl's exit status unless it is 0
signed() {
    curl -sS --max-time 20 --aws-sigv4 aws:amz:us-east-1:s3 -u WRITERKEY:writersecret -H 'Expect:' -H 'If-None-Match: *' -H "x-amz-content-sha256: $HASH" "$@"
}
put() {
    local key="$1"
    shift
    said signed -T body "$@" "$S3/assets/$key"
}
get() {
    local key="$1"
    shift
    said curl -sS --max-time 20 "$@" "$CDN/$key"
}
said() {
    local status=0
    : >answer
    "$@" -D headers -o answer -w '%{http_code}' 2>curl.err || status=$?
    head -c 2000 answer | tr -d '\0' | sed -n 's|.*<Code>\(.*\)</Code>.*| \1|p' | tr -d '\n'
    [ "$status" -eq 0 ] || printf ' curl:%s' "$status"
}
header() {
    tr -d '\r' <headers | sed -n "s/^$1: //Ip"
}

# with RULE HITS: from here to the next one
RULE=
with() {
    [ -z "$RULE" ] || equals "$(fault_hits "$RULE")" "$HITS" "hits of $NAME"
    faults_off
    NAME=$1 HITS=$2
    RULE=$(fault "$1")
}

with put:fail=503,retry-after=7 1
equals "$(put files/503)" '503 SlowDown'
equals "$(header Retry-After)" 7
[ ! -e "$BUCKET/files/503" ] || fail "put all the same"
with put:fail=400:RequestTimeout 1
equals "$(put files/400)" '400 RequestTimeout'
with s3:fail=409 1
equals "$(put files/409)" '409 ConditionalRequestConflict'
with put:fail=307,to=localhost:1,region=eu-west-1 1
equals "$(put files/307)" '307 TemporaryRedirect'
equals "$(header Location) $(header x-amz-bucket-region)" 'http://localhost:1/assets/files/307 eu-west-1'
with put:refuse 1
equals "$(put files/refused)" '403 AccessDenied'
with put:lose 2
equals "$(put files/lost)" '000 curl:52'
cmp body "$BUCKET/files/lost" || fail "a lost answer, and nothing was put"
equals "$(put files/lost)" '000 curl:52'
with put:lose,count=0,nth=3 0
equals "$(put files/lost)" '412 PreconditionFailed'
with put:garbage 1
equals "$(put files/squatted)" '412 PreconditionFailed'
equals "$(cat "$BUCKET/files/squatted")" 'garbage that nobody asked for'
with put:html=200 1
equals "$(put files/portal)" 200
grep -q '<html>' answer || fail "no page"
[ ! -e "$BUCKET/files/portal" ] || fail "put all the same"
with put:reset 1
case $(put files/reset) in
'000 curl:5'[256]) ;;
*) fail "no reset: $(cat curl.err)" ;;
esac
with put:cut-request=65536 1
case $(put files/cut) in
'000 curl:5'[256]) ;;
*) fail "not cut: $(cat curl.err)" ;;
esac
[ ! -e "$BUCKET/files/cut" ] || fail "half a body was put"

# nth, count, prefix, key, probability
with put:fail=500,nth=2,count=1,prefix=files/n 1
equals "$(put other) $(put files/n1) $(put files/n2) $(put files/n3)" '200 200 500 InternalError 200'
with put:fail=500,key=files/k 1
equals "$(put files/k) $(put files/kk)" '500 InternalError 200'
choices() {
    faults_off
    fault "cdn:fail=500,probability=0.5,seed=$1" >/dev/null
    for _ in $(seq 40); do
        get files/a | cut -c 1
    done | tr -d '\n'
}
with cdn:delay=1 0
first=$(choices 1)
equals "$(choices 1)" "$first" "the choices of a seed"
case $first in
*2*5*2* | *5*2*5*) ;;
*) fail "always the same: $first" ;;
esac
[ "$(choices 2)" != "$first" ] || fail "another seed makes the same choices"
RULE=

# Damaged answers
with get:cut=1000 1
equals "$(get files/a)" '200 curl:18'
equals "$(wc -c <answer)" 1000
with get:truncate=1000 1
equals "$(get files/a) $(wc -c <answer)" '200 1000'
with get:corrupt=5 1
equals "$(get files/a)" 200
equals "$(cmp -l body answer | wc -l) $(cmp -l body answer | awk '{ print $1 }')" '1 6'
with get:whole 1
equals "$(get files/a -r 10-19) $(wc -c <answer)" '200 300000'
with get:wrong-range 1
equals "$(get files/a -r 10-19) $(header Content-Range)" '206 bytes 11-20/300001'
with get:chunked 1
equals "$(get files/a) $(header Content-Length)" '200 '
cmp body answer
with get:close 1
equals "$(get files/a) $(header Connection)" '200 close'
with cdn:spa 1
equals "$(get files/missing) $(header Content-Type)" '200 text/html'
with cdn:html 1
equals "$(get files/a) $(header Server)" '403 CloudFront'
with cdn:fail=503,retry-after=3 1
equals "$(get files/a) $(header Server) $(header Retry-After)" '503 SlowDown AmazonS3 3'
with any:clock=7200 2
equals "$(put files/clock)" '403 RequestTimeTooSkewed'
get files/a >/dev/null
ahead=$(($(date -d "$(header Date)" +%s) - $(date +%s)))
[ "$ahead" -gt 7100 ] && [ "$ahead" -lt 7300 ] || fail "Date is ahead by $ahead"

# Rot stays in the cache until it is emptied.
control POST /purge
with origin:rot=7,count=1 1
equals "$(get files/a) $(cmp -l body answer | wc -l)" '200 1'
equals "$(get files/a) $(cmp -l body answer | wc -l) $(header X-Cache | cut -d ' ' -f 1)" '200 1 Hit'
control POST /purge
equals "$(get files/a) $(cmp -l body answer | wc -l)" '200 0'

# Waiting: what hangs ends when the rules are cleared; delays are waited for, and are no less than they say.
with cdn:delay=300 1
before=$(date +%s%N)
equals "$(get files/a)" 200
[ $(($(date +%s%N) - before)) -ge 300000000 ] || fail "no delay"
with cdn:throttle=1000000 1
before=$(date +%s%N)
equals "$(get files/a)" 200
[ $(($(date +%s%N) - before)) -ge 250000000 ] || fail "no throttle"
with cdn:hang 1
get files/a >hung &
hung=$!
hits_of_hang() {
    [ "$(fault_hits "$RULE")" -eq 1 ]
}
wait_for hits_of_hang
RULE=
faults_off
wait "$hung"
equals "$(cat hung)" '000 curl:52'

# Multipart: what is completed says so with an error inside.
with complete:error200 1
equals "$(said signed -X POST -d x "$S3/assets/files/m?uploadId=1")" '200 InternalError'
with complete:delay=0 0 # what was counted so far is looked at

# Offline and back, at the same ports.
control POST /offline cdn
equals "$(get files/a)" '000 curl:7'
equals "$(put files/on)" 200
control POST /offline
equals "$(put files/off)" '000 curl:7'
control POST /online
equals "$(get files/a) $(put files/off)" '200 200'

# Mistakes are told.
faults_off
for wrong in 'put:what' 'nobody:refuse' 'put:fail' 'put:fail=99' 'put:delay' 'put:refuse=1' 'put:refuse,nth=0' 'put:refuse,probability=2' refuse; do
    expect 22 control POST /faults "$wrong"
done
equals "$(control GET /faults)" '{}'
