/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A mount of a past state (tree_config.at): which journal entry is its last. The tree is then made up to there, and stays: nothing is followed or written.
 */
#ifndef ASSETFS_TREE_PAST_H
#define ASSETFS_TREE_PAST_H

#include "tree/state.h"

/* head: the newest entry. Blocks on the network. -EINVAL: there is no such state, why says so in a sentence. Others: trouble. */
int past_find(struct tree *, uint64_t head, uint64_t *ret, struct buf *why) ATTR_WARN_UNUSED;

#endif
