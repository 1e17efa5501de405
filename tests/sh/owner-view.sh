#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Owner and mode are kept as they are given; uid=, gid=, umask=, fmode= and dmode= show others and change nothing.
. "${0%/*}/lib.sh"
requires_root 'it gives files to others'
new_volume
mount_volume
mkdir "$MNT/dir"
echo data >"$MNT/dir/file"
ln -s file "$MNT/dir/link"
chown 1234:2345 "$MNT/dir" "$MNT/dir/file"
chown -h 1234:2345 "$MNT/dir/link"
chmod 2751 "$MNT/dir"
chmod 4640 "$MNT/dir/file"

# view: dir, file and link as a program sees them
view() { stat -c '%u %g %a' "$MNT/dir" "$MNT/dir/file" "$MNT/dir/link" | tr '\n' ,; }
equals "$(view)" '1234 2345 2751,1234 2345 4640,1234 2345 777,'

# shown OPTIONS EXPECTED
shown() {
    umount_volume
    mount_volume "$1"
    equals "$(view)" "$2" "with $1"
}
shown uid=7,gid=8 '7 8 2751,7 8 4640,7 8 777,'
shown umask=027 '1234 2345 2750,1234 2345 4640,1234 2345 750,'
shown fmode=0664 '1234 2345 2751,1234 2345 4664,1234 2345 777,'
shown dmode=0775 '1234 2345 2775,1234 2345 4640,1234 2345 777,'
shown fmode=0666,dmode=0777,umask=002 '1234 2345 2775,1234 2345 4664,1234 2345 775,'

# The kernel checks what it is shown.
may_read() { setpriv --reuid 7 --regid 8 --clear-groups cat "$MNT/dir/file" >"$TMP/out" 2>"$TMP/err"; }
chmod 711 "$TMP"
shown allow_other,uid=7,gid=8 '7 8 2751,7 8 4640,7 8 777,'
may_read || fail "its owner, as it is shown, may not read it: $(cat "$TMP/err")"
shown allow_other '1234 2345 2751,1234 2345 4640,1234 2345 777,'
! may_read || fail "somebody else may read it"
# Without allow_other nobody else gets in, with allow_root nobody but root.
shown allow_root,uid=7 '7 2345 2751,7 2345 4640,7 2345 777,'
! may_read || fail "allow_root let in somebody else"

# What is kept has not changed, here and for others.
remount_from_bucket
equals "$(view)" '1234 2345 2751,1234 2345 4640,1234 2345 777,'
umount_volume
