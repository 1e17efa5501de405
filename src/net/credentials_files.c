/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/credentials_files.h"
#include "base/file.h"
#include "base/secret.h"
#include "net/aws_config.h"
#include <fcntl.h>
#include <openssl/crypto.h>
#include <strings.h>
#include <sys/sysmacros.h>

#define TRIES 3

const char *const aws_setting_names[AWS_SETTINGS] = {
    [AWS_ROLE_ARN] = "role_arn",
    [AWS_SOURCE_PROFILE] = "source_profile",
    [AWS_CREDENTIAL_SOURCE] = "credential_source",
    [AWS_ROLE_SESSION_NAME] = "role_session_name",
    [AWS_EXTERNAL_ID] = "external_id",
    [AWS_DURATION_SECONDS] = "duration_seconds",
    [AWS_MFA_SERIAL] = "mfa_serial",
    [AWS_WEB_IDENTITY_TOKEN_FILE] = "web_identity_token_file",
    [AWS_SSO_SESSION] = "sso_session",
    [AWS_SSO_START_URL] = "sso_start_url",
    [AWS_CREDENTIAL_PROCESS] = "credential_process",
    [AWS_EC2_METADATA_SERVICE_ENDPOINT] = "ec2_metadata_service_endpoint",
    [AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE] = "ec2_metadata_service_endpoint_mode",
    [AWS_ACCESS_KEY_ID] = "aws_access_key_id",
    [AWS_SECRET_ACCESS_KEY] = "aws_secret_access_key",
    [AWS_SESSION_TOKEN] = "aws_session_token",
    [AWS_SECURITY_TOKEN] = "aws_security_token",
    [AWS_REGION] = "region",
    [AWS_ENDPOINT_URL] = "endpoint_url",
    [AWS_IGNORE_CONFIGURED_ENDPOINT_URLS] = "ignore_configured_endpoint_urls",
    [AWS_SERVICES] = "services",
};

static const char *const service_names[AWS_SERVICES_ASKED] = {[AWS_S3] = "s3", [AWS_STS] = "sts"};

static void replace(char **value, struct aws_slice s) {
    secret_free(*value);
    *value = s.len > 0 ? xstrndup(s.p, s.len) : NULL;
}

/* Which file it is */

static struct file_id id_of(const struct stat *st) {
    return (struct file_id){.there = true,
                            .dev = st->st_dev,
                            .ino = st->st_ino,
                            .size = st->st_size,
                            .mtime = st->st_mtim,
                            .ctime = st->st_ctim};
}

static bool same_time(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_file(const struct file_id *a, const struct file_id *b) {
    return a->there == b->there && a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
           same_time(&a->mtime, &b->mtime) && same_time(&a->ctime, &b->ctime);
}

static bool file_changed(const char *path, const struct file_id *was) {
    struct stat st;
    struct file_id is = {0};
    if (path && stat(path, &st) == 0)
        is = id_of(&st);
    return !same_file(&is, was) || (is.there && !was->settled);
}

bool aws_files_changed(const char *const path[AWS_FILES], const struct file_id ids[AWS_FILES]) {
    return file_changed(path[AWS_CREDENTIALS], &ids[AWS_CREDENTIALS]) ||
           file_changed(path[AWS_CONFIG], &ids[AWS_CONFIG]);
}

/* Reading */

struct text {
    char *p;
    size_t len;
};

static void text_free(struct text *t) {
    if (t->p)
        OPENSSL_cleanse(t->p, t->len);
    free(t->p);
    *t = (struct text){0};
}

/* Into memory of the right size, so that no part of it stays behind elsewhere. -EAGAIN: it has changed
 * meanwhile. */
static int read_open(int fd, struct aws_file_profile *f, struct text *ret) {
    struct stat st, after;
    if (fstat(fd, &st) < 0)
        return -errno;
    f->id = id_of(&st);
    if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)) /* /dev/null */
        return 0;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    f->exposed = st.st_mode & S_IROTH;
    if ((uint64_t)st.st_size > AWS_FILE_MAX)
        return -EFBIG;
    *ret = (struct text){.p = xmalloc((size_t)st.st_size + 1), .len = (size_t)st.st_size};
    int r = file_pread_all(fd, ret->p, ret->len, 0);
    if (r == -ENODATA)
        return -EAGAIN;
    if (r == 0 && fstat(fd, &after) < 0)
        return -errno;
    struct file_id now = id_of(&after);
    return r < 0 ? r : same_file(&f->id, &now) ? 0 : -EAGAIN;
}

static int read_file(const char *path, struct aws_file_profile *f, struct text *ret) {
    for (unsigned i = 0; i < TRIES; i++) {
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
            return errno == ENOTDIR ? -ENOENT : -errno;
        int r = read_open(fd, f, ret);
        if (r == 0)
            return 0;
        text_free(ret);
        if (r != -EAGAIN)
            return r;
    }
    return -EAGAIN;
}

/* That one which cannot be opened is changed can still be seen. */
static void id_of_unreadable(const char *path, struct file_id *id) {
    struct stat st;
    if (!id->there && stat(path, &st) == 0)
        *id = id_of(&st);
}

static bool is_settled(const struct file_id *id, int64_t now_ns) {
    int64_t mtime = (int64_t)id->mtime.tv_sec * 1000000000 + id->mtime.tv_nsec;
    return now_ns - mtime > AWS_FILE_SETTLED_NS;
}

/* Understanding */

struct look {
    const char *name;
    enum aws_file which;
    struct aws_file_profile *f;
    bool own_default; /* [profile default] was seen: [default] does not count beside it */
    const char *services;
    char **endpoint;
};

static void forget_values(struct aws_file_profile *f) {
    for (size_t i = 0; i < AWS_SETTINGS; i++) {
        secret_free(f->value[i]);
        f->value[i] = NULL;
    }
}

/* [x] in the credentials file; [profile x] in the other one, or [default]. */
static bool is_profile(struct look *l, const struct aws_setting *s) {
    if (l->which == AWS_CREDENTIALS)
        return aws_config_in_section(s, NULL, l->name);
    if (aws_config_in_section(s, "profile", l->name)) {
        if (!l->own_default && strcmp(l->name, "default") == 0)
            forget_values(l->f);
        l->own_default = true;
        return true;
    }
    return strcmp(l->name, "default") == 0 && !l->own_default && aws_config_in_section(s, NULL, "default");
}

static void take_profile(void *arg, const struct aws_setting *s) {
    struct look *l = arg;
    if (!is_profile(l, s))
        return;
    l->f->found = true;
    for (size_t i = 0; s->name.p && i < AWS_SETTINGS; i++) {
        if (!aws_slice_is(s->name, aws_setting_names[i]))
            continue;
        if (!s->sub.p)
            replace(&l->f->value[i], s->value);
        else if (!l->f->line) /* a key that goes on in a line below is none, and the setting in that line
                                 would be lost */
            l->f->line = s->line;
    }
}

static void take_services(void *arg, const struct aws_setting *s) {
    struct look *l = arg;
    for (size_t i = 0; i < AWS_SERVICES_ASKED; i++)
        if (aws_slice_is(s->name, service_names[i]) && aws_slice_is(s->sub, "endpoint_url") &&
            aws_config_in_section(s, "services", l->services))
            replace(&l->endpoint[i], s->value);
}

static void load_file(const char *path, struct aws_profile *p, enum aws_file which, const char *name,
                      int64_t now_ns) {
    struct aws_file_profile *f = &p->file[which];
    struct text text = {0};
    if (!path) {
        f->err = -ENOENT;
        return;
    }
    f->err = read_file(path, f, &text);
    if (f->err < 0)
        id_of_unreadable(path, &f->id);
    f->id.settled = is_settled(&f->id, now_ns);
    struct look l = {.name = name, .which = which, .f = f};
    if (f->err == 0 && text.p)
        f->err = aws_config_parse(text.p, text.len, take_profile, &l, &f->line);
    if (f->err == 0 && f->line)
        f->err = -EBADMSG;
    l.services = f->value[AWS_SERVICES];
    if (f->err == 0 && which == AWS_CONFIG && l.services && text.p) {
        unsigned line;
        l.endpoint = p->endpoint;
        (void)!aws_config_parse(text.p, text.len, take_services, &l, &line);
    }
    text_free(&text);
}

struct aws_profile *aws_profile_load(const char *const path[AWS_FILES], const char *name, int64_t now_ns) {
    struct aws_profile *p = xcalloc(1, sizeof *p);
    load_file(path[AWS_CREDENTIALS], p, AWS_CREDENTIALS, name, now_ns);
    load_file(path[AWS_CONFIG], p, AWS_CONFIG, name, now_ns);
    return p;
}

struct aws_profile *aws_profile_free(struct aws_profile *p) {
    if (!p)
        return NULL;
    forget_values(&p->file[AWS_CREDENTIALS]);
    forget_values(&p->file[AWS_CONFIG]);
    for (size_t i = 0; i < AWS_SERVICES_ASKED; i++)
        secret_free(p->endpoint[i]);
    free(p);
    return NULL;
}

const char *aws_profile_value(const struct aws_profile *p, enum aws_setting_id id, enum aws_file *ret_file) {
    for (enum aws_file i = AWS_CREDENTIALS; i < AWS_FILES; i++)
        if (p->file[i].value[id]) {
            if (ret_file)
                *ret_file = i;
            return p->file[i].value[id];
        }
    return NULL;
}

bool aws_profile_found(const struct aws_profile *p) {
    return p->file[AWS_CREDENTIALS].found || p->file[AWS_CONFIG].found;
}

const char *aws_profile_endpoint(const struct aws_profile *p, enum aws_service service) {
    const char *ignore = aws_profile_value(p, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS, NULL);
    if (ignore && strcasecmp(ignore, "true") == 0)
        return NULL;
    return p->endpoint[service] ? p->endpoint[service] : aws_profile_value(p, AWS_ENDPOINT_URL, NULL);
}
