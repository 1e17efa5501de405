/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/policy_parts.h"

#define TEXT_MAX ((size_t)16 << 10)

/* ---- prefixes */

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted, so that what lies below another one follows it. */
static size_t drop_covered(char **list, size_t n) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept && !strncmp(list[i], list[kept - 1], strlen(list[kept - 1])))
            free(list[i]);
        else
            list[kept++] = list[i];
    }
    return kept;
}

char **policy_prefixes(const struct policy *p, size_t *ret_n) {
    size_t n = 0;
    char **list = xcalloc(p->n_areas + 1, sizeof *list);
    list[n++] = xasprintf("%s%s/", p->place, p->journal);
    for (size_t i = 0; i < p->n_areas; i++)
        list[n++] = xasprintf("%s%s", p->place, p->areas[i].room);
    qsort(list, n, sizeof *list, by_bytes);
    *ret_n = drop_covered(list, n);
    return list;
}

void policy_prefixes_free(char **list, size_t n) {
    while (n > 0)
        free(list[--n]);
    free(list);
}

bool policy_uses_kms(const struct policy *p) {
    for (size_t i = 0; i < p->n_areas; i++)
        if (p->areas[i].kms)
            return true;
    return false;
}

bool policy_signs(const struct policy *p) {
    for (size_t i = 0; i < p->n_areas; i++)
        if (!p->areas[i].open)
            return true;
    return p->signs;
}

/* ---- resources */

/* In a resource * and ? stand for others and $ begins a variable: themselves they are ${*}, ${?}, ${$}. And
 * Terraform reads ${ and %{ as its own, unless doubled. */
static void append_literal(struct buf *b, const char *s, bool terraform) {
    for (; *s; s++) {
        if (strchr("*?$", *s))
            buf_printf(b, "%s{%c}", terraform ? "$$" : "$", *s);
        else if (terraform && *s == '%' && s[1] == '{')
            buf_append_str(b, "%%");
        else
            buf_append_byte(b, (unsigned char)*s);
    }
}

static void resource(struct json *j, const struct policy_terms *t, const char *prefix) {
    CLEANUP_BUF struct buf b = BUF_INIT(TEXT_MAX);
    buf_printf(&b, "%s/", t->bucket_arn);
    append_literal(&b, prefix, t->terraform);
    buf_append_byte(&b, '*');
    json_text(j, NULL, buf_str(&b));
}

static void resources(struct json *j, const struct policy_terms *t) {
    size_t n;
    char **prefixes = policy_prefixes(t->policy, &n);
    json_array(j, "Resource");
    for (size_t i = 0; i < n; i++)
        resource(j, t, prefixes[i]);
    json_end(j);
    policy_prefixes_free(prefixes, n);
}

static void begin_statement(struct json *j, const char *name, const char *sid, const char *effect) {
    json_object(j, name);
    json_text(j, "Sid", sid);
    json_text(j, "Effect", effect);
}

static void begin_document(struct json *j, const char *name) {
    json_object(j, name);
    json_text(j, "Version", "2012-10-17");
    json_array(j, "Statement");
}

static void end_document(struct json *j) {
    json_end(j);
    json_end(j);
}

/* ---- the writer */

static void tagging(struct json *j, const struct policy_terms *t) {
    bool any = false;
    for (size_t i = 0; i < t->policy->n_areas; i++) {
        const struct policy_area *a = &t->policy->areas[i];
        if (!a->tags)
            continue;
        if (!any) {
            begin_statement(j, NULL, "AssetfsTag", "Allow");
            json_text(j, "Action", "s3:PutObjectTagging");
            json_array(j, "Resource");
        }
        any = true;
        CLEANUP_FREE char *prefix = xasprintf("%s%s", t->policy->place, a->room);
        resource(j, t, prefix);
    }
    if (any) {
        json_end(j);
        json_end(j);
    }
}

/* The ARN of the key that an area names, by its id or its ARN; else (an alias, or none) the one that is to be
 * filled in. malloc'd. */
static char *kms_key(const struct policy_terms *t, const char *key) {
    if (key && !strncmp(key, "arn:", 4) && strstr(key, ":key/"))
        return xstrdup(key);
    bool id = key && *key && key[strspn(key, "0123456789abcdefABCDEF-")] == '\0';
    const char *slash = strrchr(t->kms_arn, '/');
    return id && slash ? xasprintf("%.*s/%s", (int)(slash - t->kms_arn), t->kms_arn, key)
                       : xstrdup(t->kms_arn);
}

static void kms_resources(struct json *j, const struct policy_terms *t) {
    const struct policy *p = t->policy;
    char **said = xcalloc(p->n_areas + 1, sizeof *said);
    size_t n = 0;
    json_array(j, "Resource");
    for (size_t i = 0; i < p->n_areas; i++) {
        if (!p->areas[i].kms)
            continue;
        said[n] = kms_key(t, p->areas[i].kms_key);
        size_t same = 0;
        while (strcmp(said[same], said[n]) != 0)
            same++;
        if (same == n)
            json_text(j, NULL, said[n++]);
        else
            free(said[n]);
    }
    json_end(j);
    policy_prefixes_free(said, n);
}

void policy_writer(struct json *j, const char *name, const struct policy_terms *t) {
    begin_document(j, name);
    begin_statement(j, NULL, "AssetfsPut", "Allow");
    json_text(j, "Action", "s3:PutObject");
    resources(j, t);
    json_end(j);
    if (!t->policy->cdn_path) {
        begin_statement(j, NULL, "AssetfsGet", "Allow");
        json_text(j, "Action", "s3:GetObject");
        resources(j, t);
        json_end(j);
    }
    tagging(j, t);
    if (policy_uses_kms(t->policy)) {
        begin_statement(j, NULL, "AssetfsEncrypt", "Allow");
        json_texts(j, "Action", (const char *const[]){"kms:GenerateDataKey", "kms:Decrypt"}, 2);
        kms_resources(j, t);
        json_end(j);
    }
    end_document(j);
}

/* ---- the bucket */

static void cdn_principal(struct json *j) {
    json_object(j, "Principal");
    json_text(j, "Service", "cloudfront.amazonaws.com");
    json_end(j);
}

static void of_distribution(struct json *j, const struct policy_terms *t) {
    json_object(j, "Condition");
    json_object(j, "StringEquals");
    json_text(j, "AWS:SourceArn", t->distribution_arn);
    json_end(j);
    json_end(j);
}

/* The parts of a multipart upload cannot have the header: its beginning and its parts are exempt, its
 * completion is not. */
static void put_once(struct json *j, const struct policy_terms *t) {
    begin_statement(j, NULL, "AssetfsPutOnce", "Deny");
    json_text(j, "Principal", "*");
    json_text(j, "Action", "s3:PutObject");
    resources(j, t);
    json_object(j, "Condition");
    json_object(j, "Null");
    json_text(j, "s3:if-none-match", "true");
    json_end(j);
    json_object(j, "Bool");
    json_text(j, "s3:ObjectCreationOperation", "true");
    json_end(j);
    json_end(j);
    json_end(j);
}

void policy_bucket(struct json *j, const char *name, const struct policy_terms *t) {
    begin_document(j, name);
    if (t->policy->cdn_path) {
        begin_statement(j, NULL, "AssetfsRead", "Allow");
        cdn_principal(j);
        json_text(j, "Action", "s3:GetObject");
        resources(j, t);
        of_distribution(j, t);
        json_end(j);
    }
    put_once(j, t);
    end_document(j);
}

/* ---- the key of KMS: "*" is the key itself there */

void policy_kms_cdn(struct json *j, const char *name, const struct policy_terms *t) {
    begin_statement(j, name, "AssetfsCdnDecrypts", "Allow");
    cdn_principal(j);
    json_text(j, "Action", "kms:Decrypt");
    json_text(j, "Resource", "*");
    of_distribution(j, t);
    json_end(j);
}

void policy_kms_writer(struct json *j, const char *name, const struct policy_terms *t) {
    begin_statement(j, name, "AssetfsWriterEncrypts", "Allow");
    json_object(j, "Principal");
    json_text(j, "AWS", t->writer_arn);
    json_end(j);
    json_texts(j, "Action", (const char *const[]){"kms:GenerateDataKey", "kms:Decrypt"}, 2);
    json_text(j, "Resource", "*");
    json_end(j);
}

/* ---- the CDN */

/* What a pattern takes as it is, and an address has unencoded ("Path pattern", Amazon CloudFront Developer Guide; RFC 3986, 2.3). */
static size_t plain_span(const char *s) {
    return strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~/");
}

/* Of what else there is, each run is a "*": wider than it should be, which is safe for what is stricter than the rest. */
static char *pattern(const struct policy *p, const char *key) {
    CLEANUP_FREE char *whole = xasprintf("%s/%s%s", p->cdn_path, p->place, key);
    CLEANUP_BUF struct buf b = BUF_INIT(TEXT_MAX);
    for (const char *s = whole; *s;) {
        size_t n = plain_span(s);
        buf_append(&b, s, n);
        s += n;
        if (!*s)
            break;
        buf_append_byte(&b, '*');
        while (*s && !plain_span(s))
            s++;
    }
    buf_append_byte(&b, '*');
    return (char *)buf_take(&b, NULL);
}

char *policy_pattern_note(const struct policy *p, const struct policy_area *a) {
    CLEANUP_FREE char *begins = xasprintf("%s%s", p->place, a->room);
    if (!p->cdn_path || !a->open || !p->signs || !begins[plain_span(begins)])
        return NULL;
    return xasprintf("The keys of an open area begin with %s, and CloudFront has no pattern for that (letters, digits and - _ . ~ / are sure to fit): there is no behaviour for it here, so that it "
                     "cannot be read without a signature. Give the area a key template that begins otherwise, as key=web/{sha256}{ext}, and print this again.",
                     begins);
}

/* The default behaviour is as strict as the volume is; open areas come before it. */
struct policy_behaviour *policy_behaviours(const struct policy *p, size_t *ret_n) {
    struct policy_behaviour *list = xcalloc(p->n_areas + 2, sizeof *list);
    CLEANUP_FREE char *journal = xasprintf("%s/journal/", p->journal);
    size_t n = 0;
    list[n++] = (struct policy_behaviour){.pattern = pattern(p, journal), .is_signed = p->signs};
    for (size_t i = 0; i < p->n_areas; i++) {
        CLEANUP_FREE char *note = policy_pattern_note(p, &p->areas[i]);
        if (p->areas[i].open != !p->signs && !note)
            list[n++] = (struct policy_behaviour){
                .pattern = pattern(p, p->areas[i].room), .cached = true, .is_signed = !p->areas[i].open};
    }
    list[n++] = (struct policy_behaviour){.cached = true, .is_signed = p->signs};
    *ret_n = n;
    return list;
}

void policy_behaviours_free(struct policy_behaviour *list, size_t n) {
    while (n > 0)
        free(list[--n].pattern);
    free(list);
}
