#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makefile.am builds, tests and ships every file that is in src/ and tests/.
BACKENDS='dir: it looks at no bucket'
. "${0%/*}/lib.sh"

export SRC
"$SRC/scripts/list-sources" --check || fail "run scripts/list-sources"
