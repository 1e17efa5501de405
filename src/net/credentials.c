/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sources are asked one after another (SOURCES below), as AWS's tools ask them, until one has keys or says
 * that it must have them and has not. Each answers from what is in memory: the environment as it was at the
 * start, and the profile as it was read last. Keys that were good stay in use while a source that had them is
 * broken (a file that is being written), until there are others.
 */
#include "net/credentials.h"
#include "base/log.h"
#include "base/units.h"
#include "net/credentials_files.h"
#include <ctype.h>
#include <pwd.h>
#include <strings.h>

#define WHY_MAX 8192

enum variable {
    ENV_ACCESS_KEY_ID,
    ENV_SECRET_ACCESS_KEY,
    ENV_SESSION_TOKEN,
    ENV_SECURITY_TOKEN,
    ENV_CREDENTIAL_EXPIRATION,
    ENV_PROFILE,
    ENV_REGION,
    ENV_DEFAULT_REGION,
    ENV_ENDPOINT_URL_S3,
    ENV_ENDPOINT_URL,
    ENV_IGNORE_CONFIGURED_ENDPOINT_URLS,
    ENV_WEB_IDENTITY_TOKEN_FILE,
    ENV_CONTAINER_CREDENTIALS_RELATIVE_URI,
    ENV_CONTAINER_CREDENTIALS_FULL_URI,
    ENV_SHARED_CREDENTIALS_FILE,
    ENV_CONFIG_FILE,
    VARIABLES
};
static const char *const variable_names[VARIABLES] = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
};

struct credentials {
    /* Set once. */
    struct env *env;
    char *variable[VARIABLES]; /* without white space around them; NULL: not set, or empty */
    char *profile;
    bool named; /* by profile=: the environment's keys do not count */
    char *path[AWS_FILES];

    pthread_mutex_t mutex;     /* guards what follows; not held while files are read */
    uint64_t tickets, applied; /* of reads that have begun; of the one whose result this is: an older one's
                                  that ends later is dropped */
    bool loaded;
    struct file_id ids[AWS_FILES];
    struct credential keys;  /* access_key NULL: none. expires and generation belong to them */
    char *why;               /* why there are none */
    char *region, *endpoint; /* of the profile */
    char *warned;            /* the last warning, so that the same one is not repeated at each look */
    bool exposed_warned[AWS_FILES];
};

void credential_free(struct credential *k) {
    secret_free(k->access_key);
    secret_free(k->secret_key);
    secret_free(k->session_token);
    *k = (struct credential){0};
}

static char *copy(const char *s) {
    return s ? xstrdup(s) : NULL;
}

static bool same(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Sources */

enum answer {
    FOUND,    /* keys */
    NOT_HERE, /* a clause for the sentence: where it looked */
    BROKEN,   /* the whole sentence: this source decides, and has no keys that could be used */
};

#define HOW_TO_GO_ON                                                                                         \
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or put aws_access_key_id and aws_secret_access_key "   \
    "into a profile and name it with profile="

/* They are sent in headers, where neither white space nor control characters can be in them. */
static bool is_usable(const char *s) {
    for (; *s; s++)
        if (!isascii((unsigned char)*s) || !isgraph((unsigned char)*s))
            return false;
    return true;
}

/* From three values and what each is called; expires is left alone. */
static enum answer take_keys(const char *const value[3], const char *const name[3], const char *where,
                             struct credential *ret, struct buf *why) {
    if (!value[0] || !value[1]) {
        buf_printf(why, "%s%s is set, but %s is not: set both", where, name[value[0] ? 0 : 1],
                   name[value[0] ? 1 : 0]);
        return BROKEN;
    }
    for (size_t i = 0; i < 3; i++)
        if (value[i] && !is_usable(value[i])) {
            buf_printf(why, "%s%s has a character that cannot be in one: copy it again", where, name[i]);
            return BROKEN;
        }
    ret->access_key = xstrdup(value[0]);
    ret->secret_key = xstrdup(value[1]);
    ret->session_token = copy(value[2]);
    return FOUND;
}

/* "2026-11-22T02:29:36Z", or with "+00:00" instead of Z; 0: never, or not said in a way that is understood.
 */
static int64_t parse_expiration(const char *s) {
    int64_t ns;
    CLEANUP_FREE char *text = xstrdup(s ? s : "");
    char *zone = strstr(text, "+00:00");
    if (zone && zone[6] == '\0')
        memcpy(zone, "Z", 2);
    return time_parse(text, &ns) == 0 ? ns / NS_PER_S : 0;
}

static enum answer ask_environment(const struct credentials *c, const struct aws_profile *p,
                                   struct credential *ret, struct buf *why) {
    (void)p;
    char *const *v = c->variable;
    if (!v[ENV_ACCESS_KEY_ID] && !v[ENV_SECRET_ACCESS_KEY]) {
        buf_append_str(why, "AWS_ACCESS_KEY_ID is not set");
        return NOT_HERE;
    }
    bool old = !v[ENV_SESSION_TOKEN] && v[ENV_SECURITY_TOKEN];
    enum variable token = old ? ENV_SECURITY_TOKEN : ENV_SESSION_TOKEN;
    ret->expires = parse_expiration(v[ENV_CREDENTIAL_EXPIRATION]);
    return take_keys((const char *[3]){v[ENV_ACCESS_KEY_ID], v[ENV_SECRET_ACCESS_KEY], v[token]},
                     (const char *[3]){variable_names[ENV_ACCESS_KEY_ID],
                                       variable_names[ENV_SECRET_ACCESS_KEY], variable_names[token]},
                     "in the environment ", ret, why);
}

static enum answer ask_web_identity(const struct credentials *c, const struct aws_profile *p,
                                    struct credential *ret, struct buf *why) {
    (void)p, (void)ret;
    if (!c->variable[ENV_WEB_IDENTITY_TOKEN_FILE])
        return NOT_HERE;
    buf_append_str(
        why, "AWS_WEB_IDENTITY_TOKEN_FILE is set, but this build cannot use a web identity: " HOW_TO_GO_ON);
    return BROKEN;
}

/* "[profile x]" as it has to stand in that file */
static void name_section(const struct credentials *c, enum aws_file i, struct buf *why) {
    bool plain = i == AWS_CREDENTIALS || strcmp(c->profile, "default") == 0;
    buf_printf(why, "[%s%s]", plain ? "" : "profile ", c->profile);
}

/* Why the file could not be used; true: there is a reason. One that is not there is none. */
static bool explain_file(const struct credentials *c, const struct aws_profile *p, enum aws_file i,
                         struct buf *why) {
    const struct aws_file_profile *f = &p->file[i];
    switch (f->err) {
    case 0:
    case -ENOENT:
        return false;
    case -EBADMSG:
        buf_printf(why,
                   "%s:%u: expected [section] or \"name = value\", not indented below another setting of the "
                   "profile",
                   c->path[i], f->line);
        return true;
    case -EAGAIN:
        buf_printf(why, "%s is being written", c->path[i]);
        return true;
    case -EINVAL:
        buf_printf(why, "%s is not a regular file", c->path[i]);
        return true;
    case -EFBIG:
        buf_printf(why, "%s is larger than a file of settings can be", c->path[i]);
        return true;
    default:
        buf_printf(why, "%s cannot be read (%s): check its owner and mode", c->path[i],
                   strerrordesc_np(-f->err));
        return true;
    }
}

/* What is in the profile in place of keys, and what AWS's tools would use before keys. */
static enum answer refuse_other_ways(const struct credentials *c, const struct aws_profile *p,
                                     enum aws_setting_id from, enum aws_setting_id to, struct buf *why) {
    for (enum aws_setting_id id = from; id <= to; id++) {
        enum aws_file i;
        if (!aws_profile_value(p, id, &i))
            continue;
        name_section(c, i, why);
        buf_printf(why, " of %s has %s, which this build cannot use: " HOW_TO_GO_ON, c->path[i],
                   aws_setting_names[id]);
        return BROKEN;
    }
    return NOT_HERE;
}

static enum answer keys_of_file(const struct credentials *c, const struct aws_profile *p, enum aws_file i,
                                struct credential *ret, struct buf *why) {
    char *const *v = p->file[i].value;
    if (!v[AWS_ACCESS_KEY_ID] && !v[AWS_SECRET_ACCESS_KEY])
        return NOT_HERE;
    CLEANUP_BUF struct buf where = BUF_INIT(WHY_MAX);
    name_section(c, i, &where);
    buf_printf(&where, " of %s: ", c->path[i]);
    bool old = !v[AWS_SESSION_TOKEN] && v[AWS_SECURITY_TOKEN];
    enum aws_setting_id token = old ? AWS_SECURITY_TOKEN : AWS_SESSION_TOKEN;
    return take_keys((const char *[3]){v[AWS_ACCESS_KEY_ID], v[AWS_SECRET_ACCESS_KEY], v[token]},
                     (const char *[3]){aws_setting_names[AWS_ACCESS_KEY_ID],
                                       aws_setting_names[AWS_SECRET_ACCESS_KEY], aws_setting_names[token]},
                     buf_str(&where), ret, why);
}

/* "/root/.aws/credentials is not there", "/root/.aws/config has no [profile x]", "[x] of ... has no keys" */
static void say_where(const struct credentials *c, const struct aws_profile *p, enum aws_file i,
                      struct buf *why) {
    if (i > 0)
        buf_append_str(why, ", ");
    if (!c->path[i]) {
        buf_printf(why, "there is no home directory for .aws/%s",
                   i == AWS_CREDENTIALS ? "credentials" : "config");
    } else if (p->file[i].err == -ENOENT) {
        buf_printf(why, "%s is not there", c->path[i]);
    } else if (!p->file[i].found) {
        buf_printf(why, "%s has no ", c->path[i]);
        name_section(c, i, why);
    } else {
        name_section(c, i, why);
        buf_printf(why, " of %s has no keys", c->path[i]);
    }
}

static enum answer ask_profile(const struct credentials *c, const struct aws_profile *p,
                               struct credential *ret, struct buf *why) {
    if (explain_file(c, p, AWS_CREDENTIALS, why) || explain_file(c, p, AWS_CONFIG, why))
        return BROKEN;
    enum answer a = refuse_other_ways(c, p, AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE, why);
    if (a == NOT_HERE)
        a = keys_of_file(c, p, AWS_CREDENTIALS, ret, why);
    if (a == NOT_HERE)
        a = refuse_other_ways(c, p, AWS_CREDENTIAL_PROCESS, AWS_CREDENTIAL_PROCESS, why);
    if (a == NOT_HERE)
        a = keys_of_file(c, p, AWS_CONFIG, ret, why);
    if (a == NOT_HERE) {
        say_where(c, p, AWS_CREDENTIALS, why);
        say_where(c, p, AWS_CONFIG, why);
    }
    return a;
}

static enum answer ask_container(const struct credentials *c, const struct aws_profile *p,
                                 struct credential *ret, struct buf *why) {
    (void)p, (void)ret;
    for (enum variable v = ENV_CONTAINER_CREDENTIALS_RELATIVE_URI; v <= ENV_CONTAINER_CREDENTIALS_FULL_URI;
         v++)
        if (c->variable[v]) {
            buf_printf(why, "%s is set, but this build cannot ask a container's endpoint", variable_names[v]);
            return NOT_HERE;
        }
    return NOT_HERE;
}

/* The order of AWS's tools. Keys of an instance (its metadata service) would come last. A source that has to
 * ask somebody else will have to answer later than at once; all others answer from memory. */
static const struct source {
    enum answer (*ask)(const struct credentials *, const struct aws_profile *, struct credential *ret,
                       struct buf *why);
    bool of_profile; /* asked also when a profile is named */
} SOURCES[] = {
    {ask_environment, false},
    {ask_web_identity, false},
    {ask_profile, true},
    {ask_container, false},
};

static enum answer search(const struct credentials *c, const struct aws_profile *p, struct credential *ret,
                          struct buf *why) {
    CLEANUP_BUF struct buf looked = BUF_INIT(WHY_MAX);
    for (size_t i = 0; i < ARRAY_SIZE(SOURCES); i++) {
        CLEANUP_BUF struct buf part = BUF_INIT(WHY_MAX);
        if (c->named && !SOURCES[i].of_profile)
            continue;
        enum answer a = SOURCES[i].ask(c, p, ret, &part);
        if (a == BROKEN)
            buf_append_str(why, buf_str(&part));
        if (a != NOT_HERE)
            return a;
        if (part.len > 0)
            buf_printf(&looked, "%s%s", looked.len > 0 ? ", " : "", buf_str(&part));
    }
    buf_printf(why, "there are no AWS credentials: %s%s; " HOW_TO_GO_ON, buf_str(&looked),
               c->named ? "" : ", and this build cannot use those of an instance");
    return NOT_HERE;
}

/* What is in use */

/* Says it, unless it was the last thing that was said. */
static void warn(struct credentials *c, const char *text, struct buf *say) {
    if (same(c->warned, text))
        return;
    free(c->warned);
    c->warned = xstrdup(text);
    buf_append_str(say, text);
}

/* The keys' generation goes up when they are others. */
static void use_keys(struct credentials *c, struct credential *keys) {
    bool same_keys = same(c->keys.access_key, keys->access_key) &&
                     same(c->keys.secret_key, keys->secret_key) &&
                     same(c->keys.session_token, keys->session_token);
    keys->generation = c->keys.generation + !same_keys;
    credential_free(&c->keys);
    c->keys = *keys;
    *keys = (struct credential){0};
    free(c->why);
    c->why = NULL;
}

static bool is_readable(const struct aws_profile *p) {
    for (size_t i = 0; i < AWS_FILES; i++)
        if (p->file[i].err != 0 && p->file[i].err != -ENOENT)
            return false;
    return true;
}

static void use_settings(struct credentials *c, const struct aws_profile *p) {
    const char *ignore = aws_profile_value(p, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS, NULL);
    const char *endpoint = p->s3_endpoint ? p->s3_endpoint : aws_profile_value(p, AWS_ENDPOINT_URL, NULL);
    free(c->region);
    free(c->endpoint);
    c->region = copy(aws_profile_value(p, AWS_REGION, NULL));
    c->endpoint = ignore && strcasecmp(ignore, "true") == 0 ? NULL : copy(endpoint);
}

/* One that everybody may read, and which the keys are from. */
static void warn_exposed(struct credentials *c, const struct aws_profile *p, struct buf *say) {
    for (size_t i = 0; i < AWS_FILES; i++) {
        const struct aws_file_profile *f = &p->file[i];
        if (!f->exposed || c->exposed_warned[i] || !same(f->value[AWS_SECRET_ACCESS_KEY], c->keys.secret_key))
            continue;
        c->exposed_warned[i] = true;
        buf_printf(say, "%s has a secret key and can be read by everybody on this machine: chmod 600 it",
                   c->path[i]);
        return;
    }
}

/* With the mutex. say: what is to be logged without it, if anything. */
static void adopt(struct credentials *c, const struct aws_profile *p, struct buf *say) {
    struct credential keys = {0};
    CLEANUP_BUF struct buf why = BUF_INIT(WHY_MAX), text = BUF_INIT(WHY_MAX);
    c->loaded = true;
    for (size_t i = 0; i < AWS_FILES; i++)
        c->ids[i] = p->file[i].id;
    bool readable = is_readable(p);
    if (readable)
        use_settings(c, p);
    if (search(c, p, &keys, &why) != FOUND) {
        if (c->keys.access_key) {
            buf_printf(&text, "%s. The keys that were read before stay in use", buf_str(&why));
            warn(c, buf_str(&text), say);
        } else {
            free(c->why);
            c->why = xstrdup(buf_str(&why));
        }
        return;
    }
    use_keys(c, &keys);
    if (readable) {
        free(c->warned);
        c->warned = NULL;
        warn_exposed(c, p, say);
    } else { /* keys of the environment */
        for (enum aws_file i = AWS_CREDENTIALS; i < AWS_FILES && why.len == 0; i++)
            explain_file(c, p, i, &why);
        buf_printf(&text, "%s. Region and endpoint of the profile are not known", buf_str(&why));
        warn(c, buf_str(&text), say);
    }
}

/* Looks at the files, if they have changed since, or in any case. */
static void refresh(struct credentials *c, bool in_any_case) {
    struct file_id ids[AWS_FILES];
    uint64_t ticket;
    bool loaded;
    CLEANUP_BUF struct buf say = BUF_INIT(WHY_MAX);
    const char *const path[AWS_FILES] = {c->path[AWS_CREDENTIALS], c->path[AWS_CONFIG]};
    {
        SCOPE_LOCK(&c->mutex);
        ticket = ++c->tickets;
        loaded = c->loaded;
        memcpy(ids, c->ids, sizeof ids);
    }
    if (loaded && !in_any_case && !aws_files_changed(path, ids))
        return;
    struct aws_profile *p = aws_profile_load(path, c->profile, env_now(c->env));
    {
        SCOPE_LOCK(&c->mutex);
        if (ticket > c->applied) {
            c->applied = ticket;
            adopt(c, p, &say);
        }
    }
    aws_profile_free(p);
    if (say.len > 0)
        log_warning("%s", buf_str(&say));
}

int credentials_get(struct credentials *c, struct credential *ret, struct buf *why) {
    refresh(c, false);
    SCOPE_LOCK(&c->mutex);
    if (!c->keys.access_key) {
        buf_append_str(why, c->why);
        return -EACCES;
    }
    *ret = c->keys;
    ret->access_key = xstrdup(c->keys.access_key);
    ret->secret_key = xstrdup(c->keys.secret_key);
    ret->session_token = copy(c->keys.session_token);
    return 0;
}

bool credentials_refused(struct credentials *c, unsigned generation) {
    refresh(c, true);
    SCOPE_LOCK(&c->mutex);
    return c->keys.access_key && c->keys.generation != generation;
}

char *credentials_region(struct credentials *c) {
    for (enum variable v = ENV_REGION; v <= ENV_DEFAULT_REGION; v++)
        if (c->variable[v])
            return xstrdup(c->variable[v]);
    refresh(c, false);
    SCOPE_LOCK(&c->mutex);
    return copy(c->region);
}

char *credentials_endpoint(struct credentials *c) {
    const char *ignore = c->variable[ENV_IGNORE_CONFIGURED_ENDPOINT_URLS];
    if (ignore && strcasecmp(ignore, "true") == 0)
        return NULL;
    for (enum variable v = ENV_ENDPOINT_URL_S3; v <= ENV_ENDPOINT_URL; v++)
        if (c->variable[v])
            return xstrdup(c->variable[v]);
    refresh(c, false);
    SCOPE_LOCK(&c->mutex);
    return copy(c->endpoint);
}

/* The beginning */

static char *read_variable(const char *name) {
    const char *s = getenv(name);
    if (!s)
        return NULL;
    s += strspn(s, " \t\r\n");
    size_t n = strlen(s);
    while (n > 0 && strchr(" \t\r\n", s[n - 1]))
        n--;
    return n > 0 ? xstrndup(s, n) : NULL;
}

/* malloc'd; NULL: there is none. */
static char *home(void) {
    const char *s = getenv("HOME");
    if (s && *s)
        return xstrdup(s);
    struct passwd pw, *found = NULL;
    char room[4096];
    if (getpwuid_r(geteuid(), &pw, room, sizeof room, &found) != 0 || !found)
        return NULL;
    return xstrdup(found->pw_dir);
}

/* Absolute, since a daemon's working directory is "/". */
static char *find_path(const char *variable, const char *below_home) {
    CLEANUP_FREE char *dir = home();
    if (!variable)
        return dir ? xasprintf("%s/%s", dir, below_home) : NULL;
    if (*variable == '/')
        return xstrdup(variable);
    if (strncmp(variable, "~/", 2) == 0 && dir)
        return xasprintf("%s/%s", dir, variable + 2);
    CLEANUP_FREE char *here = get_current_dir_name();
    return xasprintf("%s/%s", here ? here : "", variable);
}

struct credentials *credentials_new(struct env *env, const char *profile) {
    struct credentials *c = xcalloc(1, sizeof *c);
    c->env = env;
    for (size_t i = 0; i < VARIABLES; i++)
        c->variable[i] = read_variable(variable_names[i]);
    c->named = profile && *profile;
    c->profile = xstrdup(c->named                   ? profile
                         : c->variable[ENV_PROFILE] ? c->variable[ENV_PROFILE]
                                                    : "default");
    c->path[AWS_CREDENTIALS] = find_path(c->variable[ENV_SHARED_CREDENTIALS_FILE], ".aws/credentials");
    c->path[AWS_CONFIG] = find_path(c->variable[ENV_CONFIG_FILE], ".aws/config");
    pthread_mutex_init(&c->mutex, NULL);
    return c;
}

struct credentials *credentials_free(struct credentials *c) {
    if (!c)
        return NULL;
    for (size_t i = 0; i < VARIABLES; i++)
        secret_free(c->variable[i]);
    credential_free(&c->keys);
    free(c->profile);
    free(c->path[AWS_CREDENTIALS]);
    free(c->path[AWS_CONFIG]);
    free(c->why);
    free(c->region);
    free(c->endpoint);
    free(c->warned);
    pthread_mutex_destroy(&c->mutex);
    free(c);
    return NULL;
}
