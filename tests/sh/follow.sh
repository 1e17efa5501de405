#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# assetfs log --since and --follow: what has become of each path, with the addresses before and after, for programs that keep links.
. "${0%/*}/lib.sh"
requires python3
# changes SINCE: a line each "sequence change path from old new", addresses as the content's first letters.
changes() {
    "$ASSETFS" log --since "$1" --json "$MNT" >"$TMP/changes.json"
    python3 - "$TMP/changes.json" <<'PY'
import json, sys
for line in open(sys.argv[1]):
    c = json.loads(line)
    assert set(c) == {"sequence", "time", "change", "path", "from", "old", "new"}, c
    short = lambda url: url.rsplit("/", 1)[1][:4] + url[-4:] if url else "-"
    print(c["change"], c["path"], c["from"] or "-", short(c["old"]), short(c["new"]))
PY
}
now() {
    status_value sequence
}
digest() { # four letters of a text's digest, and the end of its name
    printf '%s%s' "$(printf '%s' "$1" | sha256sum | cut -c 1-4)" "$2"
}
ONE=$(digest one .txt) TWO=$(digest two .txt) THREE=$(digest three .txt)
new_volume
mount_volume
mkdir "$MNT/dir"
printf one >"$MNT/dir/a.txt"
: >"$MNT/dir/empty.txt"
ln -s a.txt "$MNT/dir/link"
sync_volume
equals "$(changes 1)" "added /dir/a.txt - - $ONE" "a new file; directories, links and empty files have no address"
equals "$("$ASSETFS" log --since 1 --json "$MNT" | sed 's/.*"new":"\([^"]*\)".*/\1/')" "$(truth url "$MNT/dir/a.txt")"

n=$(now)
"$ASSETFS" log --follow --since "$n" --json "$MNT" >"$TMP/followed" 2>"$TMP/followed.err" & # by number: it may begin after the first change
follower=$!
printf two >"$MNT/dir/a.txt"
sync_volume
equals "$(changes "$n")" "replaced /dir/a.txt - $ONE $TWO" "a write"
n=$(now)
printf three >"$MNT/dir/.new" && mv "$MNT/dir/.new" "$MNT/dir/a.txt" # as most programs save
sync_volume
equals "$(changes "$n" | grep -v '/\.new')" "replaced /dir/a.txt - $TWO $THREE" "a rename over it"
n=$(now)
mv "$MNT/dir/a.txt" "$MNT/b.md"
sync_volume
equals "$(changes "$n" | cut -d ' ' -f 1-4 | sort)" "$(printf 'moved /b.md /dir/a.txt %s\nremoved /dir/a.txt - %s' "$THREE" "$THREE")" "another name, another extension"
case $(changes "$n" | sed -n 's/^moved .* //p') in *.md) ;; *) fail "the new address has the old extension" ;; esac
n=$(now)
ln "$MNT/b.md" "$MNT/dir/c.md"
sync_volume
equals "$(changes "$n" | cut -d ' ' -f 1-4)" "added /dir/c.md - -" "a further name"
n=$(now)
printf one >"$MNT/dir/c.md"
sync_volume
equals "$(changes "$n" | cut -d ' ' -f 1-3 | sort)" "$(printf 'replaced /b.md -\nreplaced /dir/c.md -')" "a write to both names"
n=$(now)
mv "$MNT/dir" "$MNT/other"
sync_volume
equals "$(changes "$n")" "moved /other /dir - -" "a directory"
n=$(now)
rm -r "$MNT/other" "$MNT/b.md"
sync_volume
equals "$(changes "$n" | cut -d ' ' -f 1-3 | sort)" "$(printf 'removed /b.md -\nremoved /other/c.md -')" "all of it"

# The follower has seen all of it as it came, and goes on from a number after a pause, also over an unmount.
last=$(now)
is_told() {
    grep -q "\"sequence\":$last," "$TMP/followed"
}
wait_for is_told
changes 1 >/dev/null
cmp "$TMP/followed" - <<END || fail "the follower has seen something else"
$(sed 1d "$TMP/changes.json")
END
umount_volume
status=0
wait "$follower" || status=$?
equals "$status $(cat "$TMP/followed.err")" "1 assetfs: $MNT: the mount has ended, or nobody has read its lines for ten seconds; go on with --since"
mount_volume
"$ASSETFS" log --since 1 --json "$MNT" | cmp - "$TMP/changes.json" || fail "changes are lost over an unmount"
equals "$(changes "$(now)")" ''
"$ASSETFS" log --since 1 "$MNT" | grep -q "^$((last))  .*  removed   /b.md\$" || fail "no line for people: $("$ASSETFS" log --since 1 "$MNT")"

# A host that began later does not know what was before, and says what to do.
mount_volume "cache_dir=$TMP/second" "$TMP/mnt2"
expect 1 "$ASSETFS" log --since 1 --json "$TMP/mnt2"
says "follow --since $last"
"$ASSETFS" log --since "$last" --json --follow "$TMP/mnt2" >"$TMP/followed2" 2>/dev/null &
printf four >"$MNT/d.txt"
is_told2() {
    grep -q '"change":"added","path":"/d.txt"' "$TMP/followed2"
}
wait_for is_told2
umount_volume "$TMP/mnt2"
umount_volume

# What cannot be asked.
for wrong in '--since x' '--since -1' '-n 3 --follow' '-n 3 --since 2'; do
    # shellcheck disable=SC2086 # words
    expect 2 "$ASSETFS" log $wrong "$MNT"
done
expect 1 "$ASSETFS" log --follow /
says 'not an assetfs mount'
