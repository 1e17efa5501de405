# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# The objects of a volume as the files of a directory, $BUCKET: what the directory bucket and the double have in common.

object_list() {
    (cd "$BUCKET" 2>/dev/null && find . -type f -path "./$1*" ! -path './.tmp/*' | cut -c 3- | sort)
}

object_get() {
    cat "$BUCKET/$1"
}

object_put() {
    mkdir -p "$BUCKET/.tmp" "$(dirname "$BUCKET/$1")"
    cat >"$BUCKET/.tmp/test"
    mv -f "$BUCKET/.tmp/test" "$BUCKET/$1"
}

object_remove() {
    rm -f "$BUCKET/$1"
}
