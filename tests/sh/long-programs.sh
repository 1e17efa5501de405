#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Programs that write in ways of their own: emacs with its backups and locks, unzip, ImageMagick, ffmpeg (an MP4, whose index it writes last at the beginning). The same work
# on a local disk makes the same bytes, and the bucket alone has them.
LIMIT=300
. "${0%/*}/lib.sh"
requires emacs unzip zip convert ffmpeg python3 openssl
new_volume
mount_volume
mkdir "$TMP/local"
bytes 300000 1 >"$TMP/bytes"
mkdir -p "$TMP/pack/sub/deep"
for n in 1 2 3 4 5 6 7 8 9 10; do
    bytes "$((n * 20000))" "$n" >"$TMP/pack/sub/deep/file $n.bin"
    echo "text $n" >"$TMP/pack/file-$n.txt"
done
ln -s file-1.txt "$TMP/pack/link"
chmod 750 "$TMP/pack/sub"
touch -d '2020-02-03 04:05:06 UTC' "$TMP/pack/file-1.txt"
(cd "$TMP" && zip -qry pack.zip pack)

edit() {
    emacs -Q --batch --eval "(progn (setq make-backup-files t backup-by-copying $2 version-control $3 create-lockfiles t)
        (find-file \"$1\") (goto-char (point-max)) (insert \"line by emacs, $2 $3\\n\") (save-buffer))" >"$TMP/emacs.out" 2>&1 ||
        fail "emacs: $(cat "$TMP/emacs.out")"
}
work() (
    cd "$1"
    echo first >text
    chmod 640 text
    edit "$1/text" nil nil
    edit "$1/text" t nil
    edit "$1/text" nil t
    edit "$1/text" t t
    unzip -q "$TMP/pack.zip"
    unzip -qo "$TMP/pack.zip" # over what is there
    cp "$TMP/pack.zip" archive.zip
    zip -q archive.zip text # writes a new one, renames it
    zip -qd archive.zip 'pack/file-2.txt'
    unzip -p archive.zip text | cmp - text
    convert -size 600x400 gradient:red-blue -define png:exclude-chunks=date,time picture.png
    convert picture.png -quality 90 -strip picture.jpg
    convert picture.png picture.tif
    mogrify -resize 50% -strip picture.jpg # in place
    ffmpeg -v error -y -bitexact -f lavfi -i testsrc=duration=2:size=320x240:rate=10 -c:v mpeg4 -threads 1 -movflags +faststart video.mp4
    ffmpeg -v error -y -bitexact -i video.mp4 -c:v mpeg4 -threads 1 video.avi
    ffmpeg -v error -y -bitexact -i video.mp4 -frames:v 5 frame-%d.png
    ffmpeg -v error -i video.mp4 -f null -
)
tree() (
    cd "$1"
    find . -type f -printf '%P %m %n links %s bytes\n' -o -printf '%P %y %m %l\n' | sort
    find . -type f ! -name '*.zip' -print0 | sort -z | xargs -0 sha256sum # a ZIP has times in it
)
work "$TMP/local" </dev/null
work "$MNT" </dev/null
tree "$TMP/local" >"$TMP/want"
tree "$MNT" | diff "$TMP/want" - >&2 || fail "not what it is on a local disk"
equals "$(stat -c %Y "$MNT/pack/file-1.txt")" "$(stat -c %Y "$TMP/pack/file-1.txt")"
unzip -tq "$MNT/archive.zip"
sum=$(sha256sum <"$MNT/archive.zip")
sync_volume
remount_from_bucket
tree "$MNT" | diff "$TMP/want" - >&2 || fail "not what it was before a remount"
equals "$(sha256sum <"$MNT/archive.zip")" "$sum"
ffmpeg -v error -ss 1.5 -i "$MNT/video.mp4" -frames:v 1 "$TMP/frame.png" </dev/null
convert "$MNT/picture.tif" "$TMP/again.png"
umount_volume
