#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# --help, the -o parser, the configuration file's parser and assetfs(1) know the same options, and the same commands.
BACKENDS='dir: it looks at no bucket'
. "${0%/*}/lib.sh"
set -eu

page=$SRC/man/assetfs.1
ln -s "$(command -v "$ASSETFS")" "$TMP/mount.assetfs"
export XDG_CONFIG_HOME="$TMP/config" HOME="$TMP"
mkdir -p "$XDG_CONFIG_HOME/assetfs"

# Checks -o LIST for a volume, without mounting (mount(8)'s "fake").
accepts() {
    "$TMP/mount.assetfs" -f "$1" /nonexistent -o "$2" 2>"$TMP/error"
}

# Writes a configuration with one more line.
configure() {
    printf '[volume v]\nurl = file:///srv/bucket\n%s\n' "$1" >"$XDG_CONFIG_HOME/assetfs/assetfs.conf"
}

# A value that fits the argument of an option, or nothing for a flag.
sample() {
    case $1 in
    '') ;;
    FILE | DIR) echo /x ;;
    SIZE) echo 2M ;;
    TIME) echo 2s ;;
    NUMBER) echo 7 ;;
    URL) echo https://localhost ;;
    OCTAL) echo 022 ;;
    'SEQ|TIME|now') echo now ;;
    UID | GID) echo 7 ;;
    NAME) echo name ;;
    PATTERN:...) echo '*.x:y' ;;
    *'|'*) echo "${1%%|*}" ;;
    *) fail "this test has no sample of $1" ;;
    esac
}

# What an option cannot be without.
needs() {
    case $1 in
    cdn_key_file) echo ,cdn_key_id=K1,cdn=https://localhost ;;
    cdn_key_id) echo ,cdn_key_file=/x,cdn=https://localhost ;;
    cdn_header) echo ,cdn=https://localhost ;;
    esac
}

# The manual's list is the generated one.
"$ASSETFS" help --options-mdoc >"$TMP/generated"
sed -n '/^\.\\" options begin$/,/^\.\\" options end$/p' "$page" | sed '1d;$d' >"$TMP/manual"
diff -u "$TMP/generated" "$TMP/manual" >&2 || fail "the options in $page are not those of src/base/options.h"

# So is that of refusals.
"$ASSETFS" help --refusals-mdoc >"$TMP/generated-refusals"
sed -n '/^\.\\" refusals begin$/,/^\.\\" refusals end$/p' "$page" | sed '1d;$d' >"$TMP/manual-refusals"
[ -s "$TMP/generated-refusals" ] || fail "no refusals are printed"
diff -u "$TMP/generated-refusals" "$TMP/manual-refusals" >&2 || fail "the refusals in $page are not those of src/store/refusal.c"

# Every option is in --help, and taken by both parsers.
"$ASSETFS" mount --help >"$TMP/help"
"$ASSETFS" help init >"$TMP/help-init"
sed -n 's/^\.It Cm \([a-z0-9_]*\)\( Ns = Ns Ar \)\{0,1\}\(.*\)$/\1 \3/p' "$TMP/generated" >"$TMP/options"
count=0
while read -r name arg; do
    count=$((count + 1))
    for help in help help-init; do
        grep -Eq "^  $name(=[^ ]+)?( |\$)" "$TMP/$help" || fail "$name is not in $help"
    done
    value=$(sample "$arg")
    accepts file:///srv/bucket "$name${value:+=$value}$(needs "$name")" || fail "-o $name: $(cat "$TMP/error")"
    configure "$name${value:+ = $value}"
    accepts v "ro$(needs "$name")" || fail "$name in the configuration: $(cat "$TMP/error")"
done <"$TMP/options"
[ "$count" -ge 15 ] || fail "only $count options were found"

# ... and --help has no others.
in_help=$(grep -Ec '^  [a-z0-9_]+(=[^ ]+)?( |$)' "$TMP/help")
[ "$in_help" -eq "$count" ] || fail "$in_help options in --help, $count in the manual"

# What is not in the list is refused by both.
! accepts file:///srv/bucket cache_siez=1G || fail "-o takes an option that is not there"
grep -q 'did you mean cache_size' "$TMP/error" || fail "no hint: $(cat "$TMP/error")"
configure 'cache_siez = 1G'
! accepts v ro || fail "the configuration takes an option that is not there"
grep -q 'assetfs.conf:3: .*did you mean cache_size' "$TMP/error" || fail "no hint: $(cat "$TMP/error")"

# -o wins over the configuration: its wrong value is the one that is seen.
configure 'poll = 0'
! accepts v ro || fail "the configuration's poll=0 was not seen"
accepts v poll=2s || fail "-o poll=2s does not win: $(cat "$TMP/error")"

# Every command of --help has its usage, and is in the manual.
"$ASSETFS" --help | sed -n 's/^  assetfs \([a-z]*\) .*/\1/p' >"$TMP/commands"
[ "$(wc -l <"$TMP/commands")" -ge 8 ] || fail "commands are missing in --help: $(cat "$TMP/commands")"
while read -r command; do
    "$ASSETFS" help "$command" | grep -q "^Usage: assetfs $command" || fail "$command has no help"
    grep -q "^\.Nm assetfs Cm $command\$" "$page" || fail "$command is not in the manual's synopsis"
    status=0
    "$ASSETFS" "$command" --no-such-option >/dev/null 2>&1 || status=$?
    [ "$status" -eq 2 ] || fail "$command --no-such-option: exit status $status"
done <"$TMP/commands"
status=0
"$ASSETFS" no-such-command 2>/dev/null || status=$?
[ "$status" -eq 2 ] || fail "no-such-command: exit status $status"
