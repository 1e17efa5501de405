#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The examples of assetfs(1) about an area with rules of several kinds, one under a KMS key, and a second machine, run as they are printed there. (areas.sh has the first example of areas.)
# shellcheck disable=SC2034
BACKENDS='double: it knows KMS'
PRIVATE_MOUNTS=yes
. "${0%/*}/lib.sh"
. "$SRC/tests/lib/manual.sh"
mount -t tmpfs none /srv
cleanup_fn 'umount /srv'
sed -i 's/^\[volume test\]$/[volume pictures]/' "$XDG_CONFIG_HOME/assetfs/assetfs.conf"
VOLUME=pictures
MNT=$HOME/assets
new_volume
mount_volume

run_example kms
mkdir "$MNT/contracts"
echo contract >"$MNT/contracts/contract.txt"
sync_volume
python3 - "$(truth url "$MNT/contracts/contract.txt")" <<'PY'
import sys, urllib.request
with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=20) as answer:
    h = answer.headers
assert h["x-amz-server-side-encryption"] == "aws:kms", h
assert h["x-amz-server-side-encryption-aws-kms-key-id"] == "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", h
assert h["x-amz-server-side-encryption-bucket-key-enabled"] == "true", h
PY
# Words of other kinds; the writer may tag.
mkdir "$MNT/campaigns"
echo older >"$MNT/campaigns/spring.html"
sync_volume
set_double tagging=1
run_example area-words
tail -n 1 "$TMP/out" | grep -qx '1 file looked at, 1 moved to where the rules say.' || fail "apply: $(cat "$TMP/out")"
truth key "$MNT/campaigns/spring.html" | grep -Eqx 'campaigns/[0-9]{4}-[0-9]{2}-[0-9]{2}/[0-9a-f]{32}\.html' || fail "another key: $(truth key "$MNT/campaigns/spring.html")"
python3 - "$(truth url "$MNT/campaigns/spring.html")" <<'PY'
import sys, urllib.request
with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=20) as answer:
    h = answer.headers
assert h["x-amz-storage-class"] == "STANDARD_IA" and h["Content-Disposition"] == "inline" and h["x-amz-tagging-count"] == "1", h
PY
umount_volume

# Another machine.
cd "$TMP"
run_example invite
equals "$(stat -c %a pictures.invitation)" 600
lose_local_state
rm -r "$XDG_CONFIG_HOME"
mkdir -p /srv/pictures
run_example join
grep -q '^It is written with the keys out of ' "$TMP/out" || fail "join: $(cat "$TMP/out")"
equals "$(cat /srv/pictures/contracts/contract.txt)" contract
"$ASSETFS" umount /srv/pictures
