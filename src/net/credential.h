/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One set of AWS keys, and the JSON in which programs and endpoints hand it over. Pure; one thread at a time.
 */
#ifndef ASSETFS_CREDENTIAL_H
#define ASSETFS_CREDENTIAL_H

#include "base/base.h"
#include "base/buf.h"

/* malloc'd strings, all of them taken for secrets. */
struct credential {
    char *access_key, *secret_key;
    char *session_token;  /* NULL: none */
    int64_t expires;      /* seconds since 1970; 0: never */
    unsigned generation;  /* which one it is: for credentials_refused() */
};
/* Zeroes and frees the strings. */
void credential_free(struct credential *);
void credential_copy(const struct credential *, struct credential *ret);
/* Same keys; expires and generation do not count. */
bool credential_same(const struct credential *, const struct credential *);

/* From three values (the third may be NULL) and what each is called: both keys must be there, and all of them such that they can stand in a header. -EINVAL with a sentence that begins with
 * `where`. expires is left alone. */
int credential_take(const char *const value[3], const char *const name[3], const char *where, struct credential *ret, struct buf *why) ATTR_WARN_UNUSED;
/* RFC 3339: "2026-11-22T02:29:36Z", with any offset instead of the Z, with or without a fraction; in seconds since 1970, rounded down. -EINVAL */
int credential_time(const char *text, int64_t *ret) ATTR_WARN_UNUSED;

/* Who hands it over: the names differ. */
enum credential_form {
    CREDENTIAL_PROCESS,  /* {"Version":1,"AccessKeyId":..,"SecretAccessKey":..,"SessionToken"?:..,"Expiration"?:..} ("Sourcing credentials with an external process") */
    CREDENTIAL_ENDPOINT, /* {"AccessKeyId":..,"SecretAccessKey":..,"Token":..,"Expiration":..}, of containers and instances, which may say {"Code":..,"Message":..} instead */
};
#define CREDENTIAL_JSON_MAX ((size_t)64 << 10)
/* -EINVAL with a clause: what is wrong with it. Nothing of the text is in it but a Code and a Message. */
int credential_parse(enum credential_form, const void *p, size_t n, struct credential *ret, struct buf *why) ATTR_WARN_UNUSED;

/* A server's or a program's words in one line, cut after so many bytes and what is not printable ASCII taken out; malloc'd. */
#define CREDENTIAL_WORDS_MAX 300
char *credential_words(const char *text, size_t n);

#endif
