/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The volume keys that rotations have taken into use (assetfs-format(5), "VOLUME STATE", key/ID). An entry under the key before announces the new one; what is sealed from then on is sealed
 * under that. A host that does not have it reads what it has, writes nothing, says which key it wants, and goes on by itself when it finds it: tree_config.take_key is asked again
 * at each poll.
 *
 * All under the tree lock, unless it says so.
 */
#ifndef ASSETFS_KEY_SET_H
#define ASSETFS_KEY_SET_H

#include "tree/entry.h"
#include "tree/state.h"

/* At the beginning, with the volume state there: takes all that are announced, the one in use last. */
void key_set_load(struct tree *);
/* After an entry was applied. */
void key_set_applied(struct tree *, const struct entry *);
/* An entry is sealed under a key that was announced and is not here. */
void key_set_missing(struct tree *, const uint8_t id[SEAL_KEY_ID_SIZE]);
/* Looks again for the one that is missing. */
void key_set_retry(struct tree *);

/* With the lock: announces the key, which take_key must find, in the next entry. Durable when tree_state_sync() says so. -ENOKEY, -EROFS, -EEXIST (announced before),
 * -EINVAL (a plain volume), with a sentence. */
int tree_key_rotate(struct tree *, const uint8_t id[SEAL_KEY_ID_SIZE], struct buf *why) ATTR_WARN_UNUSED;

#endif
