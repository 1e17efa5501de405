/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The areas of a mounted volume (area.h), out of its state: which one a name lies in, setting and listing them. Rules that this host has set hold here at once.
 *
 * Functions that take the lock say so; the others run under it.
 */
#ifndef ASSETFS_AREA_SET_H
#define ASSETFS_AREA_SET_H

#include "tree/area.h"
#include "tree/tree.h"

/* All rules; valid until the volume state changes. */
const struct areas *area_set(struct tree *);
/* A key of the volume state has changed, or was undone. key NULL: any. */
void area_set_changed(struct tree *, const char *key);
/* Of what stands at this name, or will; valid as above. */
const struct area *area_of_name(struct tree *, uint64_t parent, const char *name, size_t n);
/* What a directory at the first name has below it would be in other areas at the second: it cannot be renamed. */
bool area_divides(struct tree *, uint64_t parent, const char *name, size_t n, uint64_t to_parent, const char *to_name, size_t to_n);
/* Whether this host can put into the area and read from it. -EINVAL with a sentence. */
int area_usable(struct tree *, const struct area *, struct buf *why) ATTR_WARN_UNUSED;

/* With the lock. path: as people write it. words: as area_parse() has them; NULL removes the rule (-ENOENT: there is none). 0: it is set here, and durable when tree_state_sync() says so; *ret_note:
 * what should be known of it, malloc'd, or NULL. -EINVAL, -EROFS and others with the sentence. */
int tree_area_set(struct tree *, const char *path, const char *words, char **ret_note, struct buf *why) ATTR_WARN_UNUSED;
/* Whether the rule still is what was set: another host's may have come first, and contradict it. With the lock. */
bool tree_area_is(struct tree *, const char *path, const char *words);
/* done(0) when every change of the volume state so far is in the bucket. NULL: it is already, and done is not called. Else as tree_sync(). With the lock. */
struct tree_wait *tree_state_sync(struct tree *, void (*done)(void *arg, int err), void *arg);
/* All rules, the default one first if none has been set for the volume as a whole. Valid during the call, under the lock. */
void tree_area_list(struct tree *, void (*each)(void *arg, const struct area *), void *arg);
/* Brings one file home, as rules and names are now. 1: it moves, and *ret is the wait for it (done(0): it is there; else as tree_sync()), or NULL: it has been there already. 0: nothing to do. With
 * the lock. */
int tree_area_apply(struct tree *, uint64_t ino, void (*done)(void *arg, int err), void *arg, struct tree_wait **ret) ATTR_WARN_UNUSED;
/* After tree_start(): whether this host can use every area. -EINVAL with a sentence: the mount is refused. */
int tree_area_check(struct tree *, struct buf *why) ATTR_WARN_UNUSED;

#endif
