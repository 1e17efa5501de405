/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/aws_environment.h"
#include "base/secret.h"
#include <pwd.h>
#include <strings.h>

#define WHITE " \t\r\n"

const char *const aws_variable_names[AWS_VARIABLES] = {
    [ENV_ACCESS_KEY_ID] = "AWS_ACCESS_KEY_ID",
    [ENV_SECRET_ACCESS_KEY] = "AWS_SECRET_ACCESS_KEY",
    [ENV_SESSION_TOKEN] = "AWS_SESSION_TOKEN",
    [ENV_SECURITY_TOKEN] = "AWS_SECURITY_TOKEN",
    [ENV_CREDENTIAL_EXPIRATION] = "AWS_CREDENTIAL_EXPIRATION",
    [ENV_PROFILE] = "AWS_PROFILE",
    [ENV_REGION] = "AWS_REGION",
    [ENV_DEFAULT_REGION] = "AWS_DEFAULT_REGION",
    [ENV_ENDPOINT_URL_S3] = "AWS_ENDPOINT_URL_S3",
    [ENV_ENDPOINT_URL_STS] = "AWS_ENDPOINT_URL_STS",
    [ENV_ENDPOINT_URL] = "AWS_ENDPOINT_URL",
    [ENV_IGNORE_CONFIGURED_ENDPOINT_URLS] = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    [ENV_WEB_IDENTITY_TOKEN_FILE] = "AWS_WEB_IDENTITY_TOKEN_FILE",
    [ENV_ROLE_ARN] = "AWS_ROLE_ARN",
    [ENV_ROLE_SESSION_NAME] = "AWS_ROLE_SESSION_NAME",
    [ENV_CONTAINER_CREDENTIALS_RELATIVE_URI] = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    [ENV_CONTAINER_CREDENTIALS_FULL_URI] = "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    [ENV_CONTAINER_AUTHORIZATION_TOKEN] = "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    [ENV_CONTAINER_AUTHORIZATION_TOKEN_FILE] = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    [ENV_EC2_METADATA_DISABLED] = "AWS_EC2_METADATA_DISABLED",
    [ENV_EC2_METADATA_SERVICE_ENDPOINT] = "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    [ENV_EC2_METADATA_SERVICE_ENDPOINT_MODE] = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    [ENV_METADATA_SERVICE_TIMEOUT] = "AWS_METADATA_SERVICE_TIMEOUT",
    [ENV_METADATA_SERVICE_NUM_ATTEMPTS] = "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
    [ENV_SHARED_CREDENTIALS_FILE] = "AWS_SHARED_CREDENTIALS_FILE",
    [ENV_CONFIG_FILE] = "AWS_CONFIG_FILE",
};

static char *read_variable(const char *name) {
    const char *s = getenv(name);
    if (!s)
        return NULL;
    s += strspn(s, WHITE);
    size_t n = strlen(s);
    while (n > 0 && strchr(WHITE, s[n - 1]))
        n--;
    return n > 0 ? xstrndup(s, n) : NULL;
}

/* malloc'd; NULL: there is none. */
static char *find_home(void) {
    const char *s = getenv("HOME");
    if (s && *s)
        return xstrdup(s);
    struct passwd pw, *found = NULL;
    char room[4096];
    if (getpwuid_r(geteuid(), &pw, room, sizeof room, &found) != 0 || !found)
        return NULL;
    return xstrdup(found->pw_dir);
}

char *aws_path(const struct aws_environment *e, const char *path) {
    if (*path == '/')
        return xstrdup(path);
    if (strncmp(path, "~/", 2) == 0 && e->home)
        return xasprintf("%s/%s", e->home, path + 2);
    return xasprintf("%s/%s", e->here ? e->here : "", path);
}

static char *find_file(const struct aws_environment *e, enum aws_variable v, const char *below_home) {
    if (e->value[v])
        return aws_path(e, e->value[v]);
    return e->home ? xasprintf("%s/%s", e->home, below_home) : NULL;
}

void aws_environment_read(struct aws_environment *e, const char *profile) {
    *e = (struct aws_environment){.home = find_home(), .here = get_current_dir_name()};
    for (size_t i = 0; i < AWS_VARIABLES; i++)
        e->value[i] = read_variable(aws_variable_names[i]);
    e->named = profile && *profile;
    e->wanted = e->named || e->value[ENV_PROFILE];
    e->profile = xstrdup(e->named ? profile : e->value[ENV_PROFILE] ? e->value[ENV_PROFILE] : "default");
    e->path[AWS_CREDENTIALS] = find_file(e, ENV_SHARED_CREDENTIALS_FILE, ".aws/credentials");
    e->path[AWS_CONFIG] = find_file(e, ENV_CONFIG_FILE, ".aws/config");
}

void aws_environment_free(struct aws_environment *e) {
    for (size_t i = 0; i < AWS_VARIABLES; i++)
        secret_free(e->value[i]);
    free(e->profile);
    free(e->path[AWS_CREDENTIALS]);
    free(e->path[AWS_CONFIG]);
    free(e->home);
    free(e->here);
    *e = (struct aws_environment){0};
}

bool aws_is_true(const char *s) {
    return s && strcasecmp(s, "true") == 0;
}
