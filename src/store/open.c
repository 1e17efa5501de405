/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/open.h"
#include "config.h"
#include "net/url.h"
#include "store/cdn.h"
#include "store/dir.h"
#include "store/s3.h"
#include <limits.h>

/* Of the whole key's 1,024 bytes; the rest is for what comes after. */
#define PREFIX_MAX 512
#define HTTP_CONNECT_NS (10 * NS_PER_S)
#define HTTP_STALL_NS (30 * NS_PER_S)

static void explain_dir(int err, const char *path, bool create, struct buf *why) {
    switch (err) {
    case -ENOENT:
        buf_printf(why, "the bucket directory %s is not there: mount its disk, or make it with assetfs init",
                   path);
        break;
    case -ENODATA:
        buf_printf(
            why,
            "the directory %s is not a bucket (it has no .tmp in it): mount its disk, or make it one with "
            "assetfs init",
            path);
        break;
    case -ENOTDIR:
        buf_printf(
            why,
            "%s is not a directory, or runs through something that is none: give the path of a directory",
            path);
        break;
    case -EACCES:
    case -EPERM:
    case -EROFS:
        buf_printf(why, "the bucket directory %s cannot be %s (%s): check its owner and mode", path,
                   create ? "made" : "opened", strerror(-err));
        break;
    default:
        buf_printf(why, "the bucket directory %s cannot be %s: %s", path, create ? "made" : "opened",
                   strerror(-err));
    }
}

/* An option that was given for nothing: better an error than a promise not kept. */
static int refuse_network_options(const struct options *opt, struct buf *why) {
    const struct {
        const char *name;
        bool given;
    } network[] = {
        {"endpoint", opt->endpoint},
        {"region", opt->region},
        {"path_style", opt->path_style},
        {"profile", opt->profile},
        {"cdn", opt->cdn},
        {"cdn_key_file", opt->cdn_key_file},
        {"sse_c_key_file", opt->sse_c_key_file},
        {"cdn_key_id", opt->cdn_key_id},
        {"cdn_header", opt->cdn_header},
        {"proxy", opt->proxy},
        {"ca_file", opt->ca_file},
        {"insecure_http", opt->insecure_http},
        {"http2", opt->http2},
        {"upload_limit", opt->upload_limit},
        {"download_limit", opt->download_limit},
    };
    for (size_t i = 0; i < ARRAY_SIZE(network); i++) {
        if (network[i].given) {
            buf_printf(why, "%s is for volumes at s3:// and means nothing for %s: take it away",
                       network[i].name, opt->url);
            return -EINVAL;
        }
    }
    return 0;
}

static int open_dir(struct env *env, struct counters *counters, const char *url, enum store_open_how how,
                    struct store_pair *ret, struct buf *why) {
    const char *rest = url + strlen("file://");
    if (*rest != '/') {
        buf_printf(why, "%s: a directory needs its absolute path after file://, as in file:///srv/bucket",
                   url);
        return -EINVAL;
    }
    CLEANUP_FREE char *path = url_decode(rest);
    if (!path) {
        buf_printf(
            why,
            "%s: a %% must be followed by two hexadecimal digits that are not 00; write a %% itself as %%25",
            url);
        return -EINVAL;
    }
    struct store *s;
    int r = store_dir_open(env, counters, path, how, &s);
    if (r < 0) {
        explain_dir(r, path, how == STORE_OPEN_CREATE, why);
        return r;
    }
    *ret = (struct store_pair){.writer = s, .reader = s};
    return 0;
}

/* ---- S3 */

/* "s3://bucket/some/place/" taken apart; the prefix with a slash at its end, or "". */
static int parse_s3(const char *url, char **ret_bucket, char **ret_prefix, struct buf *why) {
    const char *bucket = url + strlen("s3://"), *rest = bucket + strcspn(bucket, "/");
    const char *prefix = *rest ? rest + 1 : rest;
    size_t n = strlen(prefix);
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)prefix[i] < 0x20 || prefix[i] == 0x7f) {
            buf_append_str(why, "the prefix after s3://bucket/ has a control character in it");
            return -EINVAL;
        }
    }
    for (const char *p = prefix; *p; p += p[strcspn(p, "/")] ? strcspn(p, "/") + 1 : strcspn(p, "/")) {
        size_t part = strcspn(p, "/");
        if (part == 0 || (part <= 2 && strspn(p, ".") >= part)) {
            buf_printf(why,
                       "%s: the prefix after the bucket's name has an empty, \".\" or \"..\" part: write "
                       "s3://bucket/some/place",
                       url);
            return -EINVAL;
        }
    }
    if (n > PREFIX_MAX) {
        buf_printf(why,
                   "the prefix after the bucket's name is longer than %d bytes: keys would not fit behind it",
                   PREFIX_MAX);
        return -EINVAL;
    }
    *ret_bucket = xstrndup(bucket, (size_t)(rest - bucket));
    *ret_prefix = xasprintf("%s%s", prefix, n && prefix[n - 1] != '/' ? "/" : "");
    return 0;
}

/* What is sent there could be read and changed on the way, credentials and names apart. */
static int check_secure(const struct options *opt, const char *what, const char *text, struct buf *why) {
    struct url url;
    CLEANUP_BUF struct buf said = BUF_INIT(4096);
    int r = url_parse(text, &url, &said);
    if (r < 0) {
        buf_printf(why, "%s: %s", what, said.len ? buf_str(&said) : strerror(-r));
        return r;
    }
    if (!url.https && !url_is_loopback(&url) && !opt->insecure_http) {
        buf_printf(why,
                   "%s is plain http, which others on the way can read and change: use https://, or say "
                   "insecure_http",
                   what);
        r = -EINVAL;
    }
    url_free(&url);
    return r;
}

/* For the header User-Agent: a comment has no parentheses in it, and nothing but printable ASCII. */
static void append_comment(struct buf *b, const char *s) {
    for (; *s; s++)
        buf_append_byte(b, (unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f || strchr("()\\", *s)
                               ? '_'
                               : (unsigned char)*s);
}

int store_http(struct env *env, struct counters *counters, const struct options *opt, struct http **ret,
               struct buf *why) {
    char host[HOST_NAME_MAX + 1] = "";
    CLEANUP_BUF struct buf agent = BUF_INIT(4096);
    gethostname(host, sizeof host - 1);
    buf_printf(&agent, "assetfs/%s (", PACKAGE_VERSION);
    append_comment(&agent, opt->volume ? opt->volume : opt->url);
    buf_append_str(&agent, "; ");
    append_comment(&agent, opt->host_label ? opt->host_label : host);
    buf_append_byte(&agent, ')');
    struct http_config config = {.env = env,
                                 .counters = counters,
                                 .user_agent = agent.err ? "assetfs/" PACKAGE_VERSION : buf_str(&agent),
                                 .proxy = opt->proxy,
                                 .ca_file = opt->ca_file,
                                 .upload_limit = opt->upload_limit,
                                 .download_limit = opt->download_limit,
                                 .max_connections = (unsigned)MIN(opt->connections, 1024),
                                 .http2 = opt->http2,
                                 /* A read must be able to try again before its time is over. */
                                 .connect_timeout_ns = MIN(HTTP_CONNECT_NS, MAX(opt->timeout / 3, NS_PER_MS)),
                                 .stall_timeout_ns = MIN(HTTP_STALL_NS, MAX(opt->timeout / 2, NS_PER_MS))};
    int r = http_new(&config, ret, why);
    if (r < 0 && !why->len)
        buf_printf(why, "the HTTP engine cannot be started: %s", strerror(-r));
    return r;
}

static int check_customer_endpoint(const char *endpoint, struct buf *why) {
    if (!endpoint || !strncmp(endpoint, "https://", 8))
        return 0;
    buf_append_str(why, "sse_c_key_file: a customer key goes over https only, and the endpoint is plain http");
    return -EINVAL;
}

int store_site(const struct options *opt, struct credentials *credentials, struct store_site *ret,
               struct buf *why) {
    *ret = (struct store_site){0};
    int r = parse_s3(opt->url, &ret->bucket, &ret->prefix, why);
    if (r < 0)
        return r;
    ret->endpoint = opt->endpoint ? xstrdup(opt->endpoint) : credentials_endpoint(credentials);
    ret->region = opt->region ? xstrdup(opt->region) : credentials_region(credentials);
    const char *what =
        opt->endpoint
            ? "endpoint="
            : "the endpoint of the environment (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL) or the profile";
    r = ret->endpoint ? check_secure(opt, what, ret->endpoint, why) : 0;
    if (r == 0 && opt->cdn)
        r = check_secure(opt, "cdn=", opt->cdn, why);
    if (r < 0)
        store_site_free(ret);
    return r;
}

void store_site_free(struct store_site *s) {
    free(s->bucket);
    free(s->prefix);
    free(s->endpoint);
    free(s->region);
    *s = (struct store_site){0};
}

static int open_writer(struct env *env, struct counters *counters, const struct options *opt,
                       const struct store_site *site, struct store_pair *pair, struct buf *why) {
    int r = opt->sse_c_key_file ? check_customer_endpoint(site->endpoint, why) : 0;
    if (r == 0 && opt->sse_c_key_file)
        r = customer_keys_new(env, opt->sse_c_key_file, &pair->customer_keys, why);
    if (r < 0)
        return r;
    r = store_s3_open(env, counters,
                         &(struct s3_config){.http = pair->http,
                                             .credentials = pair->credentials,
                                             .endpoint = site->endpoint,
                                             .region = site->region,
                                             .bucket = site->bucket,
                                             .prefix = site->prefix,
                                             .path_style = opt->path_style,
                                             .customer_keys = pair->customer_keys,
                                             .connections = (unsigned)MIN(opt->connections, 1024),
                                             .timeout_ns = opt->timeout},
                         &pair->writer, why);
    if (r == 0 && opt->cdn)
        pair->writer->no_customer_key = "what is read through a CDN cannot be under a customer key: mount without cdn=, and with sse_c_key_file=";
    else if (r == 0 && check_customer_endpoint(site->endpoint, &(struct buf){0}) < 0)
        pair->writer->no_customer_key = "a customer key goes over https only, and the endpoint is plain http";
    return r;
}

/* Wildcards cover what stands behind them, so the volume's own prefix is the narrowest place that has all of
 * its objects. */
static char *pattern_of(const char *base, const char *prefix) {
    struct url url;
    CLEANUP_BUF struct buf b = BUF_INIT(16384), why = BUF_INIT(4096);
    if (url_parse(base, &url, &why) < 0)
        return xstrdup(base); /* whoever uses it says what is wrong with it */
    CLEANUP_FREE char *text = url_text(&url);
    url_free(&url);
    buf_printf(&b, "%s/", text);
    url_encode(&b, prefix, strlen(prefix), true);
    buf_append_byte(&b, '*');
    return (char *)buf_take(&b, NULL);
}

int store_access(struct env *env, const struct options *opt, const char *prefix, struct cdn_access **ret,
                 struct buf *why) {
    *ret = NULL;
    if (!opt->cdn_key_file && !opt->cdn_header)
        return 0;
    CLEANUP_FREE char *pattern = pattern_of(opt->cdn ? opt->cdn : opt->link_base, prefix);
    return cdn_access_new(
        env,
        &(struct cdn_access_config){
            .key_file = opt->cdn_key_file,
            .key_id = opt->cdn_key_id,
            .header_file = opt->cdn_header,
            .cookies = !strcmp(opt->cdn_sign, "cookie"),
            .policy = !strcmp(opt->cdn_policy, "custom") ? CLOUDFRONT_CUSTOM : CLOUDFRONT_CANNED,
            .hash = !strcmp(opt->cdn_hash, "sha256") ? CLOUDFRONT_SHA256 : CLOUDFRONT_SHA1,
            .lifetime_s = opt->cdn_expires / NS_PER_S,
            .pattern = pattern},
        ret, why);
}

static int open_reader(struct env *env, struct counters *counters, const struct options *opt,
                       const char *prefix, struct store_pair *pair, struct buf *why) {
    int r = store_access(env, opt, prefix, &pair->access, why);
    if (r < 0)
        return r;
    if (!opt->cdn) {
        pair->reader = pair->writer;
        return 0;
    }
    return store_cdn_open(env, counters,
                          &(struct cdn_config){.http = pair->http,
                                               .access = pair->access,
                                               .url = opt->cdn,
                                               .prefix = prefix,
                                               .connections = (unsigned)MIN(opt->connections, 1024),
                                               .timeout_ns = opt->timeout},
                          &pair->reader, why);
}

struct credentials *store_credentials(struct env *env, const struct options *opt, struct http *http) {
    return credentials_new(env, &(struct credentials_config){.profile = opt->profile,
                                                             .region = opt->region,
                                                             .insecure_http = opt->insecure_http,
                                                             .http = http});
}

static int open_s3(struct env *env, struct counters *counters, const struct options *opt,
                   struct store_pair *ret, struct buf *why) {
    struct store_pair pair = {0};
    struct store_site site = {0};
    int r = store_http(env, counters, opt, &pair.http, why);
    if (r == 0) {
        pair.credentials = store_credentials(env, opt, pair.http);
        r = store_site(opt, pair.credentials, &site, why);
    }
    if (r == 0)
        r = open_writer(env, counters, opt, &site, &pair, why);
    if (r == 0)
        r = open_reader(env, counters, opt, site.prefix, &pair, why);
    if (r == 0)
        r = links_new(opt->link_base, site.prefix, pair.reader, pair.access, &pair.links, why);
    store_site_free(&site);
    if (r < 0)
        store_pair_free(&pair);
    else
        *ret = pair;
    return r;
}

static bool is_at(const char *url, const char *scheme) {
    return !strncmp(url, scheme, strlen(scheme));
}

bool store_is_s3(const struct options *opt) {
    return is_at(opt->url, "s3://");
}

int store_open(struct env *env, struct counters *counters, const struct options *opt, enum store_open_how how,
               struct store_pair *ret, struct buf *why) {
    if (store_is_s3(opt))
        return open_s3(env, counters, opt, ret, why);
    if (!is_at(opt->url, "file://")) {
        buf_printf(why, "%s: a volume is at s3://bucket, s3://bucket/prefix or file:///absolute/path",
                   opt->url);
        return -EINVAL;
    }
    int r = refuse_network_options(opt, why);
    if (r == 0)
        r = open_dir(env, counters, opt->url, how, ret, why);
    if (r < 0)
        return r;
    r = links_new(opt->link_base, "", ret->reader, NULL, &ret->links, why);
    if (r < 0)
        store_pair_free(ret);
    return r;
}

void store_pair_stop(struct store_pair *p) {
    store_stop(p->writer);
    if (p->reader != p->writer)
        store_stop(p->reader);
    credentials_stop(p->credentials);
}

void store_pair_free(struct store_pair *p) {
    links_free(p->links);
    if (p->reader != p->writer)
        store_free(p->reader);
    store_free(p->writer);
    cdn_access_free(p->access);
    customer_keys_free(p->customer_keys);
    credentials_free(p->credentials);
    http_free(p->http);
    *p = (struct store_pair){0};
}

/* ---- */

static const char *first_set(const char *option, const char *const *names, size_t n) {
    for (size_t i = 0; i < n && (!option || !*option); i++)
        option = getenv(names[i]);
    return option ? option : "";
}

char *store_place(const struct options *opt) {
    static const char *const endpoints[] = {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"};
    static const char *const regions[] = {"AWS_REGION", "AWS_DEFAULT_REGION"};
    static const char *const profiles[] = {"AWS_PROFILE"};
    if (!store_is_s3(opt))
        return xstrdup("");
    return xasprintf("endpoint=%s region=%s profile=%s",
                     first_set(opt->endpoint, endpoints, ARRAY_SIZE(endpoints)),
                     first_set(opt->region, regions, ARRAY_SIZE(regions)),
                     first_set(opt->profile, profiles, ARRAY_SIZE(profiles)));
}
