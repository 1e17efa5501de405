#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The examples of assetfs(1) about a volume in a directory, run as they are printed there: the first steps, a copy, fstab, another host, a new volume key.
# shellcheck disable=SC2034
BACKENDS='dir: the examples name one'
PRIVATE_MOUNTS=yes
. "${0%/*}/lib.sh"
. "$SRC/tests/lib/manual.sh"
requires rsync
requires_fuse
mount -t tmpfs none /srv
mkdir -p /etc/assetfs
mount -t tmpfs none /etc/assetfs
cleanup_fn 'umount -l /srv /etc/assetfs'

run_example first
id=$(sed -n 's/^Key \([0-9a-f]*\) is in .*/\1/p' "$TMP/out")
cd "$TMP"
mkdir pictures
echo logo >pictures/logo.png
run_example copy
grep -qx 'file:///srv/bucket/files/[0-9a-f]*.png' "$TMP/out" || fail "no address: $(cat "$TMP/out")"
"$ASSETFS" umount "$HOME/assets"

# What mount(8) makes of the line in fstab, with the configuration that goes with it.
printf '%s\n' '[volume pictures]' 'url = file:///srv/bucket' >/etc/assetfs/assetfs.conf
example fstab >"$TMP/fstab"
read -r device dir type options _ <"$TMP/fstab"
equals "$type $(wc -l <"$TMP/fstab")" 'assetfs 1'
ln -s "$ASSETFS" "$TMP/mount.assetfs"
mkdir -p "$dir"
cleanup_fn "fusermount3 -uzq $dir"
"$TMP/mount.assetfs" "$device" "$dir" -o "$options"
equals "$(cat "$dir/pictures/logo.png")" logo
"$ASSETFS" umount "$dir"

# A configuration with two volumes, one of which cannot be written to.
mkdir -p /home "$TMP/scratch"
mount -t tmpfs none /home
mkdir /home/anna
cleanup_fn 'umount -l /home'
cp /etc/assetfs/assetfs.conf "$TMP/conf"
example configuration >/etc/assetfs/assetfs.conf
"$ASSETFS" init pictures >"$TMP/init.out"
"$ASSETFS" init scratch >"$TMP/init.out"
"$ASSETFS" mount scratch "$TMP/scratch"
echo draft >"$TMP/scratch/draft"
[ -e "$HOME/scratch-cache/tree.db" ] || fail "its local state is elsewhere"
"$ASSETFS" umount "$TMP/scratch"
"$ASSETFS" mount pictures "$TMP/scratch"
! touch "$TMP/scratch/new" 2>"$TMP/err" || fail "it can be written to"
"$ASSETFS" umount "$TMP/scratch"
rm -r /srv/pictures
cp "$TMP/conf" /etc/assetfs/assetfs.conf

# Another host, which ssh leads to.
cat >"$TMP/bin/ssh" <<SH
#!/bin/sh
[ "\$1" = other ] || exit 1
shift
export XDG_CONFIG_HOME=$TMP/other XDG_CACHE_HOME=$TMP/other-cache
exec "\$@"
SH
chmod +x "$TMP/bin/ssh"
run_example other-host
mkdir -p "$TMP/other-mnt" /srv/pictures
XDG_CONFIG_HOME=$TMP/other XDG_CACHE_HOME=$TMP/other-cache "$ASSETFS" mount -o poll=100ms file:///srv/bucket "$TMP/other-mnt"
"$ASSETFS" mount file:///srv/bucket /srv/pictures
cleanup_fn 'fusermount3 -uzq /srv/pictures'

# A new volume key: made here, brought there, taken into use. Its id is another one than the manual's.
example key-rotate >"$TMP/rotate.sh"
equals "$(wc -l <"$TMP/rotate.sh")" 3
PATH=$TMP/bin:$PATH
sed -n 1p "$TMP/rotate.sh" | sh -e >"$TMP/new"
new=$(sed -n 's/^Key \([0-9a-f]*\) is in .*/\1/p' "$TMP/new")
[ "$new" != "$id" ] || fail "no new key: $(cat "$TMP/new")"
sed -n 2p "$TMP/rotate.sh" >"$TMP/import.sh"
sed -n 's/^ *\(assetfs1-.*\)$/\1/p' "$TMP/new" | XDG_CONFIG_HOME=$TMP/other XDG_CACHE_HOME=$TMP/other-cache sh -e "$TMP/import.sh" >"$TMP/imported"
sed -n 3p "$TMP/rotate.sh" | sed "s/0123456789abcdef/$new/" | sh -e >"$TMP/rotated"
echo after >/srv/pictures/after
"$ASSETFS" sync /srv/pictures
wait_for sh -c "[ \"\$(cat '$TMP/other-mnt/after' 2>/dev/null)\" = after ]"
equals "$(status_value read_only "$TMP/other-mnt")" false
"$ASSETFS" umount "$TMP/other-mnt"
"$ASSETFS" umount /srv/pictures
