/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From pending rows to the changes of an entry (rules §6, "Commit"): which may be committed now, grouped so that no rename is half done, in an order in which each applies
 * to the confirmed tree. Called under the tree lock inside a transaction; leaves the database as it was.
 */
#ifndef ASSETFS_BUILD_H
#define ASSETFS_BUILD_H

#include "tree/rows.h"

/* Changes, owned by the caller (change_free each, free the array); 0 of them when nothing is ready. *ret_held: removals that wait for an earlier write. */
int build_changes(struct tree *, struct change **ret, size_t *ret_n, uint64_t *ret_held) ATTR_WARN_UNUSED;

#endif
