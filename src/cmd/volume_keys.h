/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The keys of a volume that this host has, as recovery codes: the one its first entry is sealed under, then those that rotations have brought.
 */
#ifndef ASSETFS_VOLUME_KEYS_H
#define ASSETFS_VOLUME_KEYS_H

#include "fs/volume.h"

/* What the bucket (or, without it, this host's memory) says of the volume's key. 0; 1 when nobody knows; or a negative errno with a sentence. */
int volume_keys_peek(const struct options *, struct volume *ret, struct buf *why) ATTR_WARN_UNUSED;
/* A plain volume has none. STATUS_DONE, or STATUS_FAILED, said. code is wiped after the call. */
int volume_keys_each(const struct options *, void (*each)(void *arg, const char *code), void *arg);

#endif
