#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A checkpoint that goes bad when a host has begun from it: the host begins anew by itself, with what it had queued, and programs see no error.
BACKENDS='dir double: objects are spoilt where they lie'
. "${0%/*}/lib.sh"
A=$TMP/mnt-a B=$TMP/mnt-b
OPTIONS=poll=100ms,settle=100ms,timeout=30s
new_volume
mount_volume "cache_dir=$TMP/a,$OPTIONS" "$A"

checkpoint_of() { # MOUNTPOINT
    "$ASSETFS" checkpoint "$1" | sed 's/.*checkpoint \([0-9a-f]*\) .*/\1/'
}
# spoil DIGEST PERCENT: one byte of the object.
spoil() {
    object_get ".assetfs/checkpoint/$1" >"$TMP/object"
    printf '\377\000\377' | dd of="$TMP/object" bs=1 seek=$(($(wc -c <"$TMP/object") * $2 / 100)) conv=notrunc status=none
    object_put ".assetfs/checkpoint/$1" <"$TMP/object"
    [ "$BACKEND" != double ] || control POST /purge
}
save() { # DIGEST
    object_get ".assetfs/checkpoint/$1" >"$TMP/whole-$1"
}
restore() { # DIGEST
    object_put ".assetfs/checkpoint/$1" <"$TMP/whole-$1"
    [ "$BACKEND" != double ] || control POST /purge
}
forget_kept() { # HOST: what it has kept of checkpoints
    find "$TMP/$1" -path '*/checkpoint/*' -type f -delete
}
log_of() { # HOST
    find "$TMP/$1" -name log
}
everything() { # MOUNTPOINT
    (cd "$1" && find . -printf '%i %m %n %s %T@ %l %p\n' | sort && find . -type f -exec cat {} +)
}

mkdir "$A/small"
for i in 1 2 3; do echo "$i" >"$A/small/$i"; done
"$ASSETFS" sync "$A"
first=$(checkpoint_of "$A")
mkdir "$A/large"
(cd "$A/large" && seq -f 'a name of a file that is quite long %g' 300 | xargs -d '\n' touch)
mkdir -p "$A/deep/er"
echo here >"$A/deep/er/file"
"$ASSETFS" sync "$A"
second=$(checkpoint_of "$A")
save "$first"
save "$second"
everything "$A" >"$TMP/want"

# One byte, wherever it is: perhaps beginning needs it, perhaps not, perhaps it is met by chance.
for percent in 30 60 90; do
    spoil "$first" "$percent"
    spoil "$second" "$percent"
    mount_volume "cache_dir=$TMP/one-$percent,$OPTIONS" "$B"
    everything "$B" >"$TMP/got"
    cmp "$TMP/want" "$TMP/got" || fail "with a byte at $percent % wrong, something else is seen: $(diff "$TMP/want" "$TMP/got" | head -20)"
    grep -q 'damaged' "$(log_of "one-$percent")" || fail "nobody says that it is damaged"
    umount_volume "$B"
    restore "$first"
    restore "$second"
done

# Later, with work queued.
mount_volume "cache_dir=$TMP/b,$OPTIONS" "$B"
grep -q 'beginning from the checkpoint' "$(log_of b)" || fail "host b has read the journal instead"
equals "$(cat "$B/small/1")" 1
echo claimed >"$B/mine"
"$ASSETFS" sync "$B"
umount_volume "$B"
mount_volume "cache_dir=$TMP/b,poll=100ms,settle=1h,drain_timeout=100ms" "$B"
echo queued >"$B/small/queued"
mv "$B/small/2" "$B/small/moved"
umount_volume "$B"
spoil "$second" 60
forget_kept b
mount_volume "cache_dir=$TMP/b,$OPTIONS" "$B"
equals "$(find "$B/large" -type f | wc -l)" 300 "files in a directory that was never looked at"
equals "$(cat "$B/deep/er/file")" here
equals "$(cat "$B/small/queued")" queued
"$ASSETFS" sync "$A"
"$ASSETFS" sync "$B"
same() { [ "$(everything "$A")" = "$(everything "$B")" ]; }
wait_for same
equals "$(cat "$A/small/moved")" 2
grep -q 'is damaged: it looks for another beginning' "$(log_of b)" || grep -q 'cannot be used: it is damaged' "$(log_of b)" || fail "the log says nothing of it: $(cat "$(log_of b)")"
umount_volume "$B"

# Without the bucket whoever needs rows waits, can be interrupted, and is answered when it is back.
restore "$second"
mount_volume "cache_dir=$TMP/c,$OPTIONS" "$B"
umount_volume "$B"
forget_kept c
bucket_away
mount_volume "cache_dir=$TMP/c,$OPTIONS" "$B"
ls "$B/large" >"$TMP/ls-1" 2>&1 &
one=$!
# A shell without job control has its background commands ignore SIGINT.
env --default-signal=INT ls "$B/deep" >"$TMP/ls-2" 2>&1 &
two=$!
parked() { grep -qs 'request_wait\|fuse_' "/proc/$1/wchan" || grep -qs '^State:.*D\|^State:.*S' "/proc/$1/status"; }
wait_for parked $one
wait_for parked $two
kill -INT $two
status=0
wait $two || status=$?
[ "$status" -ne 0 ] || fail "an ls that was interrupted says it has listed: $(cat "$TMP/ls-2")"
kill -0 $one || fail "the other one has ended: $(cat "$TMP/ls-1")"
bucket_back
wait $one || fail "ls has failed: $(cat "$TMP/ls-1")"
equals "$(wc -l <"$TMP/ls-1")" 300 "names"
equals "$(ls "$B/deep")" er
umount_volume "$B"
umount_volume "$A"
