/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What AWS's tools read of a process's environment ("Environment variables support", AWS SDKs and Tools Reference Guide), as it was at the start. Read once, then never changed; threads: any.
 */
#ifndef ASSETFS_AWS_ENVIRONMENT_H
#define ASSETFS_AWS_ENVIRONMENT_H

#include "base/base.h"
#include "net/credentials_files.h"

enum aws_variable {
    ENV_ACCESS_KEY_ID,
    ENV_SECRET_ACCESS_KEY,
    ENV_SESSION_TOKEN,
    ENV_SECURITY_TOKEN, /* its old name */
    ENV_CREDENTIAL_EXPIRATION,
    ENV_PROFILE,
    ENV_REGION,
    ENV_DEFAULT_REGION,
    ENV_ENDPOINT_URL_S3,
    ENV_ENDPOINT_URL_STS,
    ENV_ENDPOINT_URL,
    ENV_IGNORE_CONFIGURED_ENDPOINT_URLS,
    ENV_WEB_IDENTITY_TOKEN_FILE,
    ENV_ROLE_ARN,
    ENV_ROLE_SESSION_NAME,
    ENV_CONTAINER_CREDENTIALS_RELATIVE_URI,
    ENV_CONTAINER_CREDENTIALS_FULL_URI,
    ENV_CONTAINER_AUTHORIZATION_TOKEN,
    ENV_CONTAINER_AUTHORIZATION_TOKEN_FILE,
    ENV_EC2_METADATA_DISABLED,
    ENV_EC2_METADATA_SERVICE_ENDPOINT,
    ENV_EC2_METADATA_SERVICE_ENDPOINT_MODE,
    ENV_METADATA_SERVICE_TIMEOUT,
    ENV_METADATA_SERVICE_NUM_ATTEMPTS,
    ENV_SHARED_CREDENTIALS_FILE,
    ENV_CONFIG_FILE,
    AWS_VARIABLES
};
extern const char *const aws_variable_names[AWS_VARIABLES];

struct aws_environment {
    char *value[AWS_VARIABLES]; /* without white space around them; NULL: not set, or empty. All are taken for secrets */
    char *profile;              /* the one that counts: profile=, AWS_PROFILE, or "default" */
    bool named;                 /* by profile=: the environment's keys do not count */
    bool wanted;                /* it was named one way or the other: it must be there */
    char *path[AWS_FILES];      /* absolute; NULL: there is none */
    char *home, *here;          /* for aws_path() */
};

/* profile: NULL for what the environment says. */
void aws_environment_read(struct aws_environment *, const char *profile);
void aws_environment_free(struct aws_environment *); /* zeroes all of it */
/* A path as settings have it, made absolute, since a daemon's working directory is "/"; "~/" is the home directory. malloc'd. */
char *aws_path(const struct aws_environment *, const char *path);
/* "true", in any case */
bool aws_is_true(const char *);

#endif
