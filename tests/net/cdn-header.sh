#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A CDN whose authoriser wants a header of the deployment's own, and no signature: a mount reads with it; without it, or with another one, reads are trouble with a sentence, and nothing is
# taken for absent. check and policy know that there is no key group.
BACKENDS='double: its CDN has an authoriser'
. "${0%/*}/../sh/lib.sh"
requires python3
(umask 077 && echo 'X-Token: sesame' >"$TMP/headers" && echo 'X-Token: other' >"$TMP/other")
HEADER=cdn_header=$TMP/headers
authoriser 'X-Token: sesame' >/dev/null
"$ASSETFS" init -o "$HEADER" "$VOLUME" >"$TMP/init.out"
mkdir -p "$MNT"
mount_volume "$HEADER"
mkdir "$MNT/web"
echo text >"$MNT/file"
echo page >"$MNT/web/page.txt"
remount_from_bucket "$HEADER"
equals "$(cat "$MNT/file" "$MNT/web/page.txt")" "$(printf 'text\npage')"

# finds STATUS OPTION,... [CHECK RESULT WORDS]...
finds() {
    local status="$1" options="$2"
    shift 2
    expect "$status" "$ASSETFS" check ${options:+-o "$options"} "$VOLUME"
    while [ $# -gt 0 ]; do
        grep -Eq "^$2 +$1 .*$3" "$TMP/out" || fail "$1 is not $2 with '$3': $(cat "$TMP/out")"
        shift 3
    done
}

# As long as it is mounted the areas are known; when it is not, who has something to present takes the default one for closed.
set_double error-ttl=0
control POST /credentials 'scope WRITERKEY .assetfs/,files/,web/'
finds 0 "$HEADER" private:files/ ok "cdn_header= reads there, and this host's are good" cdn ok 200
"$ASSETFS" area set "$MNT/web" access=open
expect 0 "$ASSETFS" policy -o "$HEADER" "$VOLUME"
python3 - "$TMP/out" <<'PY'
import json, sys
p = json.load(open(sys.argv[1]))
assert not any(b["TrustedKeyGroups"] for b in p["cloudfront"]["behaviours"]), p["cloudfront"]
assert any("cdn_header=" in n for n in p["notes"]) and not any("whoever knows" in n for n in p["notes"]), p["notes"]
PY
expect 0 "$ASSETFS" policy --terraform -o "$HEADER" "$VOLUME"
grep -q '^# Reads present the headers of cdn_header=' "$TMP/out" || fail "nothing about the header"
! grep -q key_group "$TMP/out" || fail "a key group, and no key"
umount_volume
finds 0 "$HEADER" private:files/ ok "cdn_header= reads there"
finds 1 "cdn_header=$TMP/other" cdn broken 'cdn_header='
finds 1 '' cdn broken 'cdn_header='

rm -rf "$(state_dir)"/blocks*
mount_volume "cdn_header=$TMP/other,timeout=500ms" 2>"$TMP/err"
grep -q 'going on with local state' "$TMP/err" || fail "nothing is said: $(cat "$TMP/err")"
expect 1 cat "$MNT/file"
grep -q 'Input/output error' "$TMP/err" || fail "not EIO: $(cat "$TMP/err")"
equals "$(ls "$MNT" | tr '\n' ' ')" 'file web '
wait_for grep -q '401 .*look at the file of cdn_header=' "$(state_dir)/log"
! grep -rqE 'sesame|X-Token' "$(state_dir)" || fail "a header is in the local state"
umount_volume
