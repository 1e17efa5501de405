/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What AWS's two shared files say about one profile, and whether they have changed since. Files are looked at by path, so that one which is replaced, or
 * reached through a symbolic link that is (Kubernetes swaps one), counts as changed (base/secret_file.h).
 *
 * All values are taken for secrets: zeroed when freed, and so is the memory the files were read into. Blocks on the local disk.
 * Threads: any; nothing is shared.
 */
#ifndef ASSETFS_CREDENTIALS_FILES_H
#define ASSETFS_CREDENTIALS_FILES_H

#include "base/secret_file.h"

#define AWS_FILE_MAX ((size_t)1 << 20)

enum aws_file { AWS_CREDENTIALS, AWS_CONFIG, AWS_FILES };

/* The settings that mean something here. */
enum aws_setting_id {
    AWS_ROLE_ARN,
    AWS_SOURCE_PROFILE,
    AWS_CREDENTIAL_SOURCE,
    AWS_ROLE_SESSION_NAME,
    AWS_EXTERNAL_ID,
    AWS_DURATION_SECONDS,
    AWS_MFA_SERIAL,
    AWS_WEB_IDENTITY_TOKEN_FILE,
    AWS_SSO_SESSION,
    AWS_SSO_START_URL,
    AWS_CREDENTIAL_PROCESS,
    AWS_EC2_METADATA_SERVICE_ENDPOINT,
    AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE,
    AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY,
    AWS_SESSION_TOKEN,
    AWS_SECURITY_TOKEN, /* its old name */
    AWS_REGION,
    AWS_ENDPOINT_URL,
    AWS_IGNORE_CONFIGURED_ENDPOINT_URLS,
    AWS_SERVICES,
    AWS_SETTINGS
};
extern const char *const aws_setting_names[AWS_SETTINGS];

/* The services that are asked, as the section [services] names them. */
enum aws_service { AWS_S3, AWS_STS, AWS_SERVICES_ASKED };

struct aws_file_profile {
    struct secret_mark mark;
    int err;             /* 0; -ENOENT: no such file; -EBADMSG: see line; -EAGAIN: it changed each time it was read; -EINVAL: no regular file; or why it cannot be read */
    unsigned line;       /* of the first line that cannot be understood, or 0 */
    bool found;          /* the file has the profile */
    bool exposed;        /* everybody on this machine may read the file */
    char *value[AWS_SETTINGS]; /* NULL: not set, or empty */
};

struct aws_profile {
    struct aws_file_profile file[AWS_FILES];
    char *endpoint[AWS_SERVICES_ASKED]; /* of the [services] section that the profile names */
};

/* path[]: absolute; NULL: there is none. now_ns: the wall clock. Freed by aws_profile_free(). */
struct aws_profile *aws_profile_load(const char *const path[AWS_FILES], const char *name, int64_t now_ns);
struct aws_profile *aws_profile_free(struct aws_profile *); /* NULL-safe; returns NULL */
/* The paths lead to other files, or to changed ones. marks: from the profile that was loaded. */
bool aws_files_changed(const char *const path[AWS_FILES], const struct secret_mark marks[AWS_FILES]);
/* The setting in whichever file has it; the credentials file goes first, as for AWS's tools. NULL: neither. ret_file may be NULL. */
const char *aws_profile_value(const struct aws_profile *, enum aws_setting_id, enum aws_file *ret_file);
/* Either file has the profile. */
bool aws_profile_found(const struct aws_profile *);
/* Where the service is, by the profile: its own setting, or endpoint_url; NULL: not said, or to be ignored. Valid as long as the profile is. */
const char *aws_profile_endpoint(const struct aws_profile *, enum aws_service);

#endif
