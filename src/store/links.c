/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/links.h"
#include "net/url.h"

#define URL_MAX ((size_t)16 << 10)
#define WHY_MAX ((size_t)4 << 10)
#define KEY_MAX 1024

struct links {
    char *base; /* NULL: the reader knows */
    char *prefix;
    struct store *reader;
    struct cdn_access *access;
};

int links_new(const char *base, const char *prefix, struct store *reader, struct cdn_access *access,
              struct links **ret, struct buf *why) {
    CLEANUP_BUF struct buf said = BUF_INIT(WHY_MAX);
    CLEANUP_FREE char *text = NULL;
    if (base) {
        struct url url;
        if (url_parse(base, &url, &said) < 0) {
            buf_printf(why, "link_base=: %s", buf_str(&said));
            return -EINVAL;
        }
        text = url_text(&url);
        url_free(&url);
    }
    struct links *l = xmalloc(sizeof *l);
    *l = (struct links){STEAL_PTR(&text), xstrdup(prefix), reader, access};
    *ret = l;
    return 0;
}

struct links *links_free(struct links *l) {
    if (l) {
        free(l->base);
        free(l->prefix);
        free(l);
    }
    return NULL;
}

bool links_can_sign(const struct links *l) {
    return cdn_access_signs(l->access);
}

char *links_url(const struct links *l, const char *key) {
    if (!l->base)
        return store_url(l->reader, key);
    CLEANUP_FREE char *whole = xasprintf("%s%s", l->prefix, key);
    if (!*key || *key == '/' || strlen(whole) > KEY_MAX)
        return NULL;
    CLEANUP_BUF struct buf b = BUF_INIT(URL_MAX);
    buf_printf(&b, "%s/", l->base);
    url_encode(&b, whole, strlen(whole), true);
    return (char *)buf_take(&b, NULL);
}

int links_sign(const struct links *l, const char *key, int64_t lifetime, char **ret, int64_t *ret_until,
               struct buf *why) {
    if (!links_can_sign(l)) {
        buf_append_str(why, "this mount has no key to sign with: mount with cdn_key_file= and cdn_key_id=");
        return -ENOKEY;
    }
    CLEANUP_FREE char *url = links_url(l, key);
    if (!url) {
        buf_append_str(why, "objects of this bucket have no address");
        return -ENODATA;
    }
    return cdn_access_link(l->access, url, lifetime, ret, ret_until, why);
}
