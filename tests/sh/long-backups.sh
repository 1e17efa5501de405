#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Backups of the mount: restic, borg and tar's incremental ones. The second backup reads no file again, nor does one after a host has lost all local state
# (inode numbers, mtimes and ctimes are what they were); what is restored is the tree that went in.
LIMIT=600
. "${0%/*}/lib.sh"
requires restic borg tar getfattr setfattr openssl
make_tree "$TMP/tree" 4
find "$TMP/tree" -type p -delete
find "$TMP/tree" -name file-8.txt -delete # of the year 1969: borg makes it 1970
find "$TMP/tree" -name file-9.txt -delete # of the year 2106: tar takes it each time
new_volume
mount_volume
cp -a "$TMP/tree" "$MNT/tree"
# borg never trusts the files with the newest time of all it has seen; this is that file.
later() {
    touch "$MNT/newest"
    [ "$(stat -c %Z "$MNT/newest")" -gt "$(stat -c %Z "$MNT/tree/part 4/file-10.txt")" ]
}
wait_for later
sync_volume

export RESTIC_REPOSITORY="$TMP/restic" RESTIC_PASSWORD=secret RESTIC_CACHE_DIR="$TMP/restic-cache"
export BORG_REPO="$TMP/borg" BORG_BASE_DIR="$TMP/borg-home" BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
restic -q init
borg init -e none
with_restic() {
    restic backup --json "$MNT" >"$TMP/restic.json" || fail "restic backup"
    sed -n 's/^.*"files_new":\([0-9]*\),"files_changed":\([0-9]*\),"files_unmodified":\([0-9]*\),.*$/\1 new, \2 changed/p' "$TMP/restic.json"
}
with_borg() {
    (cd "$MNT" && borg create --list --filter AME "::$1" .) 2>"$TMP/borg.out" || fail "borg create: $(cat "$TMP/borg.out")"
    grep -c '^[AME] ' "$TMP/borg.out" || true
}
with_tar() {
    tar -C "$MNT" --no-check-device --listed-incremental="$TMP/tar.list" -cf "$TMP/tar-$1.tar" tree # each mount is another device
    tar -tf "$TMP/tar-$1.tar" | grep -vc '/$' || true
}
files=$(find "$MNT" -type f | wc -l)
equals "$(with_restic)" "$files new, 0 changed"
[ "$(with_borg first)" -gt 100 ] || fail "borg found nothing: $(cat "$TMP/borg.out")"
[ "$(with_tar 1)" -gt 100 ] || fail "tar found nothing"

# again N: nothing is new, nothing is read but the one that borg does not trust.
again() {
    reads=$(status_value read)
    equals "$(with_restic)" "0 new, 0 changed" "restic, backup $1"
    equals "$(status_value read)" "$reads" "times that restic read a file, backup $1"
    equals "$(with_tar "$1")" 0 "files in tar's archive $1"
    equals "$(status_value read)" "$reads" "times that tar read a file, backup $1"
    with_borg "$1" >"$TMP/count"
    ! grep '^[AME] ' "$TMP/borg.out" | grep -v '^[AME] newest$' || fail "borg read files in backup $1"
}
again 2
umount_volume
mount_volume
again 3
remount_from_bucket
again 4

# One file has changed, one is new, one has another name.
echo changed >"$MNT/tree/part 1/file-20.txt"
echo new >"$MNT/tree/part 2/new"
mv "$MNT/tree/part 3/file-21.txt" "$MNT/tree/part 3/renamed"
sync_volume
equals "$(with_restic)" "2 new, 1 changed" "restic, last backup"
with_borg last >"$TMP/count"
grep '^[AM] tree/part' "$TMP/borg.out" | sort | tr '\n' ' ' >"$TMP/which"
equals "$(cat "$TMP/which")" "A tree/part 2/new A tree/part 3/renamed M tree/part 1/file-20.txt "
equals "$(with_tar 5)" 3 "files in tar's last archive"
remount_from_bucket

mkdir "$TMP/from-restic" "$TMP/from-borg" "$TMP/from-tar"
restic -q check --read-data
restic -q restore latest --target "$TMP/from-restic" >"$TMP/out" 2>&1 || fail "restic restore: $(cat "$TMP/out")"
same_tree "$MNT/tree" "$TMP/from-restic$MNT/tree"
(cd "$TMP/from-borg" && borg extract ::last)
same_tree "$MNT/tree" "$TMP/from-borg/tree"
for n in 1 2 3 4 5; do
    tar -C "$TMP/from-tar" --listed-incremental=/dev/null -xpf "$TMP/tar-$n.tar"
done
(cd "$MNT/tree" && find . -type f -exec sha256sum {} + | sort) >"$TMP/digests"
(cd "$TMP/from-tar/tree" && find . -type f -exec sha256sum {} + | sort) | diff "$TMP/digests" - || fail "tar restored another tree"

# Back into the mount: restored in place, by the same programs.
mkdir "$MNT/again"
(cd "$MNT/again" && borg extract ::last)
same_tree "$MNT/tree" "$MNT/again/tree"
restic -q restore latest --target "$MNT/again-restic" >"$TMP/out" 2>&1 || fail "restic restore: $(cat "$TMP/out")"
remount_from_bucket
same_tree "$TMP/from-borg/tree" "$MNT/again/tree"
same_tree "$TMP/from-restic$MNT/tree" "$MNT/again-restic$MNT/tree"
umount_volume
