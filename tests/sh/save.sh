#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# How editors and office programs save: a new file renamed over the old one, a backup made by rename or by link, a swap file beside it. Old content never
# comes back, and nothing of the temporary names stays.
. "${0%/*}/lib.sh"
requires getfattr
new_volume
mount_volume
echo "version 0" >"$MNT/text"
chmod 640 "$MNT/text"
sync_volume

# vim: swap file, backup by rename, new file under the name, backup away.
vim_saves() {
    echo swap >"$MNT/.text.swp"
    mv "$MNT/text" "$MNT/text~"
    echo "$1" >"$MNT/text"
    chmod 640 "$MNT/text"
    sync "$MNT/text"
    rm "$MNT/text~" "$MNT/.text.swp"
}
# GNOME, LibreOffice, rsync: a temporary name, then rename over it.
gnome_saves() {
    echo "$1" >"$MNT/.goutputstream-ABC123"
    chmod 640 "$MNT/.goutputstream-ABC123"
    mv -f "$MNT/.goutputstream-ABC123" "$MNT/text"
}
# emacs: backup by link, then written in place.
emacs_saves() {
    ln -f "$MNT/text" "$MNT/text~" && rm "$MNT/text~"
    echo "$1" >"$MNT/text"
}

for n in 1 2 3 4 5; do
    for save in vim_saves gnome_saves emacs_saves; do
        $save "version $n by $save"
        equals "$(cat "$MNT/text")" "version $n by $save"
    done
done
umount_volume
lose_local_state
mount_volume
equals "$(cat "$MNT/text")" "version 5 by emacs_saves"
equals "$(ls -A "$MNT")" text
equals "$(stat -c %a "$MNT/text")" 640

# The real one, where it is installed.
if command -v vim >/dev/null && vim --version | grep -q '^VIM'; then
    vim -u NONE -i NONE -n -es -c 'set backup writebackup backupcopy=no backupskip=' -c '%s/version/Version/' -c 'wq' "$MNT/text" </dev/null
    remount_from_bucket
    equals "$(cat "$MNT/text")" "Version 5 by emacs_saves"
    equals "$(cat "$MNT/text~")" "version 5 by emacs_saves"
fi
umount_volume
