/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who may ask: access keys, their secrets, and what their owner may do. Threads: any; one mutex inside.
 */
#ifndef DOUBLE_KEYRING_H
#define DOUBLE_KEYRING_H

#include "mem.h"

enum role {
    ROLE_WRITER, /* s3:PutObject and nothing else */
    ROLE_READER, /* s3:GetObject and nothing else: what a mount has that reads the bucket itself */
    ROLE_OWNER,  /* everything the double can do */
    ROLE_ANYBODY, /* of a request that is not signed, where the bucket is open to that */
};

/* What a writer may besides, where a deployment is open wider than it should be. */
enum more { MAY_GET = 1, MAY_LIST = 2, MAY_DELETE = 4 };

enum standing { STANDING_GOOD, STANDING_REVOKED, STANDING_EXPIRED };

struct key {
    enum role role;
    enum standing standing;
    char access[129], secret[129];
    char token[1025]; /* "": none is needed */
    unsigned more;    /* enum more */
    char scope[256];  /* a writer's: puts are allowed below these prefixes, divided by commas; "": anywhere */
};

struct keyring;
/* With WRITERKEY:writersecret, CDNKEY:cdnsecret (a reader) and OWNERKEY:ownersecret. */
struct keyring *keyring_new(void);
void keyring_free(struct keyring *);
bool keyring_find(struct keyring *, const char *access, struct key *ret);
/* "writer|reader|owner ACCESS SECRET [TOKEN]" adds or replaces one; "revoke ACCESS" (as if it were not there), "expire ACCESS" (ExpiredToken),
 * "restore ACCESS" (either), "allow ACCESS get,list,delete" (a writer may that, too), "scope ACCESS PREFIX,PREFIX". False: not so, or no such key. */
bool keyring_command(struct keyring *, const char *line);
/* All of them in good standing again, with the permissions of their role; added ones stay. */
void keyring_restore(struct keyring *);
/* Is the key below one of the prefixes? */
bool keyring_in_scope(const struct key *, const char *object);

#endif
