#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Thousands of random calls on the mount and on a local directory, compared, with remounts in between: clean ones, after a kill -9, and on a host that has lost all local state.
# SEED=N and OPS=N run others; a difference prints its seed and the calls before it. long-random-ops.sh is the same, longer.
OPS=${OPS:-3000} EVERY=${EVERY:-500}
. "${0%/*}/lib.sh"
RANDOM_OPS=${BUILD:+$BUILD/tests/tools/random-ops}
[ -x "${RANDOM_OPS:-}" ] || skip "needs tests/tools/random-ops of the build directory: set BUILD"
new_volume
mount_volume settle=50ms
mkdir "$TMP/local" "$MNT/mounted"

cat >"$TMP/remount" <<END
#!/bin/sh
set -eu
case \$1 in
kill)
    pid=\$('$ASSETFS' status --json '$MNT' | sed -n 's/^.*"pid":\([0-9]*\).*$/\1/p')
    kill -9 "\$pid"
    while kill -0 "\$pid" 2>/dev/null && ! grep -q '^State:[[:space:]]*Z' "/proc/\$pid/status"; do sleep 0.01; done ;;
lose)
    '$ASSETFS' umount '$MNT'
    rm -rf '$XDG_CACHE_HOME' ;;
*)
    '$ASSETFS' umount '$MNT' ;;
esac
'$ASSETFS' mount -o settle=50ms '$VOLUME' '$MNT'
END
chmod +x "$TMP/remount"
"$RANDOM_OPS" --seed "${SEED:-1}" --ops "$OPS" --every "$EVERY" --remount "$TMP/remount" "$TMP/local" "$MNT/mounted" || fail "see above: SEED=${SEED:-1} OPS=$OPS"
equals "$(status_value conflict_copies)" 0 "conflicted copies"
umount_volume
