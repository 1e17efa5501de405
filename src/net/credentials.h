/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A writer's AWS credentials, as AWS's own tools find them: which source counts, and in which order, is in net/credentials_plan.h; who is asked, and how, in net/credentials_fetch.h. Here they are
 * kept, looked after, and given out.
 *
 * Nothing here blocks: what is known is in memory, and each credentials_get() starts a look, on a worker, unless one is under way. A look
 *     - reads the shared files if their paths lead to other or changed ones (net/credentials_files.h), so that whoever replaces them (a secret operator) needs to tell nobody;
 *     - asks for keys that run out before they do: from 15 minutes before on, or when a quarter of their life is left if that is less. The old ones are given out meanwhile;
 *     - asks again when a server has refused the keys (credentials_refused()).
 * While a source cannot be used - a file half written, STS away -, the keys that were there before stay in use as long as they hold, and a warning is logged, once a reason; it is asked again after a
 * pause that grows from one second to a minute. Whether keys have run out is judged by the clock of the server that gave them. Keys of an instance that are given out when they have run out already
 * (AWS does so while it has trouble) are used all the same.
 *
 * Secrets are zeroed when they are freed, and appear in no log line and no error.
 * Threads: any; one mutex inside, held for memory only. Waits are woken on the loop.
 */
#ifndef ASSETFS_CREDENTIALS_H
#define ASSETFS_CREDENTIALS_H

#include "base/base.h"
#include "base/buf.h"
#include "base/env.h"
#include "net/credential.h"

struct credentials;
struct http;

/* Strings are copied. */
struct credentials_config {
    const char *profile; /* NULL: as the environment says */
    const char *region;  /* of the volume: for STS, where environment and profile name none; may be NULL */
    bool insecure_http;  /* STS may be asked by plain http beyond this machine */
    struct http *http;   /* must live until credentials_stop() */
};

/* Who waits for a look to end; the caller's, zeroed but for fn and arg. */
struct credentials_wait {
    env_fn fn;
    void *arg;
    bool waiting; /* this and what follows: under credentials' mutex */
    uint64_t number;
    struct credentials_wait *prev, *next;
};

/* The environment variables are read now; files when they are needed. */
struct credentials *credentials_new(struct env *, const struct credentials_config *);
/* Nobody is asked any more, and what is under way ends soon; looks come to their end as long as the loop runs. From any thread. NULL-safe. */
void credentials_stop(struct credentials *);
/* Stops. Memory goes with the last look. No wait may be left. NULL-safe; returns NULL. */
struct credentials *credentials_free(struct credentials *);

/* Those that hold now, in memory of the caller's. `waited`: the caller has waited for a look, and takes what is known now.
 *   -EAGAIN   they are being asked for: credentials_wait(). Never if waited
 *   -EACCES   there are none, or whoever has them refuses; the sentence says where it looked and what to do
 *   -EIO      they cannot be had just now: try again later. Three times in a row, then it is -EACCES, which is shown to people */
int credentials_get(struct credentials *, bool waited, struct credential *ret, struct buf *why) ATTR_WARN_UNUSED;
/* The same for who may wait, on a thread that is not the loop's: blocks until a look has ended. Never -EAGAIN. */
int credentials_get_sync(struct credentials *, struct credential *ret, struct buf *why) ATTR_WARN_UNUSED;
/* Where they come from, for people: "[x] of /root/.aws/credentials"; malloc'd; NULL: there are none. */
char *credentials_from(struct credentials *);
/* A server has refused this generation. certain: the answer was about the keys (ExpiredToken, InvalidAccessKeyId, InvalidToken, SignatureDoesNotMatch), not about a permission, for which the keys may be
 * to blame. 0: there are other ones now; -EAGAIN: the source is asked again: wait, get, and compare the generation. */
int credentials_refused(struct credentials *, unsigned generation, bool certain) ATTR_WARN_UNUSED;
/* fn(arg) runs on the loop once the look that is under way has ended, or soon if none is. */
void credentials_wait(struct credentials *, struct credentials_wait *);
/* On the loop: fn does not run any more. */
void credentials_unwait(struct credentials *, struct credentials_wait *);

/* The region that the environment (AWS_REGION, AWS_DEFAULT_REGION) or the profile names, malloc'd, or NULL. Reads the files: not on the loop. */
char *credentials_region(struct credentials *);
/* The same for AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, and what the profile has of them. */
char *credentials_endpoint(struct credentials *);

#endif
