#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Roles of profiles: with the keys of a source profile, of the environment, and of another role.
BACKENDS='double: it takes the keys that the stand-in hands out'
. "${0%/*}/../sh/lib.sh"
. "$SRC/tests/lib/key_sources.sh"
requires_fuse
stand_in
export AWS_ENDPOINT_URL_STS="$STAND_IN"
cat >"$HOME/.aws/credentials" <<'INI'
[base]
aws_access_key_id = SOURCEKEY
aws_secret_access_key = sourcesecret
INI
chmod 600 "$HOME/.aws/credentials"
cat >"$HOME/.aws/config" <<'INI'
[profile writer]
role_arn = arn:aws:iam::123456789012:role/assets-writer
source_profile = base
external_id = agreed
duration_seconds = 900

[profile chained]
role_arn = arn:aws:iam::123456789012:role/second
source_profile = writer

[profile environment]
role_arn = arn:aws:iam::123456789012:role/third
credential_source = Environment

[profile denied]
role_arn = arn:aws:iam::123456789012:role/denied
source_profile = base
INI
echo "profile = writer" >>"$XDG_CONFIG_HOME/assetfs/assetfs.conf"
put_and_read
[ "$(asked '^AssumeRole arn:aws:iam::123456789012:role/assets-writer SOURCEKEY agreed$')" -ge 1 ] || fail "not asked: $(cat "$ASKED/log")"
umount_volume

: >"$ASKED/log"
mount_volume profile=chained
echo chained >"$MNT/chained"
sync_volume
umount_volume
equals "$(asked '^AssumeRole .*:role/assets-writer SOURCEKEY')" 1
equals "$(asked '^AssumeRole .*:role/second ASIA')" 1

AWS_ACCESS_KEY_ID=SOURCEKEY AWS_SECRET_ACCESS_KEY=sourcesecret "$ASSETFS" mount -o profile=environment "$VOLUME" "$MNT"
echo third >"$MNT/third"
umount_volume
equals "$(asked '^AssumeRole .*:role/third SOURCEKEY')" 1

# What STS refuses is said, with what to do.
expect 1 "$ASSETFS" init --public -o profile=denied,prefix=other "$VOLUME"
says 'AccessDenied.*trust policy'
! grep -rq 'sourcesecret\|secret-of-\|token-of-' "$XDG_CACHE_HOME" || fail "a secret is in the state or the log"
