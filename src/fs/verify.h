/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Checks a volume as it is in the bucket, from entry 1 on, with nothing that this host knows of it but the keys: reads every journal entry, checks chain, sequence and the digest of the
 * tree before each, and builds the tree anew; then, if asked to, fetches contents and checks their digests (data/scrub.h). What has been done is kept in DIR/verify, so that the next run
 * goes on from there; DIR is the volume's state directory, which a mount may be using.
 */
#ifndef ASSETFS_VERIFY_H
#define ASSETFS_VERIFY_H

#include "base/buf.h"
#include "base/options.h"

enum verify_stage { VERIFY_JOURNAL, VERIFY_CONTENT };

struct verify_request {
    const struct options *opt;
    bool content;
    double share;  /* of the contents, (0, 1]: those whose digest is below it, so that the same ones are taken each time */
    bool restart;  /* forget what earlier runs have done */
    /* About five times a second; total 0: not known yet. */
    void (*progress)(void *arg, enum verify_stage, uint64_t done, uint64_t total, uint64_t bytes);
    /* Something is wrong: key NULL is the journal's. */
    void (*wrong)(void *arg, const char *key, const char *why);
    void *arg;
};

struct verify_result {
    uint64_t sequence;               /* the last entry that was checked */
    uint64_t head;                   /* the last one there is */
    uint64_t entries;                /* read by this run; the rest by earlier ones */
    uint64_t void_entries, void_changes; /* of this run: they have no effect, and harm nobody */
    uint64_t damaged_entries, damaged_last; /* built on another tree than the journal before them makes, by hosts with a damaged local state: how many, and the last one's number */
    uint64_t inodes;
    uint64_t contents, bytes;        /* checked by this run */
    uint64_t contents_before;        /* by earlier ones */
    uint64_t missing, damaged, unreadable;
    char *journal_wrong;             /* why the journal could not be read to its end; malloc'd, or NULL */
};
void verify_result_free(struct verify_result *);

/* Blocks. 0: as far as it was asked for, all is well or ret says what is not. A negative errno with a sentence: it could not be checked. */
int verify_run(const struct verify_request *, struct verify_result *ret, struct buf *why) ATTR_WARN_UNUSED;

#endif
