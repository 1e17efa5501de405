#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A git repository lives in the mount: init, add, commit, gc, checkout, clone, push; `git fsck` and `git status` are content, before and after it came out of the bucket.
. "${0%/*}/lib.sh"
requires git openssl
new_volume
mount_volume
GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
export GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL

git init -q -b main "$MNT/repo"
cd "$MNT/repo"
for n in 1 2 3 4 5 6 7 8 9 10; do
    echo "file $n" >"file-$n"
done
chmod +x file-1
ln -s file-2 link
git add .
git commit -qm first
git switch -qc branch
echo changed >file-3
git rm -q file-4
git mv file-5 renamed
git commit -qam second
git switch -q main
equals "$(cat file-3)" "file 3"
git merge -q branch
git gc -q
git fsck --strict --no-progress 2>&1 | tee "$TMP/fsck"
equals "$(git status --porcelain)" ""
head=$(git rev-parse HEAD)
cd /

remount_from_bucket
cd "$MNT/repo"
git fsck --strict --no-progress
equals "$(git status --porcelain)" ""
equals "$(git rev-parse HEAD)" "$head"
equals "$(git log --format=%s | tr '\n' ' ')" "second first "
git clone -q "$MNT/repo" "$TMP/clone"
cmp "$TMP/clone/file-3" file-3

# A clone in the mount, with the objects linked (from the mount) and copied; commits there, and a push to a bare one.
git clone -q --bare "$TMP/clone" "$MNT/bare.git"
git clone -q "$MNT/repo" "$MNT/linked"
git clone -q --no-local "$TMP/clone" "$MNT/working"
cd "$MNT/working"
git remote set-url origin "$MNT/bare.git"
openssl rand 200000 >blob
echo more >>file-6
git add .
git commit -qm third
git push -q origin main
git repack -qad
git gc -q --prune=now
equals "$(git status --porcelain)" ""
head=$(git rev-parse HEAD)
cd /
remount_from_bucket
for repo in working linked bare.git; do
    git -C "$MNT/$repo" fsck --strict --no-progress
done
equals "$(git -C "$MNT/bare.git" rev-parse main)" "$head"
equals "$(git -C "$MNT/working" status --porcelain)" ""
equals "$(git -C "$MNT/linked" status --porcelain)" ""
umount_volume
