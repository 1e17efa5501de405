#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# assetfs check says what is wrong with a deployment, and what to do: one thing at a time (tests/tools/check-cases.py has the cases).
BACKENDS='double: it is told what is wrong'
. "${0%/*}/../sh/lib.sh"

"$ASSETFS" init --public "$VOLUME" >"$TMP/init.out"
mkdir -p "$TMP/keyless/assetfs"
printf '%s\n' "[volume direct]" "url = s3://assets" "endpoint = $S3" "path_style = yes" >>"$XDG_CONFIG_HOME/assetfs/assetfs.conf"
cp "$XDG_CONFIG_HOME/assetfs/assetfs.conf" "$TMP/keyless/assetfs/"
BUCKET=$BUCKET KEYLESS=$TMP/keyless python3 "$SRC/tests/tools/check-cases.py" "$ASSETFS" "$CONTROL" ||
    fail "see above"

# The manual's examples, as printed.
sed 's/^\[volume test\]$/[volume pictures]/; /^\[volume direct\]$/,$d' "$XDG_CONFIG_HOME/assetfs/assetfs.conf" >"$TMP/pictures.conf"
cat "$TMP/pictures.conf" >>"$XDG_CONFIG_HOME/assetfs/assetfs.conf"
control POST /reset
control POST /credentials 'scope WRITERKEY .assetfs/,files/'
set_double error-ttl=0 cors=2
sed -n '/^\.Sh EXAMPLES$/,/^\.Sh /s/^assetfs check /check /p' "$SRC/man/assetfs.1" >"$TMP/examples"
equals "$(wc -l <"$TMP/examples")" 2 "examples of check in the manual"
while read -r line; do
    # shellcheck disable=SC2086 # words
    expect 0 "$ASSETFS" $line
done <"$TMP/examples"

# As text: a line each, and a last one.
control POST /reset
set_double error-ttl=0
expect 3 "$ASSETFS" check "$VOLUME"
grep -q '^warning  elsewhere  .* To do: ' "$TMP/out" || fail "no line for elsewhere: $(cat "$TMP/out")"
tail -n 1 "$TMP/out" | grep -Eq '^[0-9]+ ok, [0-9]+ to know, 1 warnings, 0 broken$' || fail "no sum: $(cat "$TMP/out")"

# Nobody there: said, and not waited for.
control POST /offline
expect 1 "$ASSETFS" check "$VOLUME"
grep -q '^broken   endpoint  .*nobody answers' "$TMP/out" || fail "$(cat "$TMP/out")"
control POST /online

# Bad input.
expect 2 "$ASSETFS" check
expect 2 "$ASSETFS" check --origin
expect 2 "$ASSETFS" check --origin www.example.com "$VOLUME"
expect 2 "$ASSETFS" check --origin https://www.example.com/page "$VOLUME"
grep -q 'is no origin' "$TMP/err" || fail "$(cat "$TMP/err")"
expect 2 "$ASSETFS" check --no-such-option "$VOLUME"
expect 1 "$ASSETFS" check nowhere
says 'nowhere'
expect 1 "$ASSETFS" check s3://x
says 'not the name of a bucket'
expect 1 "$ASSETFS" check -o cdn=http://cdn.example "$VOLUME"
says 'cdn=.*plain http'
