/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "signed_url.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#define KEYS_MAX 8
#define POLICY_MAX 2048

struct url_keys {
    pthread_mutex_t mutex;
    /* guarded by it: */
    char *ids[KEYS_MAX];
    EVP_PKEY *keys[KEYS_MAX];
    size_t n;
};

/* What the request brings along; malloc'd, NULL where it does not. */
struct proof {
    char *expires, *policy, *signature, *key_id, *hash;
};

struct url_keys *url_keys_new(void) {
    struct url_keys *k = xcalloc(1, sizeof *k);
    pthread_mutex_init(&k->mutex, NULL);
    return k;
}

void url_keys_free(struct url_keys *k) {
    for (size_t i = 0; k && i < k->n; i++) {
        free(k->ids[i]);
        EVP_PKEY_free(k->keys[i]);
    }
    free(k);
}

static bool remove_key(struct url_keys *k, const char *id) {
    for (size_t i = 0; i < k->n; i++) {
        if (strcmp(k->ids[i], id) != 0)
            continue;
        free(k->ids[i]);
        EVP_PKEY_free(k->keys[i]);
        k->n--;
        k->ids[i] = k->ids[k->n];
        k->keys[i] = k->keys[k->n];
        return true;
    }
    return false;
}

bool url_keys_remove(struct url_keys *k, const char *id) {
    SCOPE_LOCK(&k->mutex);
    return remove_key(k, id);
}

static EVP_PKEY *read_key(const char *path) {
    FILE *f = fopen(path, "re");
    EVP_PKEY *key = f ? PEM_read_PUBKEY(f, NULL, NULL, NULL) : NULL;
    if (f)
        fclose(f);
    return key;
}

bool url_keys_add(struct url_keys *k, const char *text) {
    const char *path = strchr(text, '=');
    EVP_PKEY *key = path ? read_key(path + 1) : NULL;
    if (!key)
        return false;
    char *id = xstrndup(text, (size_t)(path - text));
    SCOPE_LOCK(&k->mutex);
    remove_key(k, id);
    bool room = k->n < KEYS_MAX;
    if (room) {
        k->ids[k->n] = id;
        k->keys[k->n++] = key;
    } else {
        EVP_PKEY_free(key);
        free(id);
    }
    return room;
}

/* NULL: nobody knows it. */
static EVP_PKEY *find_key(struct url_keys *k, const char *id) {
    SCOPE_LOCK(&k->mutex);
    for (size_t i = 0; i < k->n; i++) {
        if (!strcmp(k->ids[i], id)) {
            EVP_PKEY_up_ref(k->keys[i]);
            return k->keys[i];
        }
    }
    return NULL;
}

/* ---- what comes along ---- */

static const char *const names[] = {"Expires", "Policy", "Signature", "Key-Pair-Id", "Hash-Algorithm"};

static char **member(struct proof *p, size_t i) {
    char **const all[] = {&p->expires, &p->policy, &p->signature, &p->key_id, &p->hash};
    return all[i];
}

static bool take(struct proof *p, const char *name, const char *value) {
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(name, names[i]) != 0)
            continue;
        free(*member(p, i));
        *member(p, i) = xstrdup(value);
        return true;
    }
    return false;
}

static void proof_free(struct proof *p) {
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        free(*member(p, i));
}

/* Returns the query without what is ours, malloc'd; "": nothing is left. */
static char *take_query(struct proof *p, const char *query) {
    CLEANUP_FREE char *copy = xstrdup(query);
    char *left = xcalloc(1, strlen(query) + 1), *rest = copy;
    for (char *part; (part = strsep(&rest, "&"));) {
        CLEANUP_FREE char *name = xstrdup(part);
        char *value = strchr(name, '=');
        if (value)
            *value++ = '\0';
        if (value && take(p, name, value))
            continue;
        strcat(left, *left ? "&" : "");
        strcat(left, part);
    }
    return left;
}

static void take_cookies(struct proof *p, const char *cookie) {
    CLEANUP_FREE char *copy = xstrdup(cookie);
    char *rest = copy;
    for (char *part; (part = strsep(&rest, ";"));) {
        part += strspn(part, " ");
        char *value = strchr(part, '=');
        if (!value || !text_begins(part, "CloudFront-"))
            continue;
        *value++ = '\0';
        take(p, part + strlen("CloudFront-"), value);
    }
}

/* CloudFront's base64: - for +, _ for =, ~ for /. Malloc'd, with a NUL behind; NULL: it is none. */
static char *decode(const char *text, size_t *n) {
    CLEANUP_FREE char *copy = xstrdup(text);
    for (char *c = copy; *c; c++)
        *c = *c == '-' ? '+' : *c == '_' ? '=' : *c == '~' ? '/' : *c;
    char *ret = xcalloc(1, POLICY_MAX + 1);
    int got = text_unbase64(copy, (unsigned char *)ret, POLICY_MAX);
    if (got < 0) {
        free(ret);
        return NULL;
    }
    *n = (size_t)got;
    return ret;
}

/* ---- the policy: JSON of a few known names, which is searched, not parsed ---- */

/* What follows "name" and a colon; NULL: it is not there. */
static const char *after(const char *json, const char *name) {
    CLEANUP_FREE char *quoted = xasprintf("\"%s\"", name);
    const char *p = strstr(json, quoted);
    if (!p)
        return NULL;
    p += strlen(quoted);
    p += strspn(p, " \t\r\n");
    if (*p++ != ':')
        return NULL;
    return p + strspn(p, " \t\r\n");
}

/* "outer": {"inner": value} */
static const char *inside(const char *json, const char *outer, const char *inner) {
    const char *p = after(json, outer);
    return p && *p == '{' ? after(p, inner) : NULL;
}

static char *string_at(const char *p) {
    return p && *p == '"' ? xstrndup(p + 1, strcspn(p + 1, "\"")) : NULL;
}

/* * is any bytes, ? is one, \? is a question mark. */
static bool matches(const char *pattern, const char *s) {
    for (; *pattern && *pattern != '*'; pattern++, s++) {
        if (*pattern == '?' ? !*s : (pattern += pattern[0] == '\\' && pattern[1] == '?', *pattern != *s))
            return false;
    }
    if (!*pattern)
        return !*s;
    for (;; s++) {
        if (matches(pattern + 1, s))
            return true;
        if (!*s)
            return false;
    }
}

/* "192.0.2.0/24" */
static bool is_inside(const char *range, const char *address) {
    char net[64];
    struct in_addr a, b;
    unsigned bits = 32;
    if (sscanf(range, "%63[0-9.]/%u", net, &bits) < 1 || bits > 32 || inet_pton(AF_INET, net, &a) != 1 ||
        inet_pton(AF_INET, address, &b) != 1)
        return false;
    uint32_t mask = bits ? UINT32_MAX << (32 - bits) : 0;
    return ((ntohl(a.s_addr) ^ ntohl(b.s_addr)) & mask) == 0;
}

static const char *check_policy(const struct signed_ask *ask, const char *url, const char *json) {
    CLEANUP_FREE char *resource = string_at(after(json, "Resource"));
    CLEANUP_FREE char *range = string_at(inside(json, "IpAddress", "AWS:SourceIp"));
    const char *until = inside(json, "DateLessThan", "AWS:EpochTime"),
               *from = inside(json, "DateGreaterThan", "AWS:EpochTime");
    if (!until)
        return "MalformedPolicy";
    bool good = (!resource || matches(resource, url)) && ask->now < (time_t)atoll(until) &&
                (!from || ask->now > (time_t)atoll(from)) && (!range || is_inside(range, ask->address));
    return good ? NULL : "AccessDenied";
}

/* ---- the signature ---- */

static bool is_signed_by(EVP_PKEY *key, const EVP_MD *md, const char *policy, size_t n, const char *signature,
                         size_t signature_n) {
    EVP_MD_CTX *ctx = mem_check(EVP_MD_CTX_new());
    bool good = EVP_DigestVerifyInit(ctx, NULL, md, NULL, key) == 1 &&
                EVP_DigestVerify(ctx, (const unsigned char *)signature, signature_n,
                                 (const unsigned char *)policy, n) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}

static const char *check_signature(const struct proof *p, struct url_keys *keys, const char *policy,
                                   size_t n) {
    size_t signature_n = 0;
    CLEANUP_FREE char *signature = decode(p->signature, &signature_n);
    const EVP_MD *md = p->hash && !strcmp(p->hash, "SHA256") ? EVP_sha256() : EVP_sha1();
    EVP_PKEY *key = find_key(keys, p->key_id);
    if (!key)
        return "InvalidKey";
    bool good = signature && is_signed_by(key, md, policy, n, signature, signature_n);
    EVP_PKEY_free(key);
    return good ? NULL : "AccessDenied";
}

static const char *check_proof(const struct signed_ask *ask, struct url_keys *keys, const struct proof *p,
                               const char *url) {
    if (!p->key_id || !p->signature || (!p->policy && !p->expires))
        return "MissingKey";
    size_t n;
    CLEANUP_FREE char *policy = NULL;
    if (p->policy) {
        policy = decode(p->policy, &n);
    } else {
        policy = xasprintf(
            "{\"Statement\":[{\"Resource\":\"%s\",\"Condition\":{\"DateLessThan\":{\"AWS:EpochTime\":%s}}}]}",
            url, p->expires);
        n = strlen(policy);
    }
    if (!policy || strlen(policy) != n)
        return "MalformedPolicy";
    const char *wrong = check_signature(p, keys, policy, n);
    if (wrong)
        return wrong;
    if (p->policy)
        return check_policy(ask, url, policy);
    uint64_t until;
    return text_number(p->expires, &until) && ask->now < (time_t)until ? NULL : "AccessDenied";
}

const char *signed_url_check(const struct signed_ask *ask, struct url_keys *keys) {
    struct proof p = {0};
    CLEANUP_FREE char *left = take_query(&p, ask->query ? ask->query : "");
    if (!p.signature && !p.key_id && ask->cookie)
        take_cookies(&p, ask->cookie);
    CLEANUP_FREE char *url = xasprintf("%s%s%s", ask->url, *left ? "?" : "", left);
    const char *wrong = check_proof(ask, keys, &p, url);
    proof_free(&p);
    return wrong;
}
