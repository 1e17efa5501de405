#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Samba gives the mount to Macs and Windows machines, with the example configuration as it is shipped (man/examples/smb.conf): put, get, rename, replace, delete,
# directories, a file with a Mac's resource fork and Finder info, names as Macs write them. All of it is in the bucket alone afterwards.
LIMIT=240
. "${0%/*}/lib.sh"
PATH=$PATH:/usr/sbin
requires smbd smbclient getfattr openssl python3
requires_root "smbd"
new_volume
mount_volume allow_other,durability=local
chmod 1777 "$MNT"

# A server of our own: everything it writes is in $TMP, it listens on loopback only. The example's path and user are the only things replaced.
samba=$TMP/samba
mkdir -p "$samba/private" "$samba/lock" "$samba/state" "$samba/cache" "$samba/pid" "$samba/rpc"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$samba/smb.conf" <<END
[global]
    server role = standalone server
    map to guest = bad user
    guest account = nobody
    interfaces = 127.0.0.1/8
    bind interfaces only = yes
    smb ports = $port
    disable netbios = yes
    load printers = no
    disable spoolss = yes
    private dir = $samba/private
    lock directory = $samba/lock
    state directory = $samba/state
    cache directory = $samba/cache
    pid directory = $samba/pid
    ncalrpc dir = $samba/rpc
    log file = $samba/log
    max log size = 0
    usershare max shares = 0
$(sed "s|path = /srv/assets|path = $MNT|; s|force user = assets|force user = root\n    guest ok = yes|" "$SRC/man/examples/smb.conf")
END
testparm -s "$samba/smb.conf" >"$samba/parsed" 2>"$samba/warnings" || fail "testparm: $(cat "$samba/warnings")"
! grep -iE 'unknown|ignor|error' "$samba/warnings" || fail "testparm does not like the example"
start_server() {
    smbd --foreground -s "$samba/smb.conf" --debug-stdout >"$samba/out" 2>&1 &
    smbd=$!
    wait_for server_answers
}
server_answers() {
    smb ls
}
smb() {
    smbclient -s "$samba/smb.conf" -p "$port" -N //127.0.0.1/assets -c "$*"
}
stop_server() {
    kill "$smbd" 2>/dev/null || return 0
    wait "$smbd" 2>/dev/null || true
}
cleanup_fn stop_server
start_server
cd "$TMP"

# What the client says; it says errors and exits with 0 for some of them.
client() {
    smb "$*" >"$TMP/said" 2>&1 || fail "$*: $(cat "$TMP/said")"
    ! grep -q NT_STATUS "$TMP/said" || fail "$*: $(cat "$TMP/said")"
}
refused() {
    local status="$1"
    shift
    smb "$*" >"$TMP/said" 2>&1 || true
    grep -q "$status" "$TMP/said" || fail "not $status: $*: $(cat "$TMP/said")"
}

bytes 3000000 1 >picture.jpg
bytes 100000 2 >second.jpg
bytes 60000 3 >resource
mkdir got

client mkdir dir
client put picture.jpg 'dir\picture.jpg'
client get 'dir\picture.jpg' got/picture.jpg
cmp picture.jpg got/picture.jpg
cmp picture.jpg "$MNT/dir/picture.jpg"
client put second.jpg 'dir\second.jpg'
client rename 'dir\second.jpg' 'dir\renamed.jpg'
refused OBJECT_NAME_COLLISION rename 'dir\renamed.jpg' 'dir\picture.jpg'
client put second.jpg 'dir\picture.jpg'
cmp second.jpg "$MNT/dir/picture.jpg" || fail "a file was not replaced"
client put picture.jpg 'dir\gone.jpg'
client del 'dir\gone.jpg'
[ ! -e "$MNT/dir/gone.jpg" ] || fail "del left the file"
refused DIRECTORY_NOT_EMPTY rmdir dir
client mkdir away
client rmdir away
client mkdir 'dir\deeper'
client rename dir moved
client rename 'MOVED\PICTURE.JPG' '"moved\Picture (1).jpg"' # any case will do
equals "$(ls "$MNT/moved" | tr '\n' ' ')" "Picture (1).jpg deeper renamed.jpg "
client put second.jpg "$(printf 'moved\\gr\303\274n.jpg')"
client put second.jpg "$(printf 'moved\\u\314\210.jpg')"
client setmode 'moved\renamed.jpg' +h
client allinfo 'moved\renamed.jpg'
grep -q '^attributes: .*H' "$TMP/said" || fail "no hidden attribute: $(cat "$TMP/said")"
client utimes 'moved\renamed.jpg' -1 2020:02:03-04:05:06 2020:02:03-04:05:06 -1

# A Mac's file: Finder info (type and creator) and a resource fork, as streams. Another stream, as Windows marks downloads.
python3 -c 'import sys; sys.stdout.buffer.write(b"AFP\0" + bytes([0, 0, 1, 0]) + bytes(8) + b"8BPS8BIM" + bytes(24) + bytes(12))' >afpinfo
client put picture.jpg mac.psd
client put resource mac.psd:AFP_Resource
client put afpinfo mac.psd:AFP_AfpInfo
printf '[ZoneTransfer]\r\nZoneId=3\r\n' >zone
client put zone mac.psd:Zone.Identifier
has_streams() {
    client allinfo mac.psd
    grep -q 'AFP_Resource.*60000' "$TMP/said" || fail "no resource fork: $(cat "$TMP/said")"
    client get mac.psd:AFP_Resource got/resource
    cmp resource got/resource || fail "another resource fork"
    client get mac.psd:AFP_AfpInfo got/afpinfo
    cmp afpinfo got/afpinfo || fail "another Finder info"
    client get mac.psd:Zone.Identifier got/zone
    cmp zone got/zone || fail "another stream"
    client get mac.psd got/mac.psd
    cmp picture.jpg got/mac.psd || fail "another content"
}
has_streams
getfattr -d -m . "$MNT/mac.psd" 2>/dev/null | grep -q '^user.DosStream.AFP_Resource' || fail "the resource fork is no attribute: $(getfattr -m . "$MNT/mac.psd")"
[ -z "$(find "$MNT" -name '._*')" ] || fail "there are ._ files: $(find "$MNT" -name '._*')"
# Saved as Photoshop does it: a new file gets the name of the old one.
client put second.jpg ps8F3A.tmp
client rename ps8F3A.tmp other.psd -f
client put picture.jpg ps8F3B.tmp
client rename ps8F3B.tmp other.psd -f
cmp picture.jpg "$MNT/other.psd"
# What Explorer and Finder show of the disk.
client du
smb ls >"$TMP/said"
sed -n 's/^[[:space:]]*\([0-9]*\) blocks of size \([0-9]*\)\. \([0-9]*\) blocks available$/\1 \2 \3/p' "$TMP/said" >sizes
read -r blocks size available <sizes || fail "no sizes: $(cat "$TMP/said")"
[ "$((available * size))" -gt $((1 << 40)) ] && [ "$available" -le "$blocks" ] || fail "$blocks blocks of $size, $available available"

# A directory of many, by mget as a program would.
mkdir many
n=0
while [ "$n" -lt 200 ]; do
    n=$((n + 1))
    echo "file $n" >"many/file-$n"
done
client 'recurse ON; prompt OFF; mput many'
client "recurse ON; prompt OFF; lcd got; mget many"
diff -r many got/many || fail "other files came back"

tree() (
    cd "$MNT"
    find . -printf '%P %y %m %U %T@ %s\n' | sort
    find . -type f -print0 | sort -z | xargs -0 sha256sum
    getfattr -R -d -m '^user' -e hex . 2>/dev/null
)
stop_server
sync_volume
tree >"$TMP/tree"
umount_volume
lose_local_state
mount_volume allow_other,durability=local
tree | diff "$TMP/tree" - >&2 || fail "another tree after a remount"
start_server
has_streams
client get '"moved\Picture (1).jpg"' got/again.jpg
cmp second.jpg got/again.jpg
client allinfo 'moved\renamed.jpg'
grep -q '^attributes: .*H' "$TMP/said" || fail "the hidden attribute is gone: $(cat "$TMP/said")"
client "deltree moved"
[ ! -e "$MNT/moved" ] || fail "deltree left $(find "$MNT/moved")"
stop_server
umount_volume
