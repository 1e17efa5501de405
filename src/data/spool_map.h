/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which blocks of a spool file are in it ("here") and which are still to be copied up from its base:
 * DIR/spool/<id>.map, mapped into memory, so that what was set survives a killed process without a system
 * call. Native byte order: the file never leaves this host.
 *
 *     offset  size
 *     0       64    header (spool_map.c): magic, size of the base, limit, mtime, boot id
 *     64      16    for every 64 blocks: a word "here", a word "synced"
 *
 * limit: the base counts only below this offset (a truncation lowers it, for good); blocks at or beyond it
 * are here. mtime: the spool file's mtime while there is a map, because copying up a block touches the file's
 * own. synced: the bits "here" had when the file was last fsynced. A map found after a reboot (another boot
 * id) falls back to them, because bits may have reached the disk before the bytes they speak of.
 *
 * The caller serialises everything but spool_map_mtime/_set_mtime, which any thread may call.
 */
#ifndef ASSETFS_SPOOL_MAP_H
#define ASSETFS_SPOOL_MAP_H

#include "base/base.h"

#define SPOOL_MAP_NONE UINT64_MAX

struct spool_map;

/* A new map, nothing here; replaces one that is there. base_size > 0. Negative errno. */
int spool_map_create(const char *path, uint64_t base_size, int64_t mtime_ns,
                     struct spool_map **ret) ATTR_WARN_UNUSED;
/* -ENOENT; -EBADMSG: not a map of a base of this size. A short one is extended: what it lacks is not here. */
int spool_map_open(const char *path, uint64_t base_size, struct spool_map **ret) ATTR_WARN_UNUSED;
struct spool_map *spool_map_close(struct spool_map *); /* NULL-safe; the file stays */

bool spool_map_here(const struct spool_map *, uint64_t block);
void spool_map_set(struct spool_map *, uint64_t first, uint64_t count);
uint64_t spool_map_absent(const struct spool_map *); /* how many blocks are not here */
/* The first block from `from` on that is not here, SPOOL_MAP_NONE if there is none. */
uint64_t spool_map_next_absent(const struct spool_map *, uint64_t from);
/* The first block from `from` on that is here; there always is one, beyond the limit at the latest. */
uint64_t spool_map_next_here(const struct spool_map *, uint64_t from);

uint64_t spool_map_limit(const struct spool_map *);
void spool_map_cut(struct spool_map *, uint64_t limit); /* lowers it; never raises */

int64_t spool_map_mtime(const struct spool_map *);
void spool_map_set_mtime(struct spool_map *, int64_t mtime_ns);

/* Around an fsync of the spool file: what is here before it is synced after it. begin gives a malloc'd copy;
 * end records it and writes the map to the disk (it waits, and needs no serialising). */
uint64_t *spool_map_sync_begin(const struct spool_map *) ATTR_WARN_UNUSED;
int spool_map_sync_end(struct spool_map *, const uint64_t *here) ATTR_WARN_UNUSED;

#endif
