#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The bucket is in another region, or at another endpoint, than the configuration says: S3 refuses what is signed for the wrong one, or sends it elsewhere, and says where. What is under way follows,
# large files in parts too, and what comes later goes there at once.
BACKENDS='double: it has a region, and sends requests elsewhere'
. "${0%/*}/../sh/lib.sh"
requires openssl
bytes 40000000 large >"$TMP/large"

refused() {
    counted code "$1"
}
new_volume region=eu-central-1
[ "$(refused AuthorizationHeaderMalformed)" -gt 0 ] || fail "no signature for another region was refused"
mount_volume region=ap-southeast-2
cp "$TMP/large" "$MNT/large"
echo small >"$MNT/small"
sync_volume
before=$(refused AuthorizationHeaderMalformed)
for n in 1 2 3 4 5; do
    echo "$n" >"$MNT/$n"
done
sync_volume
equals "$(refused AuthorizationHeaderMalformed)" "$before" "refused after the region is known"

# Another address of the same server stands for another region's endpoint.
other=localhost:${S3##*:}
for kind in "put:fail=301,to=$other,region=us-east-1,count=1" "create:fail=301,to=$other,region=us-east-1,count=1" "part:fail=307,to=$other,count=2"; do
    umount_volume
    mount_volume
    rule=$(fault "$kind")
    cp "$TMP/large" "$MNT/large-$rule"
    echo "$rule" >>"$MNT/large-$rule" # another content each time
    sync_volume
    [ "$(fault_hits "$rule")" -gt 0 ] || fail "$kind was not met"
    faults_off
    equals "$("$ASSETFS" status --json "$MNT" | grep -c '"stuck_files":0')" 1 "nothing is stuck after $kind"
done
remount_from_bucket region=eu-west-3
cmp "$TMP/large" "$MNT/large"
for file in "$MNT"/large-*; do
    head -c 40000000 "$file" | cmp - "$TMP/large" || fail "$file is not what was written"
    equals "$(tail -c +40000001 "$file")" "${file##*-}"
done
equals "$(cat "$MNT"/? | tr '\n' ' ')" "1 2 3 4 5 "
equals "$(counted violation)" '{}' "what the double objects to"
umount_volume
