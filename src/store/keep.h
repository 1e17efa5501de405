/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How an object is to be kept: what is put along with its bytes. Immutable once made, shared by reference count; ref and unref from any thread. A store takes of
 * it what it can keep (a directory: nothing) and says so of what it must not leave out.
 *
 * Facts: "PutObject" (Amazon S3 API Reference), "Object tagging", "Working with object metadata", "Protecting data with encryption" (Amazon S3 User Guide).
 */
#ifndef ASSETFS_STORE_KEEP_H
#define ASSETFS_STORE_KEEP_H

#include "base/base.h"

enum keep_encryption {
    KEEP_BUCKET,   /* what the bucket does by itself: no header */
    KEEP_SSE_S3,
    KEEP_SSE_KMS,
    KEEP_CUSTOMER, /* SSE-C, with the store's customer key (store.h); refused by a store that has none */
};

struct keep_pair {
    char *name, *value;
};

struct keep {
    _Atomic unsigned refs;
    char *cache_control, *content_disposition, *storage_class; /* NULL: not given */
    struct keep_pair *metadata; /* names without "x-amz-meta-" */
    size_t n_metadata;
    struct keep_pair *tags;
    size_t n_tags;
    enum keep_encryption encryption;
    char *kms_key;              /* KEEP_SSE_KMS; NULL: the bucket's, or Amazon's own */
    bool bucket_key;            /* KEEP_SSE_KMS */
    char *customer_key;         /* KEEP_CUSTOMER: fingerprint of the key it must be */
};

/* An empty one, with one reference; whoever makes it fills it in before others see it. */
struct keep *keep_new(void) ATTR_WARN_UNUSED;
/* Copied and appended. */
void keep_add(struct keep_pair **list, size_t *n, const char *name, const char *value);
void keep_pairs_free(struct keep_pair *list, size_t n);
struct keep *keep_ref(struct keep *); /* returns it; NULL-safe */
void keep_unref(struct keep *);       /* NULL-safe */

#endif
