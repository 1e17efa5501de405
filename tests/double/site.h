/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the servers of the double share: one bucket, who may use it, the cache in front of it, and what can be set while it runs.
 */
#ifndef DOUBLE_SITE_H
#define DOUBLE_SITE_H

#include "authoriser.h"
#include "bucket.h"
#include "cdn_cache.h"
#include "faults.h"
#include "keyring.h"
#include "signed_url.h"
#include "tally.h"
#include "uploads.h"

#include <stdatomic.h>

#define SITE_DOMAINS 8
#define SITE_PATTERNS 8

struct site {
    const char *bucket_name, *region;
    const char *domains[SITE_DOMAINS]; /* BUCKET.DOMAIN is an address of the bucket; NULL-terminated */
    const char *uncached[SITE_PATTERNS]; /* patterns of keys that the CDN does not cache; NULL-terminated */
    const char *private[SITE_PATTERNS];  /* patterns of keys that the CDN gives to signed URLs and cookies only; NULL-terminated */
    struct url_keys *url_keys;           /* who signs them */
    struct authoriser *authoriser;       /* who looks at each read first */
    struct bucket *bucket;
    struct keyring *keys;
    struct uploads *uploads;
    struct cdn_cache *cache;
    struct faults *faults;
    struct tally *tally;

    /* settings (control.h): 0 or 1, or a number */
    atomic_int demand_condition; /* a put without If-None-Match is refused by policy */
    atomic_int early_412;        /* also before the body, where it can be seen by then */
    atomic_int small_parts;      /* parts below 5 MiB are taken */
    atomic_int cache_all;        /* the patterns of uncached do not count */
    atomic_int error_ttl;        /* seconds for which the CDN keeps an error */
    /* where a deployment is not what it should be */
    atomic_int ignore_condition; /* a put replaces what is there in spite of If-None-Match */
    atomic_int ignore_digest;    /* a put is kept whatever it announces */
    atomic_int public_read, public_write; /* who does not sign may that */
    atomic_int cdn_writes;       /* 0: the CDN refuses other methods than GET and HEAD; 1: it passes PUT and DELETE on, the bucket refuses; 2: the bucket lets it */
    atomic_int cdn_list;         /* the CDN may list: a missing key is 404, and its root a listing */
    atomic_int kms;              /* the bucket encrypts with a KMS key */
    atomic_int tagging;          /* the writer may PutObjectTagging */
    atomic_int kms_refuses;      /* what KMS says to a put that names it: 0 nothing; 1: no kms:GenerateDataKey; 2: the key is disabled; 3: there is none; 4: to parts, no kms:Decrypt */
    atomic_int cors;             /* 0: no rule; 1: every origin; 2: https://www.example.com only */
    atomic_int latency;          /* ms before each request to S3 and CDN begins */
};

/* site_list.c: the bucket's listing as S3 writes it (ListObjectsV2), malloc'd. */
char *site_listing(struct site *, const char *prefix, unsigned max);

#endif
