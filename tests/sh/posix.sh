#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The POSIX conformance set (tests/posix) sees the same on a mount as on a local ext4, but for tests/posix/exceptions: with files that are still being uploaded, and
# with files that are in the bucket already. What it leaves behind is the same after a remount, inode numbers and all times included.
LIMIT=240
. "${0%/*}/lib.sh"
requires getfattr
CHECK=${BUILD:-$(dirname "$ASSETFS")}/tests/posix/posix-check
[ -x "$CHECK" ] || skip "no $CHECK: make check builds it"
LOCAL=
chmod 755 "$TMP" # others must get in

# An ext4 to compare with: where the temporary files are, or a new one.
find_ext4() {
    local dir
    for dir in "$TMP" /var/tmp; do
        if [ "$(stat -f -c %T "$dir")" = ext2/ext3 ]; then
            LOCAL=$(mktemp -d "$dir/assetfs-posix.XXXXXX")
            cleanup_fn rm -rf "$LOCAL"
            chmod 755 "$LOCAL"
            return
        fi
    done
    is_root || skip "no ext4 in $TMP and /var/tmp, and only root can make one"
    requires mkfs.ext4
    LOCAL=$TMP/ext4
    mkdir "$LOCAL"
    truncate -s 1G "$TMP/ext4.image"
    mkfs.ext4 -q -F "$TMP/ext4.image"
    mount -o loop "$TMP/ext4.image" "$LOCAL" 2>/dev/null || skip "no ext4 in $TMP and /var/tmp, and none can be mounted here"
}

# compare LOCAL-OUTPUT MOUNT-OUTPUT: the differences that are no exceptions. Where a case has an exception, what it does not print after it is none.
compare() {
    diff "$1" "$2" | awk -v exceptions="$SRC/tests/posix/exceptions" '
    function name(line) { sub(/: .*/, "", line); return line }
    BEGIN {
        while ((getline line < exceptions) > 0) {
            sub(/^\? /, "", line)
            if (line !~ /^(#|$)/) { allowed[line] = 1; has[name(line)] = 1 }
        }
    }
    /^[<>] / {
        line = substr($0, 3)
        if (/^>/ ? !(line in allowed) : !(name(line) in has)) print
    }'
}

# stale MOUNT-OUTPUT: exceptions that are none any more.
stale() {
    grep -v -e '^#' -e '^? ' -e '^$' "$SRC/tests/posix/exceptions" | grep -vxFf "$1" || true
}

# on_mount WHAT [OPTION]: runs $FAMILIES there, or all, and compares with what the local run has said of the same cases.
on_mount() {
    local what="$1"
    shift
    mkdir "$MNT/$what"
    # shellcheck disable=SC2086 # a list
    "$CHECK" "$@" "$MNT/$what" $FAMILIES >"$TMP/$what" 2>"$TMP/cases"
    awk -F: 'NR == FNR { ran[$1]; next } $1 in ran' "$TMP/$what" "$TMP/local" >"$TMP/as-local"
    compare "$TMP/as-local" "$TMP/$what" >"$TMP/differences"
    [ ! -s "$TMP/differences" ] || fail "not as on ext4 (<), $what files:
$(cat "$TMP/differences")"
    echo "$what: $(cat "$TMP/cases"), as on ext4 but for $(diff "$TMP/as-local" "$TMP/$what" | grep -c '^>') lines"
}

# What must stay: beside what manifest() has, numbers and the other times.
everything() {
    manifest "$1"
    (cd "$1" && find . -printf '%P %i %A@ %C@\0' | sort -z | tr '\0' '\n')
}

new_volume
mount_volume "$(is_root && echo allow_other)"
chmod 755 "$MNT"
find_ext4
"$CHECK" "$LOCAL" >"$TMP/local" 2>"$TMP/cases"
! grep -E ' = (FALSE|FAILED)' "$TMP/local" || fail "that is wrong on ext4 too, so it is the test that is"

FAMILIES=
on_mount new
# Of these it matters whether their files are in the bucket.
FAMILIES="open write truncate rename link unlink chmod chown utimens xattr fallocate lseek copy_file_range mmap fsync direct stat permissions"
on_mount durable --durable

if is_root; then
    stale "$TMP/new" >"$TMP/stale"
    [ ! -s "$TMP/stale" ] || fail "these are exceptions no more: $(cat "$TMP/stale")"
fi
rm -r "$MNT"/new/readdir # many, and all empty
everything "$MNT" >"$TMP/before"
remount_from_bucket "$(is_root && echo allow_other)"
everything "$MNT" >"$TMP/after"
diff "$TMP/before" "$TMP/after" >"$TMP/remount" || fail "other after a remount: $(head -n 40 "$TMP/remount")"
umount_volume
