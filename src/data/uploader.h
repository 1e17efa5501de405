/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Puts content into the bucket: many objects at once, each until it is there. It knows nothing of names; tree/sync.h decides what to upload and what
 * follows. Takes clock, random numbers and executor from `env` and starts no thread, so that a simulation runs it unchanged.
 *
 * For one job:  [digests object, when there are more than CONTENT_INLINE_BLOCKS blocks] -> object at its key -> done.
 *   0        the object is there, with these bytes: done
 *   -EEXIST  something is there. If trust(arg, content) says that our index knows it, done; else it is fetched (STORE_FRESH) and hashed: right -> done; wrong bytes ->
 *            the key is squatted, the next alternative is tried ("files/<hash>.jpg", "files/<hash>-1.jpg", ...), done reports the key that was used
 *   other    tried again as net/retry.h says, for ever; a refusal (RETRY_REFUSED) is reported through `stuck` each time its reason changes and cleared when it goes on
 *
 * Threads: submit and cancel from any thread; callbacks run on the loop, no lock held.
 */
#ifndef ASSETFS_UPLOADER_H
#define ASSETFS_UPLOADER_H

#include "base/seal.h"
#include "data/spool.h"
#include "store/store.h"

struct uploader;
struct upload; /* a job, owned by the uploader, valid until its done has returned */

struct uploader_config {
    struct env *env;
    struct counters *counters;
    struct store *writer, *reader;
    struct reader *digests_keeper; /* reader_keep_digests(); may be NULL */
    const struct keyring *keys;
    const char *prefix;
    unsigned parallel; /* jobs at once; 0: writer->parallel_puts */
    bool (*trust)(void *arg, const uint8_t id[DIGEST_SIZE], const char *key);
    void *arg;
};

struct upload_request {
    struct spool_file *file;  /* sealed and filled; referenced by the job */
    uint8_t id[DIGEST_SIZE];
    const uint8_t *digests;   /* copied; n_digests = BLOCK_COUNT(size) */
    size_t n_digests;
    uint64_t size;
    const char *key;          /* copied */
    const char *content_type; /* copied; may be NULL */
    struct keep *keep;        /* referenced by the job; may be NULL */
    bool urgent;              /* somebody waits (fsync): before those that are not */
    /* err: 0, or -ECANCELED. key: the one that was used. */
    void (*done)(void *arg, int err, const char *key);
    /* reason: one sentence, or NULL when it goes on. May be NULL. */
    void (*stuck)(void *arg, int err, const char *reason);
    void *arg;
};

struct uploader *uploader_new(const struct uploader_config *);
/* Cancels what has not begun, waits for nothing: call it when the store is idle or after the loop has stopped. */
struct uploader *uploader_free(struct uploader *);
struct upload *uploader_submit(struct uploader *, const struct upload_request *) ATTR_WARN_UNUSED;
void uploader_cancel(struct uploader *, struct upload *); /* a put under way is finished and then forgotten */
/* Every job, as uploader_cancel(): each done runs on the loop, -ECANCELED, when its put under way has come back. So does every job that is submitted from now on: the
 * uploader is about to be freed. */
void uploader_cancel_all(struct uploader *);
void uploader_hurry(struct uploader *, struct upload *);  /* becomes urgent; also ends a backoff */
/* Ends every backoff: the network or the set-up is said to be better. */
void uploader_retry_now(struct uploader *);

#endif
