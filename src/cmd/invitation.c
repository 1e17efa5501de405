/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/invitation.h"
#include "base/volume_key.h"
#include <ctype.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/pem.h>

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
    if (o->cdn_key_id && o->cdn_expires != standard.cdn_expires)
        buf_printf(b, "cdn_expires = %" PRId64 "ms\n", o->cdn_expires / 1000000);
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

/* Every certificate of in, in PEM form, to out. How many; -EBADMSG when one of them is none. */
static int copy_certificates(BIO *in, BIO *out) {
    int n = 0, r = 0;
    ERR_clear_error();
    for (X509 *cert; r == 0 && (cert = PEM_read_bio_X509(in, NULL, NULL, NULL)); n++) {
        r = PEM_write_bio_X509(out, cert) == 1 ? 0 : -ENOMEM;
        X509_free(cert);
    }
    bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    return r < 0 ? r : at_end ? n : -EBADMSG;
}

int invitation_add_ca(struct buf *text, const char *ca_file, struct buf *why) {
    BIO *in = BIO_new_file(ca_file, "r"), *pem = BIO_new(BIO_s_mem());
    int n = in && pem ? copy_certificates(in, pem) : -EIO;
    char line[256];
    for (int k; n > 0 && (k = BIO_gets(pem, line, sizeof line)) > 0;)
        buf_printf(text, INVITATION_CA "%s", line);
    BIO_free(in);
    BIO_free(pem);
    if (n <= 0)
        buf_printf(why, "the CA file %s %s", ca_file, n == -EIO ? "cannot be read" : "holds no certificate in PEM form, or a damaged one");
    return n > 0 ? 0 : n < 0 ? n : -EINVAL;
}

int invitation_ca(const char *text, struct buf *pem, struct buf *why) {
    CLEANUP_BUF struct buf lines = BUF_INIT(INVITATION_MAX);
    const char *at = text;
    for (char *l; (l = next_line(&at, INVITATION_CA)); free(l))
        buf_printf(&lines, "%s\n", l);
    if (lines.len == 0)
        return 0;
    BIO *in = BIO_new_mem_buf(lines.data, (int)lines.len), *out = BIO_new(BIO_s_mem());
    int n = lines.err ? lines.err : copy_certificates(in, out);
    char *data;
    long len = BIO_get_mem_data(out, &data);
    if (n > 0)
        buf_append(pem, data, (size_t)len);
    BIO_free(in);
    BIO_free(out);
    if (n > 0)
        return n;
    buf_append_str(why, "a certificate in it has been damaged: ask for another invitation");
    return -EBADMSG;
}
