# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2034 # what it sets is for lib.sh
#
# The tests' volume in a directory bucket (tests/sh/lib.sh says what a backend gives).

# shellcheck source=bucket_files.sh
. "$SRC/tests/lib/bucket_files.sh"

backend_begin() {
    BUCKET=$TMP/bucket
    VOLUME=file://$BUCKET
    LINK=$VOLUME
}

bucket_away() {
    mv "$BUCKET" "$TMP/away"
}

bucket_back() {
    mv "$TMP/away" "$BUCKET"
}
