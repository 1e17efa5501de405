/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What must not be lost. Simulated programs write nothing but tokens, 16 bytes each at offsets that are multiples of 16, every one of them once; so whatever becomes of the
 * files, what was written can be found again. A token is
 *     acknowledged  the write that brought it was answered with success
 *     gone          somebody whose view had it removed or overwrote it
 *     loose         somebody overwrote or replaced a file with it: it may be missing in the shared tree for a while, if there is another copy
 *     copied        it was written to more than one file
 *     shared        it was in the confirmed tree
 */
#ifndef ASSETFS_TESTS_SIM_TOKENS_H
#define ASSETFS_TESTS_SIM_TOKENS_H

#include "tree_box.h"

#define TOKEN_SIZE 16

struct token {
    unsigned host;
    bool acked, gone, loose, copied, shared;
    unsigned removers; /* bits of the hosts that removed a copy of it */
    uint64_t acked_at, shared_at; /* of those that are: when, as the caller counts; sequence number */
    unsigned mark;     /* scratch of a search */
};

struct tokens {
    struct token *v;
    size_t n;
    unsigned mark;
};

/* A new one: its text. */
size_t token_new(struct tokens *, unsigned host, char text[TOKEN_SIZE]);
void tokens_free(struct tokens *);

/* Numbers of those in some bytes, appended. */
struct token_list {
    size_t *v;
    size_t n;
};
void token_list_free(struct token_list *);
#define CLEANUP_TOKENS __attribute__((cleanup(token_list_free)))
void tokens_in(const struct tokens *, const unsigned char *p, size_t n, struct token_list *);
/* Of content in the bucket; NULL: none. */
void tokens_of_content(const struct tokens *, struct mem_bucket *, const struct content *, struct token_list *);
/* Of a file of the view: its bytes are in the spool, or in the bucket. Without waiting. */
void tokens_of_view(const struct tokens *, struct tree_box *, uint64_t ino, struct token_list *);
/* Of a file of the confirmed tree. */
void tokens_of_inode(const struct tokens *, struct tree_box *, uint64_t ino, struct token_list *);
/* Of everything in the confirmed tree of this host / in its view. */
void tokens_of_confirmed(const struct tokens *, struct tree_box *, struct token_list *);
void tokens_of_whole_view(const struct tokens *, struct tree_box *, struct token_list *);

#endif
