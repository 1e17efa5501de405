/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whether the bucket takes what an area's rule asks for: an object of a few bytes, always the same ones, is put by it, and stays. So what the writer may not do there (put at all, tag, use a
 * KMS key) and what the bucket does not have (a storage class) comes out when a rule is set, not with the first file.
 *
 * Any thread, without the lock; done runs on the loop.
 */
#ifndef ASSETFS_AREA_TRIAL_H
#define ASSETFS_AREA_TRIAL_H

#include "store/store.h"
#include "tree/tree.h"

/* path: as people write it, of the rule that is set or of a place below one. done(arg, 0, NULL): an object is there, this one or that of an earlier trial; else as of store_put_if_absent().
 * -EINVAL, -ECANCELED: nothing is put, and done is not called. */
int tree_area_try(struct tree *, const char *path, store_put_done done, void *arg) ATTR_WARN_UNUSED;

#endif
