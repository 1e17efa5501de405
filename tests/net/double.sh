#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The double itself, asked by curl, which signs by itself: S3's side. When this fails, do not look for the fault in assetfs.
BACKENDS='double: it is what is tested'
. "${0%/*}/../sh/lib.sh"
requires curl openssl
cd "$TMP"
echo hello >body
HASH=$(sha256sum body | cut -d ' ' -f 1)
CHECKSUM=$(openssl dgst -sha256 -binary body | base64)

# put URL [OPTION...]: body, by the writer, under the condition; prints status and S3's code.
put() {
    local url="$1"
    shift
    curl -sS --aws-sigv4 aws:amz:us-east-1:s3 -u WRITERKEY:writersecret -H "x-amz-content-sha256: $HASH" -H 'If-None-Match: *' \
        -T body -o answer -w '%{http_code}' "$@" "$url" || echo " curl: $?"
    sed -n 's|.*<Code>\(.*\)</Code>.*| \1|p' answer
}

equals "$(put "$S3/assets/files/a" -H "x-amz-checksum-sha256: $CHECKSUM" -H 'Content-Type: text/plain')" 200
equals "$(put "$S3/assets/files/a")" '412 PreconditionFailed'
cmp body "$BUCKET/files/a"
equals "$(put "http://assets.localhost:${S3##*:}/files/b" -D headers)" 200 "virtual host"
grep -qi '^x-amz-request-id: [0-9A-F]\{16\}' headers || fail "no request id: $(cat headers)"
cmp body "$BUCKET/files/b"
: >answer
equals "$(put "$S3/assets/$(printf 'x%.0s' $(seq 1025))")" '400 KeyTooLongError'

# Not signed, signed wrongly, another body, no length.
equals "$(put "$S3/assets/c" -u WRITERKEY:wrong)" '403 SignatureDoesNotMatch'
equals "$(put "$S3/assets/c" -u NOBODY:writersecret)" '403 InvalidAccessKeyId'
equals "$(put "$S3/assets/c" -H "x-amz-checksum-sha256: $(openssl rand -base64 32)")" '400 BadDigest'
equals "$(put "$S3/assets/c" -H 'Transfer-Encoding: chunked')" '411 MissingContentLength'
equals "$(curl -sS -T body -o answer -w '%{http_code}' "$S3/assets/c")" 403 "not signed"
echo hullo >body
equals "$(put "$S3/assets/c")" '400 XAmzContentSHA256Mismatch'
[ ! -e "$BUCKET/c" ] || fail "an object was made all the same"
echo hello >body

# To Expect: 100-continue a refusal comes before the body.
equals "$(put "$S3/assets/c" -u WRITERKEY:wrong -H 'Expect: 100-continue' -D headers)" '403 SignatureDoesNotMatch'
! grep -q ' 100 ' headers || fail "the body was asked for"
equals "$(put "$S3/assets/c" -u WRITERKEY:wrong -H 'Expect:' -D headers)" '403 SignatureDoesNotMatch'
equals "$(put "$S3/assets/expected" -H 'Expect: 100-continue' -D headers)" 200
grep -q ' 100 ' headers || fail "the body was not asked for"

# Reading at S3's side: a reader sees no difference between missing and refused.
get() {
    curl -sS --aws-sigv4 aws:amz:us-east-1:s3 -u "$1" -H "x-amz-content-sha256: $(printf '' | sha256sum | cut -d ' ' -f 1)" -o answer -w '%{http_code}' "$S3/assets/$2"
    sed -n 's|.*<Code>\(.*\)</Code>.*| \1|p' answer
}
equals "$(get CDNKEY:cdnsecret files/a)" 200
cmp body answer
equals "$(get CDNKEY:cdnsecret missing)" '403 AccessDenied'
equals "$(get OWNERKEY:ownersecret missing)" '404 NoSuchKey'
equals "$(get WRITERKEY:writersecret files/a)" '403 AccessDenied'

# The layout is that of a directory bucket.
equals "$(put "$S3/assets/.tmp/a//../%25/x" --path-as-is)" 200
cmp body "$BUCKET/%2Etmp/a/%00/%2E./%25/x" || fail "another layout: $(find "$BUCKET")"

# By TLS.
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost -addext 'subjectAltName=IP:127.0.0.1,DNS:localhost' 2>/dev/null
"${BUILD:-${ASSETFS%/*}}/tests/double/assetfs-double" --objects "$TMP/tls" --cert cert.pem --key key.pem --ready tls.env >/dev/null &
cleanup_fn "kill $! 2>/dev/null"
wait_for test -e tls.env
. ./tls.env
equals "$(put "$S3/assets/a" --cacert cert.pem)" 200
curl -sS --cacert cert.pem "$CDN/a" | cmp body -
expect 60 curl -sS "$CDN/a"
