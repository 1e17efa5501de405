#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Signed URLs, cookies and policies of CloudFront agree with botocore's on random addresses. SEED=N runs those of a failure again.
BACKENDS='dir: no volume is needed'
. "${0%/*}/lib.sh"

PRINT=${BUILD:+$BUILD/tests/tools/cloudfront-print}
[ -x "${PRINT:-}" ] || skip "needs tests/tools/cloudfront-print of the build directory: set BUILD"
requires "${PYTHON:=python3}" openssl
SEED=${SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
echo "SEED=$SEED"
openssl genrsa -out "$TMP/rsa.pem" 2048 2>/dev/null
openssl ecparam -name prime256v1 -genkey -noout -out "$TMP/ec.pem"
openssl ec -in "$TMP/ec.pem" -pubout -out "$TMP/ec.pub" 2>/dev/null
status=0
"$PYTHON" -W ignore "$SRC/tests/tools/cloudfront-botocore.py" "$PRINT" "$TMP" "$SEED" 600 || status=$?
[ "$status" -eq 0 ] || [ "$status" -eq 77 ] || fail "botocore signs otherwise: SEED=$SEED"
exit "$status"
