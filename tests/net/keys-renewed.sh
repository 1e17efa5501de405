#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Keys that run out under a running rsync: they are renewed before that, in the background, and at once when the server says ExpiredToken first.
BACKENDS='double: it takes the keys that the stand-in hands out'
. "${0%/*}/../sh/lib.sh"
. "$SRC/tests/lib/key_sources.sh"
requires_fuse
requires rsync
stand_in
export AWS_ENDPOINT_URL_STS="$STAND_IN"
printf '[base]\naws_access_key_id = SOURCEKEY\naws_secret_access_key = sourcesecret\n' >"$HOME/.aws/credentials"
chmod 600 "$HOME/.aws/credentials"
printf '[profile writer]\nrole_arn = arn:aws:iam::123456789012:role/writer\nsource_profile = base\n' >"$HOME/.aws/config"
export AWS_PROFILE=writer
echo 8 >"$ASKED/lifetime"
new_volume
mount_volume settle=50ms
rsync_on
given() {
    [ "$(asked '^AssumeRole')" -ge "$1" ]
}
wait_for given $(($(asked '^AssumeRole') + 1))

# From now on only a server that says so makes them run out.
echo 3600 >"$ASKED/lifetime"
n=$(asked '^AssumeRole')
for i in $(seq "$n"); do
    control POST /credentials "expire ASIA$i"
done
wait_for given $((n + 1))
control POST /credentials "expire ASIA$((n + 1))"
wait_for given $((n + 2))
more_puts 5
rsync_off
umount_volume
