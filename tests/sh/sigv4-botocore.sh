#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Signatures, encoded paths and presigned URLs agree with botocore's on random requests. SEED=N runs those of a failure again.
. "${0%/*}/lib.sh"

PRINT=${BUILD:+$BUILD/tests/tools/sigv4-print}
[ -x "${PRINT:-}" ] || skip "needs tests/tools/sigv4-print of the build directory: set BUILD"
requires "${PYTHON:=python3}"
SEED=${SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
echo "SEED=$SEED"
status=0
"$PYTHON" "$SRC/tests/tools/sigv4-botocore.py" "$PRINT" "$SEED" 600 || status=$?
[ "$status" -eq 0 ] || [ "$status" -eq 77 ] || fail "botocore signs otherwise: SEED=$SEED"
exit "$status"
