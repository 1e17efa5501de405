/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A key template: how an area's rule makes an object's key of its content (assetfs-format(5), "VOLUME STATE").
 *
 *     {area}       the area's path; "files" for what lies in no area
 *     {sha256}     the content id in hexadecimal, {sha256:N} its first N digits, 1 to 64
 *     {ext}        the extension with its dot, or nothing
 *     {date}       2026-11-22, {timestamp} 20261122T093121Z: when the key was made, UTC
 *
 * A key belongs to a content for good, so a template needs the whole {sha256}, or {sha256:N} of at least AREA_DIGITS_MIN digits. What stands before the first word but {area} is the same
 * in all keys of the area: its room, by which a CDN tells one area's keys from another's.
 *
 * Pure; any thread.
 */
#ifndef ASSETFS_AREA_KEY_H
#define ASSETFS_AREA_KEY_H

#include "base/buf.h"

#define AREA_TEMPLATE "{area}/{sha256}{ext}"
#define AREA_DEFAULT "files"
#define AREA_KEY_MAX 1024
/* 128 bits: that two contents share them is nobody's accident. */
#define AREA_DIGITS_MIN 32
/* ".jpg": a dot and 1 to 15 of a-z 0-9. */
#define AREA_EXTENSION_SIZE 17

/* Everything below takes the area's path ("": the whole volume) beside the template. */

/* -EINVAL with the sentence that says what is wrong. prefix: where the volume keeps its journal; no key may lie there. */
int area_key_check(const char *tmpl, const char *path, const char *prefix, struct buf *why) ATTR_WARN_UNUSED;
/* Bytes of the longest key that the template makes. */
size_t area_key_longest(const char *tmpl, const char *path);
/* The rest expects a template that has passed. now: ns. malloc'd. */
char *area_key_make(const char *tmpl, const char *path, const uint8_t id[DIGEST_SIZE], const char *ext, int64_t now);
/* Whether the key is one that the template makes of this content at some time, or an alternative of it ("-1" before the extension: data/uploader.h). */
bool area_key_fits(const char *tmpl, const char *path, const char *key, const uint8_t id[DIGEST_SIZE], const char *ext);
/* What all its keys begin with; malloc'd, may be "". */
char *area_key_room(const char *tmpl, const char *path);

/* ".jpg" of "Photo.JPG"; "" where a name has none, or one that is not of letters and digits. */
void area_extension(const char *name, size_t n, char ret[AREA_EXTENSION_SIZE]);

#endif
