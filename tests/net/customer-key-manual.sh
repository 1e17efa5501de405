#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The example of assetfs(1) about a customer key, used as it is printed there; only where S3 is is said beside it.
# shellcheck disable=SC2034
BACKENDS='real: the double has no TLS, over which alone a customer key may go'
PRIVATE_MOUNTS=yes
. "${0%/*}/../sh/lib.sh"
. "$SRC/tests/lib/manual.sh"
requires openssl
mkdir -p /etc/assetfs
mount -t tmpfs none /etc/assetfs
cleanup_fn 'umount /etc/assetfs'
HERE=endpoint=$S3_URL,path_style,ca_file=$CA_FILE,prefix=.$PREFIX
VOLUME=papers
MNT=$HOME/papers
PUBLIC=
export AWS_ACCESS_KEY_ID=OWNERKEY AWS_SECRET_ACCESS_KEY=ownersecret

run_example make-customer-key
example customer-key >"$XDG_CONFIG_HOME/assetfs/assetfs.conf"
new_volume "$HERE"
mount_volume "$HERE"
run_example customer-area
mkdir "$MNT/private"
echo "a paper of $PREFIX" >"$MNT/private/paper.txt"
remount_from_bucket "$HERE"
equals "$(cat "$MNT/private/paper.txt")" "a paper of $PREFIX"
expect 22 as_owner GET "papers/$(truth key "$MNT/private/paper.txt")" # curl's for an answer from 400 on
grep -q ' 400' "$TMP/err" || fail "read without the key: $(cat "$TMP/err")"

# Another key: what was there is put anew under it, and a host that comes then needs both for what it reads of the past, this one for what is there now.
old=$(truth key "$MNT/private/paper.txt")
(run_example rotate-customer-key)
grep -q '^1 file looked at, 1 moved' "$TMP/out" || fail "apply: $(cat "$TMP/out")"
equals "$(wc -l </etc/assetfs/papers.key) $(stat -c %a /etc/assetfs/papers.key)" '2 600'
new=$(truth key "$MNT/private/paper.txt")
[ "$new" != "$old" ] || fail "it is where it was"
remount_from_bucket "$HERE"
equals "$(cat "$MNT/private/paper.txt")" "a paper of $PREFIX"
umount_volume
lose_local_state
sed -i 2d /etc/assetfs/papers.key
mount_volume "$HERE"
equals "$(cat "$MNT/private/paper.txt")" "a paper of $PREFIX"
umount_volume
