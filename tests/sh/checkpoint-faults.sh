#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A host that begins from a checkpoint has nothing of the tree but what programs ask for: they see no difference. Both hosts write, and one is killed in the middle of fetching.
BACKENDS='dir double: what it shows has nothing to do with the server'
. "${0%/*}/lib.sh"
requires rsync setfattr
A=$TMP/mnt-a B=$TMP/mnt-b
OPTIONS=poll=100ms,settle=100ms,timeout=3s
new_volume
mount_volume "cache_dir=$TMP/a,$OPTIONS" "$A"

i=0
while [ $i -lt 12 ]; do
    mkdir -p "$A/d$i/sub"
    for f in a b c; do echo "$i $f" >"$A/d$i/sub/$f"; done
    i=$((i + 1))
done
ln "$A/d1/sub/a" "$A/d2/hard"
ln -s target "$A/d3/link"
setfattr -n user.note -v here "$A/d4/sub/a"
mkdir "$A/large"
(cd "$A/large" && seq 2000 | xargs touch)
"$ASSETFS" sync "$A"
"$ASSETFS" checkpoint "$A"

everything() { # MOUNTPOINT
    (cd "$1" && find . -printf '%i %m %n %s %T@ %l %p\n' | sort)
}
begins() { # NAME
    mount_volume "cache_dir=$TMP/$1,$OPTIONS" "$B"
    grep -q 'beginning from the checkpoint' "$TMP/$1/log" || fail "host $1 has read the journal instead"
}

# By path, by name and by number.
begins b
equals "$(cat "$B/d2/hard")" "1 a" "a file with names in two directories"
equals "$(stat -c %h "$B/d2/hard")" 2 "its link count, with the other name not here"
equals "$(getfattr --only-values -n user.note "$B/d4/sub/a")" here "an attribute"
equals "$(readlink "$B/d3/link")" target "a link"
[ ! -e "$B/d5/nothing" ] || fail "what is not there is there"

# Changes where nothing is here yet, on both hosts.
echo new >"$B/d6/sub/new"
mv "$B/d7/sub/a" "$B/d8/sub/moved"
rm "$B/d2/hard" "$B/d9/sub/b"
! rmdir "$B/d10" 2>/dev/null || fail "a directory with something in it was removed"
mv "$B/d10" "$B/d11/sub/d10"
echo other >"$A/d5/sub/other"
rm -r "$A/d3"
"$ASSETFS" sync "$A"
"$ASSETFS" sync "$B"
same() { [ "$(everything "$A")" = "$(everything "$B")" ]; }
wait_for same
equals "$(rsync -aniX --delete "$A/" "$B/")" "" "what rsync would do"
umount_volume "$B"

# Killed in the middle of it.
begins c
pid=$("$ASSETFS" status --json "$B" | tr ',{' '\n\n' | sed -n 's/^"pid"://p')
find "$B" >/dev/null 2>&1 &
kill -9 "$pid"
wait $! 2>/dev/null || true
mount_volume "cache_dir=$TMP/c,$OPTIONS" "$B"
wait_for same
umount_volume "$B"
