/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The customer's own keys (SSE-C) that a store can put objects under and read them with: those of one file. The file has one key, 32 bytes as they are or as a line of base64, or
 * several, a line of base64 each: rules that are made take the first one, what is under the others can still be read and written.
 *
 * The file is opened by path whenever it has changed (base/secret_file.h) and a key is asked for. What has once been read stays known until the set is freed, so that nothing is lost while
 * the file is replaced; while it cannot be used, what was read before stays in use, and the log says so once. So it does when a key goes out of the file that somebody still asks for.
 *
 * A key is known by its fingerprint, the first 8 bytes of its SHA-256 as hexadecimal digits: that is no secret. The keys themselves are zeroed when freed, and are in no log line and no error.
 * Threads: any; one mutex inside, not held while the file is read. Blocks on the local disk for a stat, and to read 4 KiB.
 *
 * Facts: "Using server-side encryption with customer-provided keys (SSE-C)" (Amazon S3 User Guide).
 */
#ifndef ASSETFS_CUSTOMER_KEYS_H
#define ASSETFS_CUSTOMER_KEYS_H

#include "base/buf.h"
#include "base/env.h"

#define CUSTOMER_KEY_BYTES 32
#define CUSTOMER_KEYS_MAX 32
#define CUSTOMER_FINGERPRINT_SIZE 17

/* Immutable; lives as long as its set. */
struct customer_key {
    char fingerprint[CUSTOMER_FINGERPRINT_SIZE];
    char *base64, *md5; /* of the 32 bytes, as headers have them */
};

struct customer_keys;

/* Reads the file. Errors with a sentence: those of secret_file_read(); -EPERM: everybody may read it; -EINVAL: no keys are in it; -ENOSYS: there is no MD5 here. */
int customer_keys_new(struct env *, const char *path, struct customer_keys **ret, struct buf *why) ATTR_WARN_UNUSED;
struct customer_keys *customer_keys_free(struct customer_keys *); /* NULL-safe; returns NULL */

/* The key of that fingerprint, or, for NULL, the first one of the file. NULL: there is none here. */
const struct customer_key *customer_keys_find(struct customer_keys *, const char *fingerprint);
/* To try one after the other: the keys that are known have numbers from 1 on, which they keep. NULL: there are no more. */
const struct customer_key *customer_keys_nth(struct customer_keys *, unsigned number);

#endif
