/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a name alone says about its file. Programs write a file under a temporary name first and rename it when it is whole, and desktops leave files behind that mean
 * nothing elsewhere; both kinds are known by their names.
 *
 *     NAME_TEMPORARY  rsync's .photo.jpg.x1Y2z3, an editor's text~, a browser's film.mp4.part: held back until it has its final name (hold.h)
 *     NAME_LOCAL      .DS_Store, Thumbs.db: stays on this host (local.h)
 *     NAME_FINAL      every other
 *
 * The table of temporary names is in name_kind.c, with the program each comes from; the option `temporary` adds patterns, the option `local_only` is the list of
 * local names (its default stands in base/options.h). Patterns are those of fnmatch(3), between colons; those of local names fit in upper and lower case, as the
 * file systems of the desktops do that make such files.
 *
 * Made at mount, immutable then; any thread may ask.
 */
#ifndef ASSETFS_NAME_KIND_H
#define ASSETFS_NAME_KIND_H

#include "base/base.h"

enum name_kind { NAME_FINAL, NAME_TEMPORARY, NAME_LOCAL };

struct name_rules;

/* temporary, local_only: "PATTERN:...", or NULL or "none" for no pattern. */
struct name_rules *name_rules_new(const char *temporary, const char *local_only);
struct name_rules *name_rules_free(struct name_rules *); /* NULL-safe; returns NULL */
/* NULL rules: every name is final. */
enum name_kind name_kind(const struct name_rules *, const char *name, size_t n);
/* The name that is meant: photo.jpg of .photo.jpg.x1Y2z3, film.mp4 of film.mp4.part. It goes by extension and type; a part of the name that is given. */
void name_meant(const struct name_rules *, const char *name, size_t n, const char **ret, size_t *ret_n);

#endif
