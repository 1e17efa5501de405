#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The double itself, asked by AWS's own library: signatures, conditions, permissions, clocks, credentials, multipart uploads, presigned URLs.
BACKENDS='double: it is what is tested'
LIMIT=180
. "${0%/*}/../sh/lib.sh"
requires "${PYTHON:=python3}"
status=0
"$PYTHON" -W ignore "$SRC/tests/tools/double-botocore.py" "$S3" "$CDN" "$CONTROL" "$BUCKET" || status=$?
exit "$status"
