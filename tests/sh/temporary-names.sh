#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Programs that write under a temporary name first: neither the bucket nor the journal sees that name, and each file is one object, of the extension and type of its
# final name. rsync in its ways of writing, vim, and GLib where it is installed; names of other programs by hand.
# shellcheck disable=SC2034
LIMIT=120
. "${0%/*}/lib.sh"
requires rsync getfattr

# Names of the whole journal, one a line; nobody's are lost.
journal_names() {
    "$ASSETFS" log -n 1000 "$MNT" | sed -n 's/^    [+-] //p'
}

no_temporary_names() {
    ! journal_names | grep -E "\.[0-9A-Za-z]{6}\$|~|^4913\$|\.swp\$|\.part\$|\.crdownload\$|\.tmp\$|goutputstream" ||
        fail "temporary names are in the journal"
}

objects() {
    object_list files/ | wc -l
}

durable() {
    [ "$(truth state "$1")" = durable ]
}

# A source tree of 61 different files.
mkdir "$TMP/source" "$TMP/source/deep"
n=0
while [ "$n" -lt 30 ]; do
    bytes 30000 "a$n" >"$TMP/source/photo $n.jpg"
    bytes 2000 "b$n" >"$TMP/source/deep/page-$n.html"
    n=$((n + 1))
done
bytes 3000000 large >"$TMP/source/film.mp4"
touch -d '2001-02-03 04:05:06.7 UTC' "$TMP/source/deep" "$TMP/source" # rsync leaves directories alone that are right to the second

new_volume
mount_volume
rsync -a "$TMP/source/" "$MNT/plain/"
sync_volume
equals "$(objects)" 61 "objects after rsync -a"
no_temporary_names
equals "$(rsync -ai "$TMP/source/" "$MNT/plain/")" "" "what a second run itemizes"

# The same contents again: no object more, in any of rsync's ways.
rsync -a --delay-updates "$TMP/source/" "$MNT/delayed/"
rsync -a --inplace "$TMP/source/" "$MNT/in place/"
rsync -a --partial-dir=.rsync-partial "$TMP/source/" "$MNT/partial/"
sync_volume
equals "$(objects)" 61 "objects after three more"
no_temporary_names

# A file under way is not uploaded; its final name is, at once.
bytes 100000 download >"$MNT/archive.zip.part"
before=$(objects)
echo marker >"$MNT/marker"
wait_for durable "$MNT/marker"
equals "$(truth state "$MNT/archive.zip.part")" local
equals "$(objects)" $((before + 1)) "objects beside a download"
mv "$MNT/archive.zip.part" "$MNT/archive.zip"
wait_for durable "$MNT/archive.zip"
case $(truth key "$MNT/archive.zip") in
*.zip) ;;
*) fail "not the extension of the final name: $(truth key "$MNT/archive.zip")" ;;
esac

# Others' patterns, and one of the user's own below.
for name in 'film.mp4.crdownload' '.text.txt.swp' 'lu123abc.tmp' '4F2A91C0' 'report.pdf.sb-4f2a91c0-aB3dE6' '#text#'; do
    echo "$name" >"$MNT/$name"
done
mkdir "$MNT/x.download"
echo half >"$MNT/x.download/x"
echo marker 2 >"$MNT/marker 2"
wait_for durable "$MNT/marker 2"
for name in 'film.mp4.crdownload' '.text.txt.swp' 'lu123abc.tmp' '4F2A91C0' 'report.pdf.sb-4f2a91c0-aB3dE6' '#text#' x.download/x; do
    equals "$(truth state "$MNT/$name")" local "$name"
done
rm -r "$MNT/film.mp4.crdownload" "$MNT/.text.txt.swp" "$MNT/lu123abc.tmp" "$MNT/4F2A91C0" "$MNT/report.pdf.sb-4f2a91c0-aB3dE6" "$MNT/#text#" \
    "$MNT/x.download"
sync_volume
no_temporary_names

# fsync of a temporary name makes it durable, as of any.
echo important >"$MNT/.kept.txt.x1Y2z3"
sync "$MNT/.kept.txt.x1Y2z3"
equals "$(truth state "$MNT/.kept.txt.x1Y2z3")" durable
objects_then=$(objects)
mv "$MNT/.kept.txt.x1Y2z3" "$MNT/kept.txt"
sync_volume
equals "$(objects)" "$objects_then" "objects after the rename"

# The whole tree is there, from the bucket alone.
remount_from_bucket
same_tree "$TMP/source" "$MNT/plain"
for way in delayed "in place" partial; do
    same_tree "$TMP/source" "$MNT/$way"
done

# vim with a swap file and with a backup that is made by rename: the journal sees the file change and nothing else. (It would see a swap file that vim calls fsync on.)
if command -v vim >/dev/null && vim --version | grep -q '^VIM'; then
    echo version 1 >"$MNT/text"
    sync_volume
    "$ASSETFS" log -n 1000 "$MNT" >"$TMP/before"
    vim -u NONE -i NONE -es -c 'set nocompatible writebackup nobackup backupcopy=no fsync swapsync=' -c '%s/1/2/' -c 'wq' "$MNT/text" </dev/null
    sync_volume
    equals "$(cat "$MNT/text")" "version 2"
    "$ASSETFS" log -n 1000 "$MNT" >"$TMP/after"
    diff "$TMP/before" "$TMP/after" | sed -n 's/^>     [+-] //p' >"$TMP/names"
    ! grep -v '^text$' "$TMP/names" || fail "more than the file's name is in the journal after vim"
fi

# GLib: over a file that is there, by way of .goutputstream-XXXXXX.
if command -v gio >/dev/null; then
    bytes 50000 gio-1 >"$TMP/new.jpg"
    gio copy "$TMP/new.jpg" "$MNT/gio.jpg"
    bytes 50000 gio-2 >"$TMP/new.jpg"
    gio copy "$TMP/new.jpg" "$MNT/gio.jpg"
    gio save "$MNT/gio.txt" <"$TMP/before"
    sync_volume
    cmp "$TMP/new.jpg" "$MNT/gio.jpg"
    case $(truth key "$MNT/gio.jpg") in
    *.jpg) ;;
    *) fail "gio copy: $(truth key "$MNT/gio.jpg")" ;;
    esac
fi
umount_volume

# A pattern of the user's.
mount_volume "temporary=*.wip:draft-*"
echo 1 >"$MNT/a.wip"
echo 2 >"$MNT/draft-b"
echo marker 3 >"$MNT/marker 3"
wait_for durable "$MNT/marker 3"
equals "$(truth state "$MNT/a.wip")" local
equals "$(truth state "$MNT/draft-b")" local
umount_volume # takes them along
lose_local_state
mount_volume
equals "$(cat "$MNT/a.wip" "$MNT/draft-b")" "$(printf '1\n2')"
umount_volume
