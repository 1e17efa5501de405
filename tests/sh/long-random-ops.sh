#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The random calls of random-ops.sh, a hundred thousand of them.
OPS=${OPS:-100000}
SEED=${SEED:-2}
LIMIT=1800
. "${0%/*}/random-ops.sh"
