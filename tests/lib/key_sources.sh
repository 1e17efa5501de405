# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2034 # what it sets is for the tests
#
# For tests of where keys come from, on the double:
#   stand_in            starts tests/tools/aws-stand-in.py: $STAND_IN is its URL, $ASKED its directory (files in it say how it behaves), $ASKED/log what it was asked
#   no_other_keys       takes WRITERKEY out of the environment
#   asked REGEX         how many lines of its log fit
#   put_and_read        makes the volume, mounts, writes, sees it again out of the bucket

stand_in() {
    python3 -c 'import botocore' 2>/dev/null || skip "no python3-botocore here"
    ASKED=$TMP/asked
    mkdir "$ASKED"
    : >"$ASKED/log"
    ("$SRC/tests/tools/aws-stand-in.py" --dir "$ASKED" --double "$CONTROL" >"$ASKED/out" 2>&1 </dev/null & echo $! >"$ASKED/pid")
    cleanup_fn "kill $(cat "$ASKED/pid")"
    wait_for test -e "$ASKED/ready"
    # shellcheck disable=SC1091 # written by it
    . "$ASKED/ready"
    no_other_keys
}

no_other_keys() {
    unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
    mkdir -p "$HOME/.aws"
}

asked() {
    grep -cE -- "$1" "$ASKED/log" || true
}

put_and_read() {
    new_volume
    mount_volume
    echo "with keys of somebody else" >"$MNT/file"
    remount_from_bucket
    equals "$(cat "$MNT/file")" "with keys of somebody else"
}

# rsync_on: copies one small tree after another into the mount, each in a directory of its own, until rsync_off. $COPIES: how many it has begun.
rsync_on() {
    COPIED=$TMP/copied
    mkdir "$COPIED"
    (
        n=0
        until [ -e "$TMP/enough" ]; do
            n=$((n + 1))
            mkdir "$COPIED/$n"
            for i in 1 2 3 4 5 6 7 8; do
                echo "file $i of tree $n" >"$COPIED/$n/file-$i"
            done
            rsync -a "$COPIED/$n" "$MNT/" 2>>"$TMP/rsync.err" || exit 1
        done
    ) &
    RSYNC=$!
    cleanup_fn "kill $RSYNC 2>/dev/null"
}

# rsync_off: it ends, has never failed, and all is in the bucket; the daemon has had nothing to complain of.
rsync_off() {
    touch "$TMP/enough"
    wait "$RSYNC" || fail "rsync failed: $(cat "$TMP/rsync.err")"
    equals "$(cat "$TMP/rsync.err")" '' "rsync"
    sync_volume
    ! grep -E ' (error|warning): ' "$(state_dir)/log" || fail "something was said"
    remount_from_bucket
    diff -r "$COPIED" "$MNT" >&2 || fail "what was copied is not what is there"
}

# more_puts N: waits for so many.
more_puts() {
    local until
    until=$(($(counted operation PutObject) + $1))
    wait_for has_put "$until"
}

has_put() {
    [ "$(counted operation PutObject)" -ge "$1" ]
}
