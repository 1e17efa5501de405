#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What two hosts did at the same time, and what comes out: every row of the table of conflicts, on two mounts that do not see each other meanwhile, from both sides: first anna commits before
# bert, then bert before anna. Both show the same in the end, and it is what the table says.
. "${0%/*}/lib.sh"
requires python3
A=$TMP/mnt-anna B=$TMP/mnt-bert
export LC_ALL=C

cat >"$TMP/exchange" <<'PY'
#!/usr/bin/env python3
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.renameat2(-100, os.fsencode(sys.argv[1]), -100, os.fsencode(sys.argv[2]), 2):
    sys.exit(os.strerror(ctypes.get_errno()))
PY
cat >"$TMP/save" <<'SH'
#!/bin/sh -e
# As editors and rsync do.
echo "$2" >"$1.new"
mv -T "$1.new" "$1"
SH
chmod +x "$TMP/exchange" "$TMP/save"
PATH=$PATH:$TMP

# exchange A B, save NAME TEXT: two programs of this test.
# NAME | before | the first to commit | the second | what is there: directories with /, files with =content; ~copy for the second's conflicted copy
table() {
    cat <<'TABLE'
mkdir-mkdir         |                            | mkdir n; echo a >n/a       | mkdir n; echo b >n/b         | n/ n/a=a n/b=b
mkdir-mkdir-clash   |                            | mkdir n; echo a >n/x       | mkdir n; echo b >n/x         | n/ n/x=a n/x~copy=b
mkdir-mkdir-rename  |                            | mkdir n; echo a >n/a       | mkdir n; echo b >n/b; mv n m | m/ m/b=b n/ n/a=a
mkdir-create        |                            | mkdir n; echo a >n/a       | echo b >n                    | n/ n/a=a n~copy=b
create-mkdir        |                            | echo a >n                  | mkdir n; echo b >n/b         | n=a n~copy/ n~copy/b=b
create-equal        |                            | echo same >n               | echo same >n                 | n=same
save-equal          | echo old >n                | save n same                | save n same                  | n=same
create-create       |                            | echo a >n                  | echo b >n                    | n=a n~copy=b
symlink-equal       |                            | ln -s to n                 | ln -s to n                   | n->to
symlink-symlink     |                            | ln -s a n                  | ln -s b n                    | n->a n~copy->b
write-write         | echo old >n                | echo a >n                  | echo b >n                    | n=a n~copy=b
save-write          | echo old >n                | save n a                   | echo b >n                    | n=a n~copy=b
write-save          | echo old >n                | echo a >n                  | save n b                     | n=a n~copy=b
save-save           | echo old >n                | save n a                   | save n b                     | n=a n~copy=b
save-seen           | echo old >n                | true                       | save n b                     | n=b
write-unlink        | echo old >n                | echo a >n                  | rm n                         | n=a
unlink-write        | echo old >n                | rm n                       | echo b >n                    | n=b
save-unlink         | echo old >n                | save n a                   | rm n                         | n=a
unlink-save         | echo old >n                | rm n                       | save n b                     | n=b
unlink-chmod        | echo old >n                | rm n                       | chmod 600 n                  |
chmod-unlink        | echo old >n                | chmod 600 n                | rm n                         |
unlink-rename       | echo old >n                | rm n                       | mv n m                       | m=old
rename-unlink       | echo old >n                | mv n m                     | rm n                         | m=old
unlink-link         | echo old >n                | rm n                       | ln n m                       | m=old
link-unlink         | echo old >n                | ln n m                     | rm n                         | m=old
rename-write        | echo old >n                | mv n m                     | echo b >n                    | m=b
write-rename        | echo old >n                | echo a >n                  | mv n m                       | m=a
rename-save         | echo old >n                | mv n m                     | save n b                     | m=old n=b
save-rename         | echo old >n                | save n a                   | mv n m                       | m=old n=a
rename-rename       | echo old >n                | mv n m                     | mv n k                       | k=old
rename-over-each    | echo 1 >f; echo 2 >g       | mv f g                     | mv g f                       | f=2 g=1
exchange-exchange   | echo 1 >f; echo 2 >g       | exchange f g               | exchange f g                 | f=2 g=1
rmdir-create        | mkdir d                    | rmdir d                    | echo b >d/x                  | d/ d/x=b
create-rmdir        | mkdir d                    | echo a >d/x                | rmdir d                      | d/ d/x=a
newdir-create       | mkdir d                    | rmdir d; mkdir d           | echo b >d/x                  | d/ d/x=b
create-newdir       | mkdir d                    | echo a >d/x                | rmdir d; mkdir d             | d/ d/x=a
newfile-create      | mkdir d                    | rmdir d; echo a >d         | echo b >d/x                  | d=a d~copy/ d~copy/x=b
create-newfile      | mkdir d                    | echo a >d/x                | rmdir d; echo b >d           | d/ d/x=a d~copy=b
rmtree-create       | mkdir d; echo old >d/o     | rm -r d                    | echo b >d/x                  | d/ d/x=b
create-rmtree       | mkdir d; echo old >d/o     | echo a >d/x                | rm -r d                      | d/ d/x=a
loop                | mkdir a b                  | mv a b                     | mv b a; echo x >a/b/x        | b/ b/a/ b/x=x
links-unlink        | echo old >f; ln f g        | rm f                       | rm g                         | g=old
links-write         | echo old >f; ln f g        | echo a >f                  | echo b >g                    | f=a f~copy=b g=a
attributes-reversed | echo old >n; chmod 644 n   | touch -d @1000000000 n     | chmod 600 n                  | n=old
attributes          | echo old >n; chmod 644 n   | chmod 600 n                | touch -d @1000000000 n       | n=old
TABLE
}

# each COLUMN DIRECTORY: does what the column says, each row in its own directory.
each() {
    table | while IFS='|' read -r name before first second _; do
        name=${name%% *}
        case $1 in
        before) mkdir "$2/$name" && what=$before ;;
        first) what=$first ;;
        second) what=$second ;;
        esac
        (cd "$2/$name" && sh -ec "$what") </dev/null || fail "$name, $1: it failed"
    done
}

in_order() {
    tr ' ' '\n' | sed '/^$/d' | sort | tr '\n' ' '
}

# What is there, in one line.
show() (
    cd "$1" || exit 1
    find . -mindepth 1 -printf '%P %y %l\n' | while IFS= read -r line; do
        link=${line##* } line=${line% *}
        name=${line% *}
        case ${line##* } in
        d) printf '%s/\n' "$name" ;;
        l) printf '%s->%s\n' "$name" "$link" ;;
        *) printf '%s=%s\n' "$name" "$(cat "$name")" ;;
        esac
    done | sed 's/ (conflicted copy, [a-z]* [0-9-]*)/~copy/g' | in_order
)

check() {
    table | while IFS='|' read -r name _ _ _ want; do
        name=${name%% *}
        equals "$(show "$1/$name")" "$(echo "$want" | in_order)" "$2: $name"
    done
    for name in attributes attributes-reversed; do
        equals "$(stat -c '%a %Y' "$1/$name/n")" "600 1000000000" "$2: $name of both"
    done
}

# both FIRST SECOND NAME: their mounts; all of it happens in a directory of that name.
both() {
    mount_volume "cache_dir=$TMP/anna,host_label=anna,poll=1h,settle=1h" "$A"
    mkdir "$A/$3"
    each before "$A/$3"
    sync_volume "$A"
    mount_volume "cache_dir=$TMP/bert,host_label=bert,poll=1h,settle=1h" "$B"
    each first "$1/$3"
    each second "$2/$3"
    sync_volume "$1"
    sync_volume "$2"
    check "$2/$3" "$3, on the second"
    umount_volume "$A"
    umount_volume "$B"
    mount_volume "cache_dir=$TMP/anna,host_label=anna" "$A"
    mount_volume "cache_dir=$TMP/bert,host_label=bert" "$B"
    check "$A/$3" "$3, on anna"
    same_tree "$A" "$B"
    umount_volume "$A"
    umount_volume "$B"
}
new_volume
both "$A" "$B" anna-first
both "$B" "$A" bert-first
