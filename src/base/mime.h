/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Content types by name, as this system knows them: the shared MIME database (freedesktop.org, "Shared MIME-info Database" 0.21, its file globs2) of
 * $XDG_DATA_HOME and $XDG_DATA_DIRS, or, where there is none, /etc/mime.types (mailcap's format: a type, then its extensions).
 *
 * Of the patterns that fit a name the heaviest wins, then the longest, then one that fits with its case; case counts only where a row says so (`cs`). What no
 * pattern fits is application/octet-stream. A type is `type/subtype` and nothing else: no charset, which a name cannot tell.
 *
 * mime_load() fills it once, before other threads use it; then it never changes, and any thread may ask it. Files are bounded (MIME_FILE_MAX), a row that is
 * none is skipped: a damaged database costs types, never a mount.
 */
#ifndef ASSETFS_MIME_H
#define ASSETFS_MIME_H

#include "base/base.h"

#define MIME_FILE_MAX (8u << 20)
#define MIME_PATTERN_MAX 255
#define MIME_TYPE_MAX 255
#define MIME_UNKNOWN "application/octet-stream"

struct mime;

struct mime *mime_new(void);
struct mime *mime_free(struct mime *); /* NULL-safe; returns NULL */
/* Rows of a file, added behind those that are there: of equals the first wins. */
void mime_add_globs2(struct mime *, const char *text, size_t n);
void mime_add_types(struct mime *, const char *text, size_t n);
/* This system's. */
struct mime *mime_load(void);
size_t mime_count(const struct mime *); /* rows */
/* Valid as long as the struct; MIME_UNKNOWN where nothing fits (or there is no struct). name: one name, without directories. */
const char *mime_type(const struct mime *, const char *name, size_t n);

#endif
