#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The examples of assetfs(1) about credentials, used as they are printed there; only where S3, the CDN and STS are is said beside them.
BACKENDS='double: it takes the keys that the stand-in hands out'
PRIVATE_MOUNTS=yes
. "${0%/*}/../sh/lib.sh"
. "$SRC/tests/lib/manual.sh"
. "$SRC/tests/lib/key_sources.sh"
requires_fuse
stand_in
# Nothing of this machine is touched.
mkdir -p /run/secrets
mount -t tmpfs none /run/secrets
mount -t tmpfs none /usr/local/bin
cleanup_fn 'umount /run/secrets /usr/local/bin'
umask 077
HERE=endpoint=$S3,path_style,cdn=$CDN
config=$XDG_CONFIG_HOME/assetfs/assetfs.conf
VOLUME=pictures
example keys-role-volume | sed '/^profile/d' >"$config"

# works NAME: with what is set up now, a file gets into the bucket.
works() {
    mount_volume "$HERE"
    echo "$1" >"$MNT/$1"
    sync_volume
    umount_volume
}

# The keys of AWS's documentation may write, and stand for whoever may assume a role.
example keys-profile >"$HOME/.aws/credentials"
access=$(sed -n 's/^aws_access_key_id = //p' "$HOME/.aws/credentials")
secret=$(sed -n 's/^aws_secret_access_key = //p' "$HOME/.aws/credentials")
control POST /credentials "writer $access $secret"
new_volume "$HERE"
works profile
equals "$(asked .)" 0

example keys-environment >"$TMP/environment.sh"
mv "$HOME/.aws/credentials" "$TMP/credentials"
# shellcheck disable=SC1091 # out of the manual
(. "$TMP/environment.sh" && works environment)
mv "$TMP/credentials" "$HOME/.aws/credentials"

echo "$access $secret" >"$ASKED/known"
example keys-role >"$HOME/.aws/config"
example keys-role-volume >"$config"
export AWS_ENDPOINT_URL_STS="$STAND_IN"
works role
equals "$(asked "^AssumeRole arn:aws:iam::123456789012:role/pictures-writer $access")" 1

cat >/usr/local/bin/vault-keys <<SH
#!/bin/sh
[ "\$*" = '--role pictures writer' ] && echo '{"Version": 1, "AccessKeyId": "$access", "SecretAccessKey": "$secret"}' && echo run >>"$ASKED/log"
SH
chmod +x /usr/local/bin/vault-keys
example keys-process >"$HOME/.aws/config"
rm "$HOME/.aws/credentials"
works process
equals "$(asked '^run')" 1

rm "$HOME/.aws/config"
sed -i '/^profile/d' "$config"
example keys-web-identity >"$TMP/web.sh"
mkdir -p /run/secrets/eks.amazonaws.com/serviceaccount
echo a-token >/run/secrets/eks.amazonaws.com/serviceaccount/token
echo a-token >"$ASKED/web-token"
# shellcheck disable=SC1091 # out of the manual
(. "$TMP/web.sh" && works web)
equals "$(asked '^AssumeRoleWithWebIdentity arn:aws:iam::123456789012:role/pictures-writer web')" 1

example keys-container | sed "s|http://169.254.170.23/v1/credentials|$STAND_IN/container|" >"$TMP/container.sh"
mkdir -p /run/secrets/pods.eks.amazonaws.com/serviceaccount
echo a-token >/run/secrets/pods.eks.amazonaws.com/serviceaccount/token
echo a-token >"$ASKED/container-token"
# shellcheck disable=SC1091 # out of the manual
(. "$TMP/container.sh" && works container)
equals "$(asked '^keys /container')" 1

unset AWS_EC2_METADATA_DISABLED
(export AWS_EC2_METADATA_SERVICE_ENDPOINT="$STAND_IN" && works instance)
equals "$(asked '^keys .*/the-role')" 1
example keys-no-instance >"$TMP/none.sh"
# shellcheck disable=SC1091 # out of the manual
(. "$TMP/none.sh" && expect 1 "$ASSETFS" init --public -o "$HERE,prefix=other" "$VOLUME" && says 'no AWS credentials.*AWS_EC2_METADATA_DISABLED is set')

export AWS_EC2_METADATA_DISABLED=true
mkdir -p /run/secrets/aws/..1
ln -s ..1 /run/secrets/aws/..data
ln -s ..data/credentials /run/secrets/aws/credentials
example keys-profile >/run/secrets/aws/..1/credentials
example keys-secret >"$TMP/secret.sh"
# shellcheck disable=SC1091 # out of the manual
(. "$TMP/secret.sh" && works secret)
