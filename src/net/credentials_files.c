/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/credentials_files.h"
#include "base/secret.h"
#include "net/aws_config.h"
#include <strings.h>
#include <sys/sysmacros.h>

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

/* Which file it is, and what is in it */

static bool file_changed(const char *path, const struct secret_mark *was) {
    return path ? secret_file_changed(path, was) : was->there;
}

bool aws_files_changed(const char *const path[AWS_FILES], const struct secret_mark marks[AWS_FILES]) {
    return file_changed(path[AWS_CREDENTIALS], &marks[AWS_CREDENTIALS]) ||
           file_changed(path[AWS_CONFIG], &marks[AWS_CONFIG]);
}

/* How people say that there is none. */
static bool is_null_device(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

static int read_file(const char *path, int64_t now_ns, struct aws_file_profile *f, struct secret_text *ret) {
    int r = secret_file_read(path, AWS_FILE_MAX, now_ns, ret, &f->mark);
    if (r == -EINVAL && is_null_device(path))
        return 0;
    f->exposed = (r == 0 || r == -EFBIG || r == -EAGAIN) && f->mark.exposed; /* it was opened */
    return r;
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
    CLEANUP_SECRET_TEXT struct secret_text text = {0};
    if (!path) {
        f->err = -ENOENT;
        return;
    }
    f->err = read_file(path, now_ns, f, &text);
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
