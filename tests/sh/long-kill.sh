#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kill.sh with 200 kills. Use: long-kill.sh [KILLS]
LIMIT=3600 KILLS=${1:-200} exec sh "${0%/*}/kill.sh"
