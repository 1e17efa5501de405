#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The program and the model of its rules (tests/model/), which share no code, on the same random schedules: what comes out of each merge, and the tree after each entry of each journal. SEED=N runs the schedules
# of a failure again, SCHEDULES=N more of them.
BACKENDS='dir: no volume is needed'
. "${0%/*}/lib.sh"

TOOLS=${BUILD:+$BUILD/tests/tools}
[ -x "${TOOLS:-}/apply-replay" ] || skip "needs tests/tools/apply-replay of the build directory: set BUILD"
requires "${PYTHON:=python3}"
SEED=${SEED:-1}
echo "SEED=$SEED"

# both WHAT TOOL LEAST: the model's records of it, through the tool; it must have had so many at least.
both() {
    PYTHONDONTWRITEBYTECODE=1 "$PYTHON" "$SRC/tests/model/record.py" --seed "$SEED" --schedules "${SCHEDULES:-120}" "$1" >"$TMP/$1" 2>"$TMP/met" || fail "SEED=$SEED: $(cat "$TMP/met")"
    "$TOOLS/$2" <"$TMP/$1" >"$TMP/out" 2>&1 || fail "SEED=$SEED: $(cat "$TMP/out")"
    tail -n 1 "$TMP/out"
    [ "$(tail -n 1 "$TMP/out" | cut -d ' ' -f 1)" -ge "$3" ] || fail "SEED=$SEED: that is too few"
}
both merges merge-replay 50
cat "$TMP/met"
both journals apply-replay 100
