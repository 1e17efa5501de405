/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/invitation.h"
#include "base/volume_key.h"
#include <ctype.h>

char *invitation_name(const struct options *o) {
    if (!strstr(o->volume, "://"))
        return xstrdup(o->volume);
    size_t n = strlen(o->url);
    while (n > 0 && o->url[n - 1] == '/')
        n--;
    size_t from = n;
    while (from > 0 && o->url[from - 1] != '/')
        from--;
    char *name = xstrndup(o->url + from, n - from);
    for (char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("-_.", *p))
            *p = '-';
    if (!*name) {
        free(name);
        name = xstrdup("assets");
    }
    return name;
}

static void line(struct buf *b, const char *name, const char *value) {
    if (value && *value)
        buf_printf(b, "%s = %s\n", name, value);
}

/* Only where it is not what every host would take anyway. */
static void unless(struct buf *b, const char *name, const char *value, const char *standard) {
    if (value && strcmp(value, standard) != 0)
        line(b, name, value);
}

void invitation_section(const struct options *o, const char *name, struct buf *b) {
    struct options standard;
    options_init(&standard);
    buf_printf(b, "[volume %s]\n", name);
    line(b, "url", o->url);
    line(b, "endpoint", o->endpoint);
    line(b, "region", o->region);
    if (o->path_style)
        buf_append_str(b, "path_style = yes\n");
    if (o->insecure_http)
        buf_append_str(b, "insecure_http = yes\n");
    line(b, "cdn", o->cdn);
    if (o->cdn_key_id && *o->cdn_key_id != '/')
        line(b, "cdn_key_id", o->cdn_key_id);
    unless(b, "cdn_sign", o->cdn_sign, standard.cdn_sign);
    unless(b, "cdn_policy", o->cdn_policy, standard.cdn_policy);
    unless(b, "cdn_hash", o->cdn_hash, standard.cdn_hash);
    line(b, "link_base", o->link_base);
    unless(b, "prefix", o->prefix, standard.prefix);
    line(b, "temporary", o->temporary);
    unless(b, "local_only", o->local_only, standard.local_only);
    options_free(&standard);
}

/* The next line that begins so, from *at on; *at moves behind it. malloc'd, without what it begins with. */
static char *next_line(const char **at, const char *begins) {
    while (**at) {
        size_t n = strcspn(*at, "\r\n"), skip = strlen(begins);
        const char *p = *at;
        *at += n + strspn(*at + n, "\r\n");
        if (n >= skip && !strncmp(p, begins, skip))
            return xstrndup(p + skip, n - skip);
    }
    return NULL;
}

char *invitation_parse_name(const char *text, struct buf *why) {
    const char *at = text;
    CLEANUP_FREE char *first = NULL, *more = NULL;
    if (!strncmp(text, INVITATION_FIRST, strlen(INVITATION_FIRST))) {
        first = next_line(&at, "[volume ");
        more = next_line(&at, "[");
    }
    size_t n = first ? strcspn(first, "]") : 0;
    if (!first || more || n == 0 || first[n] != ']') {
        buf_append_str(why, "it is no invitation: a file that `assetfs invite` wrote was expected");
        return NULL;
    }
    return xstrndup(first, n);
}

int invitation_keys(const char *text, uint8_t (*ret)[SEAL_KEY_SIZE], size_t max, struct buf *why) {
    const char *at = text;
    int n = 0;
    for (char *code; (code = next_line(&at, INVITATION_KEY));) {
        int r = (size_t)n < max ? volume_key_parse(code, ret[n]) : -EINVAL;
        explicit_bzero(code, strlen(code));
        free(code);
        if (r < 0) {
            buf_append_str(why, "a key in it has been damaged: ask for another invitation");
            return r;
        }
        n++;
    }
    return n;
}
