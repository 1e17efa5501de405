/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A directory of a test's own under $TMPDIR (or /tmp), removed with all that is in it.
 */
#ifndef ASSETFS_TESTS_TMPDIR_H
#define ASSETFS_TESTS_TMPDIR_H

/* Ends the process when it cannot be made; malloc'd. */
char *tmpdir_new(void);
/* Removes it and frees the path. NULL-safe. */
void tmpdir_free(char *dir);
/* "dir/name", malloc'd. */
char *tmpdir_path(const char *dir, const char *name);

/* For cmocka: *state becomes the directory. */
int tmpdir_setup(void **state);
int tmpdir_teardown(void **state);

#endif
