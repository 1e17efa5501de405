/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where a writer's AWS credentials come from: the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), or a profile of the shared
 * files (~/.aws/credentials, ~/.aws/config; AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE, AWS_PROFILE), as AWS's own tools read them ("Configuration and credential
 * file settings", AWS SDKs and Tools Reference Guide). A profile that is named explicitly goes before the environment's keys.
 * Files are looked at by path again whenever they have changed (net/credentials_files.h), so that whoever replaces them (a secret operator) needs to tell nobody. While
 * they cannot be used - half written, gone -, the keys that were read before stay in use, and a warning is logged. Roles, web identity, SSO, processes, and
 * endpoints of containers and instances cannot be used yet: where AWS's tools would use one of them, the sentence names it, and no other keys are used instead.
 *
 * Secrets are zeroed when they are freed, and appear in no log line and no error.
 * Threads: any; one mutex inside, not held while files are read.
 */
#ifndef ASSETFS_CREDENTIALS_H
#define ASSETFS_CREDENTIALS_H

#include "base/base.h"
#include "base/buf.h"
#include "base/env.h"

struct credentials;

/* One set of keys; malloc'd strings. */
struct credential {
    char *access_key, *secret_key;
    char *session_token;  /* NULL: none */
    int64_t expires;      /* seconds since 1970; 0: never */
    unsigned generation;  /* which one it is: for credentials_refused() */
};
/* Zeroes and frees the strings. */
void credential_free(struct credential *);

/* profile: NULL for the default. The environment variables are read now; files when they are needed. */
struct credentials *credentials_new(struct env *, const char *profile);
struct credentials *credentials_free(struct credentials *); /* NULL-safe; returns NULL */

/* Those that hold now. May read small local files. -EACCES: there are none, or they cannot be read; the sentence says where it looked and what to do. */
int credentials_get(struct credentials *, struct credential *ret, struct buf *why) ATTR_WARN_UNUSED;
/* A server has refused this generation (ExpiredToken, InvalidAccessKeyId, InvalidToken, SignatureDoesNotMatch, AccessDenied): looks at the source again. True: there are
 * other ones now, and trying again at once makes sense. */
bool credentials_refused(struct credentials *, unsigned generation);
/* The region that the environment (AWS_REGION, AWS_DEFAULT_REGION) or the profile names, malloc'd, or NULL. */
char *credentials_region(struct credentials *);
/* The same for AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, endpoint_url of the profile. */
char *credentials_endpoint(struct credentials *);

#endif
