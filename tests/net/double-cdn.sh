#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The double itself: the CDN's side. What it caches, what it passes through, and what it says by itself.
BACKENDS='double: it is what is tested'
. "${0%/*}/../sh/lib.sh"
requires curl
cd "$TMP"
mkdir -p "$BUCKET/files" "$BUCKET/.assetfs/journal"
printf '0123456789' >"$BUCKET/files/a"
printf 'entry' >"$BUCKET/.assetfs/journal/0000000000000001"

# get PATH [OPTION...]: status and X-Cache; body and headers are in files
get() {
    local path="$1"
    shift
    curl -sS -D headers -o body -w '%{http_code} ' "$@" "$CDN/$path"
    header X-Cache | cut -d ' ' -f 1
}
header() {
    tr -d '\r' <headers | sed -n "s/^$1: //Ip"
}
has_age() {
    header Age | grep -q '^[0-9][0-9]*$' || fail "no age: $(cat headers)"
}
set_double error-ttl=600

equals "$(get files/a)" '200 Miss'
equals "$(header Age)" ''
equals "$(get files/a)" '200 Hit'
has_age
equals "$(get 'files/a?x=1' -H 'Cache-Control: no-cache')" '200 Hit' 'the query and Cache-Control count for nothing'
equals "$(cat body)" 0123456789

# Ranges, each piece by itself.
echo abcdefghij >"$BUCKET/files/b"
equals "$(get files/b -r 2-4)" '206 Miss'
equals "$(cat body) $(header Content-Range)" 'cde bytes 2-4/11'
equals "$(get files/b -r 3-4)" '206 Hit'
equals "$(get files/b -r 3-5)" '206 Miss'
equals "$(get files/b -r 2-5)" '206 Hit'
equals "$(cat body)" cdef
equals "$(get files/b -r -2)" '200 Miss' 'a suffix is answered with everything'
equals "$(get files/b -r 11-)" '416 Error'
equals "$(get files/b -r 0-1,4-5)" '200 Hit' 'so are several ranges'

# What was removed from the bucket is still served; what is missing is kept missing.
rm "$BUCKET/files/a"
equals "$(get files/a)" '200 Hit'
equals "$(get files/c)" '403 Error'
equals "$(header Server) $(header Age)" 'AmazonS3 ' 'S3 says so'
grep -q '<Code>AccessDenied</Code>' body || fail "not S3's words: $(cat body)"
echo late >"$BUCKET/files/c"
equals "$(get files/c)" '403 Error'
has_age
control POST /purge
equals "$(get files/c)" '200 Miss'
equals "$(get files/a)" '403 Error'
set_double error-ttl=0
equals "$(get files/d)" '403 Error'
echo late >"$BUCKET/files/d"
equals "$(get files/d)" '200 Miss'

# The journal is not cached, unless it is told to.
entry=.assetfs/journal/0000000000000001
equals "$(get $entry) $(get $entry)" '200 Miss 200 Miss'
fault any:backwards=1 >/dev/null
equals "$(get $entry)" '403 Error'
faults_off
set_double cache-all=1
equals "$(get $entry) $(get $entry)" '200 Miss 200 Hit'

# What the CDN says itself.
equals "$(get files/x -X PUT -d x)" '403 Error'
equals "$(header Server) $(header Content-Type)" 'CloudFront text/html'
equals "$(get files/x -I)" '403 Error'
[ ! -s body ] || [ "$(head -c 4 body)" = HTTP ] || fail "HEAD has a body"

# The origin refuses: what is cached goes on.
fault origin:refuse >/dev/null
equals "$(get files/c) $(get files/e)" '200 Hit 403 Error'
equals "$(counted violation)" '{}'
