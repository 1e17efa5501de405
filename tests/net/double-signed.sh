#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The double itself: signed URLs and cookies of the CDN, made by botocore's signer and by openssl's command.
BACKENDS='double: it is what is tested'
. "${0%/*}/../sh/lib.sh"
requires curl openssl "${PYTHON:=python3}"
"$PYTHON" -c 'import botocore.signers' 2>/dev/null || skip "no botocore here: scripts/install-deps test"
cd "$TMP"
mkdir -p signed/private signed/public
echo secret >signed/private/a
echo open >signed/public/a
openssl genrsa -out key.pem 2048 2>/dev/null
openssl rsa -in key.pem -pubout -out public.pem 2>/dev/null
openssl genrsa -out other.pem 2048 2>/dev/null
"${BUILD:-${ASSETFS%/*}}/tests/double/assetfs-double" --objects "$TMP/signed" --private 'private/*' --signer KTEST=public.pem --ready signed.env >/dev/null &
cleanup_fn "kill $! 2>/dev/null"
wait_for test -e signed.env
. ./signed.env

# url PATH SECONDS [KEY [ID]]: a canned policy, by botocore
url() {
    "$PYTHON" -W ignore - "$CDN/$1" "$2" "${3:-key.pem}" "${4:-KTEST}" <<'PY'
import datetime, subprocess, sys
from botocore.signers import CloudFrontSigner
url, seconds, key, name = sys.argv[1:]
def sign(message):
    return subprocess.run(["openssl", "dgst", "-sha1", "-sign", key], input=message, stdout=subprocess.PIPE, check=True).stdout
print(CloudFrontSigner(name, sign).generate_presigned_url(url, date_less_than=datetime.datetime.now() + datetime.timedelta(seconds=int(seconds))))
PY
}
# custom POLICY [HASH]: Policy and Signature of a policy of one's own
encoded() {
    base64 -w 0 | tr '+=/' '-_~'
}
custom() {
    printf 'Policy=%s&Signature=%s&Key-Pair-Id=KTEST%s' "$(printf %s "$1" | encoded)" \
        "$(printf %s "$1" | openssl dgst "-${2:-sha1}" -sign key.pem | encoded)" "${3:-}"
}
get() {
    curl -sS -D headers -o body -w '%{http_code}' "$@"
    sed -n 's|.*<Code>\(.*\)</Code>.*| \1|p' body
}

equals "$(get "$CDN/public/a")" 200
equals "$(get "$CDN/private/a")" '403 MissingKey'
grep -q 'Server: CloudFront' headers || fail "who says so? $(cat headers)"

good=$(url private/a 60)
equals "$(get "$good") $(cat body)" '200 secret'
equals "$(get "$good&x=1")" '403 AccessDenied' 'a query that was not signed'
equals "$(get "$(url 'private/a?x=1' 60)")" 200 'a query that was'
equals "$(get "$(url private/a -60)")" '403 AccessDenied' expired
equals "$(get "$(url private/a 60 other.pem)")" '403 AccessDenied' 'by another key'
equals "$(get "$(url private/a 60 key.pem KNOBODY)")" '403 InvalidKey' 'by nobody we know'
equals "$(get "$(echo "$good" | sed 's|private/a|private/b|')")" '403 AccessDenied' 'of another key'

later=$(($(date +%s) + 60))
policy() {
    printf '{"Statement":[{"Resource":"%s","Condition":{"DateLessThan":{"AWS:EpochTime":%s}%s}}]}' "$CDN/$1" "${3:-$later}" "${2:-}"
}
equals "$(get "$CDN/private/a?$(custom "$(policy 'private/*')")")" 200
equals "$(get "$CDN/private/a?$(custom "$(policy 'private/?')" sha256 '&Hash-Algorithm=SHA256')")" 200
equals "$(get "$CDN/private/a?$(custom "$(policy 'private/*')" sha256)")" '403 AccessDenied' 'a digest that was not named'
equals "$(get "$CDN/private/a?$(custom "$(policy 'other/*')")")" '403 AccessDenied'
equals "$(get "$CDN/private/a?$(custom "$(policy '*' '' 1)")")" '403 AccessDenied' expired
equals "$(get "$CDN/private/a?$(custom "$(policy '*' ",\"DateGreaterThan\":{\"AWS:EpochTime\":$later}")")")" '403 AccessDenied' 'too early'
equals "$(get "$CDN/private/a?$(custom "$(policy '*' ',"IpAddress":{"AWS:SourceIp":"127.0.0.0/8"}')")")" 200
equals "$(get "$CDN/private/a?$(custom "$(policy '*' ',"IpAddress":{"AWS:SourceIp":"192.0.2.0/24"}')")")" '403 AccessDenied' 'from elsewhere'

# A policy that is signed, and is none.
for bad in '{"Statement":[{"Resource":"*"}]}' '{"Statement":[{"Resource":"*","Condition":{"DateLessThan":{}}}]}' '{"Statement"' '[]' 'nonsense'; do
    equals "$(get "$CDN/private/a?$(custom "$bad")")" '403 MalformedPolicy' "$bad"
done
equals "$(get "$CDN/private/a?$(custom "$(policy '*')" | sed 's/Policy=..../Policy=****/')")" '403 MalformedPolicy' 'no base64'

cookies=$(custom "$(policy 'private/*')" | sed 's/^/CloudFront-/; s/&/; CloudFront-/g')
equals "$(get "$CDN/private/a" -H "Cookie: a=b; $cookies")" 200
equals "$(get "$CDN/private/a" -H 'Cookie: a=b')" '403 MissingKey'
