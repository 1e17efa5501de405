/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The reference to a checkpoint, field 11 of an entry (assetfs-format(5), "Checkpoint"): what a host needs to go on from it without any other request. Pure; nothing is owned.
 */
#ifndef ASSETFS_CHECKPOINT_REF_H
#define ASSETFS_CHECKPOINT_REF_H

#include "base/cbor.h"
#include "base/digest.h"
#include "data/sealed_db.h"

/* Bytes it takes in an entry, at most. */
#define CHECKPOINT_REF_MAX 512

struct checkpoint_ref {
    uint64_t seq;                   /* of the tree; 0: no reference */
    struct sealed_db_ref object;
    struct set_digest set;          /* of the tree */
    uint8_t head_hash[DIGEST_SIZE]; /* of the last authentic entry's object, up to seq */
    uint64_t announced;             /* the entry that first carried it */
    uint64_t before;                /* likewise of the checkpoint before; 0: none, or not known */
};

void checkpoint_ref_encode(const struct checkpoint_ref *, struct buf *);
/* Takes one item. -EBADMSG: not even CBOR. Else 0: a reference that is malformed, or of a kind, block size or compression of a later version, has seq 0 and says only what came before. */
int checkpoint_ref_decode(struct cbor_in *, struct checkpoint_ref *ret) ATTR_WARN_UNUSED;

/* "<prefix>/checkpoint/<digest>", malloc'd */
char *checkpoint_ref_key(const char *prefix, const struct checkpoint_ref *);

#endif
