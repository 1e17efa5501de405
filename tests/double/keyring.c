/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "keyring.h"

#include <uthash.h>

struct entry {
    UT_hash_handle hh;
    struct key key;
};

struct keyring {
    pthread_mutex_t lock;
    struct entry *entries; /* by key.access; guarded by lock */
};

static const char *const role_names[] = {
    [ROLE_WRITER] = "writer", [ROLE_READER] = "reader", [ROLE_OWNER] = "owner"};
static const char *const standing_names[] = {
    [STANDING_GOOD] = "restore", [STANDING_REVOKED] = "revoke", [STANDING_EXPIRED] = "expire"};

struct keyring *keyring_new(void) {
    struct keyring *k = xcalloc(1, sizeof *k);
    pthread_mutex_init(&k->lock, NULL);
    if (!keyring_command(k, "writer WRITERKEY writersecret") ||
        !keyring_command(k, "reader CDNKEY cdnsecret") || !keyring_command(k, "owner OWNERKEY ownersecret"))
        abort();
    return k;
}

void keyring_free(struct keyring *k) {
    struct entry *e, *next;
    if (!k)
        return;
    HASH_ITER (hh, k->entries, e, next) {
        HASH_DEL(k->entries, e);
        free(e);
    }
    pthread_mutex_destroy(&k->lock);
    free(k);
}

bool keyring_find(struct keyring *k, const char *access, struct key *ret) {
    SCOPE_LOCK(&k->lock);
    struct entry *e;
    HASH_FIND_STR(k->entries, access, e);
    if (e)
        *ret = e->key;
    return e != NULL;
}

static void add(struct keyring *k, const struct key *key) {
    SCOPE_LOCK(&k->lock);
    struct entry *e;
    HASH_FIND_STR(k->entries, key->access, e);
    if (e) {
        e->key = *key;
    } else {
        e = xcalloc(1, sizeof *e);
        e->key = *key;
        HASH_ADD_STR(k->entries, key.access, e);
    }
}

static bool set_standing(struct keyring *k, const char *access, enum standing standing) {
    SCOPE_LOCK(&k->lock);
    struct entry *e;
    HASH_FIND_STR(k->entries, access, e);
    if (e)
        e->key.standing = standing;
    return e != NULL;
}

static bool parse_more(const char *list, unsigned *ret) {
    static const char *const names[] = {"get", "list", "delete"};
    CLEANUP_FREE char *copy = xstrdup(list);
    char *rest = copy;
    *ret = 0;
    for (char *name; (name = strsep(&rest, ","));) {
        unsigned i = 0;
        while (i < ARRAY_SIZE(names) && strcmp(name, names[i]) != 0)
            i++;
        if (i == ARRAY_SIZE(names))
            return false;
        *ret |= 1u << i;
    }
    return true;
}

/* "allow", "scope" */
static bool set_permission(struct keyring *k, const char *verb, const char *access, const char *value) {
    SCOPE_LOCK(&k->lock);
    struct entry *e;
    HASH_FIND_STR(k->entries, access, e);
    if (!e)
        return false;
    if (!strcmp(verb, "allow"))
        return parse_more(value, &e->key.more);
    snprintf(e->key.scope, sizeof e->key.scope, "%s", value);
    return true;
}

bool keyring_in_scope(const struct key *key, const char *object) {
    CLEANUP_FREE char *copy = xstrdup(key->scope);
    char *rest = copy;
    if (!*key->scope)
        return true;
    for (char *prefix; (prefix = strsep(&rest, ","));)
        if (!strncmp(object, prefix, strlen(prefix)))
            return true;
    return false;
}

bool keyring_command(struct keyring *k, const char *line) {
    char verb[16];
    struct key key = {0};
    int n = sscanf(line, "%15s %128s %128s %1024s", verb, key.access, key.secret, key.token);
    for (unsigned i = 0; n == 2 && i < ARRAY_SIZE(standing_names); i++) {
        if (!strcmp(verb, standing_names[i]))
            return set_standing(k, key.access, (enum standing)i);
    }
    if (n == 3 && (!strcmp(verb, "allow") || !strcmp(verb, "scope")))
        return set_permission(k, verb, key.access, key.secret);
    for (unsigned i = 0; n >= 3 && i < ARRAY_SIZE(role_names); i++) {
        if (!strcmp(verb, role_names[i])) {
            key.role = (enum role)i;
            add(k, &key);
            return true;
        }
    }
    return false;
}

void keyring_restore(struct keyring *k) {
    SCOPE_LOCK(&k->lock);
    for (struct entry *e = k->entries; e; e = e->hh.next) {
        e->key.standing = STANDING_GOOD;
        e->key.more = 0;
        e->key.scope[0] = '\0';
    }
}
