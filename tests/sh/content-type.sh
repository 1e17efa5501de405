#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every object has the Content-Type that this system's databases give the file's name: the shared MIME database, or mime.types where there is none. The directory bucket
# keeps it in an attribute of the object's file.
# shellcheck disable=SC2034
BACKENDS='dir: the test looks at the attributes of its files'
. "${0%/*}/lib.sh"
requires getfattr

# type_of FILE: of its object in the bucket.
type_of() {
    getfattr --only-values -n user.mime_type "$BUCKET/$(truth key "$1")" 2>/dev/null
}

# put NAME: a file of that name, with content of its own.
put() {
    echo "this is $1" >"$MNT/$1"
}

mkdir "$TMP/attributes"
setfattr -n user.test -v x "$TMP/attributes" 2>/dev/null || skip "no user attributes in $TMP"
[ -e /usr/share/mime/globs2 ] || skip "no shared MIME database here"

new_volume
mount_volume
while read -r name type; do
    put "$name"
done <<END
photo.jpg
PHOTO.JPG
picture.png
page.html
style.css
film.mp4
drawing.svg
text.txt
data.json
paper.pdf
set.tar.gz
Makefile
noextension
odd.zzzzzz
END
sync_volume
while read -r name type; do
    equals "$(type_of "$MNT/$name")" "$type" "$name"
done <<END
photo.jpg image/jpeg
PHOTO.JPG image/jpeg
picture.png image/png
page.html text/html
style.css text/css
film.mp4 video/mp4
drawing.svg image/svg+xml
text.txt text/plain
data.json application/json
paper.pdf application/pdf
set.tar.gz application/x-compressed-tar
Makefile text/x-makefile
noextension application/octet-stream
odd.zzzzzz application/octet-stream
END

# The name that stays decides.
put .final.jpg.x1Y2z3
mv "$MNT/.final.jpg.x1Y2z3" "$MNT/final.png"
sync_volume
equals "$(type_of "$MNT/final.png")" image/png

# Another extension: another object; the old address stays.
url=$("$ASSETFS" url "$MNT/page.html")
mv "$MNT/page.html" "$MNT/page.txt"
sync_volume
equals "$(type_of "$MNT/page.txt")" text/plain
equals "$(cat "$MNT/page.txt")" "this is page.html"
[ -e "$BUCKET/${url#"$LINK"}" ] || fail "the old object is gone: $url"
[ "$("$ASSETFS" url "$MNT/page.txt")" != "$url" ] || fail "the address did not change"
remount_from_bucket
equals "$(cat "$MNT/page.txt")" "this is page.html"
# ... by way of the bucket, with nothing of it here
mv "$MNT/film.mp4" "$MNT/film.webm"
sync_volume
equals "$(type_of "$MNT/film.webm")" video/webm
umount_volume

# Without the shared database: mime.types.
if [ -e /etc/mime.types ]; then
    (
        export XDG_DATA_DIRS="$TMP/nothing"
        mount_volume
        put other.jpg
        put other.html
        put other.zzzzzz
        sync_volume
        equals "$(type_of "$MNT/other.jpg")" image/jpeg
        equals "$(type_of "$MNT/other.html")" text/html
        equals "$(type_of "$MNT/other.zzzzzz")" application/octet-stream
        umount_volume
    )
fi

# A database of one's own comes first.
mkdir -p "$HOME/.local/share/mime"
echo '90:text/x-mine:*.zzzzzz' >"$HOME/.local/share/mime/globs2"
mount_volume
put mine.zzzzzz
put mine.jpg
sync_volume
equals "$(type_of "$MNT/mine.zzzzzz")" text/x-mine
equals "$(type_of "$MNT/mine.jpg")" image/jpeg
umount_volume
