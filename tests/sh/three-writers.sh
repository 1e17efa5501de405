#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Real programs on three mounts at the same time: rsync against rsync, an editor against renames, mkdir against mkdir. In the end all three show the same, byte for byte, and so does a host
# that has only the bucket; nothing that was written is missing.
. "${0%/*}/lib.sh"
requires rsync
A=$TMP/mnt-a B=$TMP/mnt-b C=$TMP/mnt-c
new_volume
for host in a b c; do
    mount_volume "cache_dir=$TMP/$host,host_label=$host,poll=200ms,settle=100ms" "$TMP/mnt-$host"
done

# Two trees with files in common, some of them different.
mkdir -p "$TMP/one/deep/er" "$TMP/two/deep/er"
for n in 1 2 3 4 5 6 7 8; do
    echo "the same $n" | tee "$TMP/one/deep/same-$n" >"$TMP/two/deep/same-$n"
    echo "one $n" >"$TMP/one/deep/er/differs-$n"
    echo "two $n" >"$TMP/two/deep/er/differs-$n"
    echo "only one $n" >"$TMP/one/one-$n"
    echo "only two $n" >"$TMP/two/two-$n"
done
rsync_into() {
    rsync -a "$1/" "$2/tree/" || fail "rsync into $2"
}
edit() {
    for n in 1 2 3 4 5 6; do
        { echo "edited $n" >"$1/text.swp" && mv "$1/text.swp" "$1/text"; } 2>/dev/null || : # the directory may have another name by now
    done
}
rename_round() {
    for n in 1 2 3; do
        mv "$1/work" "$1/work-$n" 2>/dev/null || true
        mv "$1/work-$n" "$1/work" 2>/dev/null || true
    done
}
make_many() {
    for n in 1 2 3 4 5; do
        mkdir -p "$1/made/$n"
        echo "$2" >"$1/made/$n/$2"
    done
}
mkdir "$A/work"
echo begin >"$A/work/text"
sync_volume "$A"
wait_for test -e "$C/work/text"

(rsync_into "$TMP/one" "$A") & jobs=$!
(rsync_into "$TMP/two" "$B") & jobs="$jobs $!"
(edit "$B/work") & jobs="$jobs $!"
(rename_round "$C") & jobs="$jobs $!"
for host in a b c; do
    (make_many "$TMP/mnt-$host" "$host") & jobs="$jobs $!"
done
for job in $jobs; do
    wait "$job" || fail "one of the programs failed"
done

# Until nobody has anything left to say.
settled() {
    for host in a b c; do
        sync_volume "$TMP/mnt-$host"
    done
    [ "$(status_value sequence "$A")" = "$(status_value sequence "$B")" ] && [ "$(status_value sequence "$B")" = "$(status_value sequence "$C")" ]
}
wait_for settled
same_tree "$A" "$B"
same_tree "$B" "$C"

# Everything is there; of what both have, an rsync that came later may have seen the other's and left it, or replaced it knowingly.
find "$A" -type f -exec cat {} + | sort >"$TMP/all"
find "$TMP/one" "$TMP/two" -type f ! -name 'differs-*' -exec cat {} + | sort -u >"$TMP/wanted"
for host in a b c; do
    for _ in 1 2 3 4 5; do echo "$host"; done
done >>"$TMP/wanted"
sort -o "$TMP/wanted" "$TMP/wanted"
equals "$(comm -23 "$TMP/wanted" "$TMP/all")" "" "lines that are missing"
equals "$(find "$A/tree/deep" -name 'same-*' | wc -l)" 8 "files that both wrote alike"
for n in 1 2 3 4 5 6 7 8; do
    case $(cat "$A/tree/deep/er/differs-$n") in
    "one $n" | "two $n") ;;
    *) fail "differs-$n is '$(cat "$A/tree/deep/er/differs-$n")'" ;;
    esac
done
equals "$(find "$A/tree/deep/er" -type f -exec cat {} + | grep -vcE '^(one|two) [1-8]$')" 0 "lines that nobody wrote"
equals "$(find "$A" -path '*/made/*' -type d | wc -l)" 5 "directories that all three made"
for host in a b c; do
    umount_volume "$TMP/mnt-$host"
done
mount_volume
mount_volume "cache_dir=$TMP/a,host_label=a" "$A"
same_tree "$A" "$MNT"
umount_volume
umount_volume "$A"
