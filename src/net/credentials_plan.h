/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where keys are to come from, by environment and shared files, before anybody is asked: one source, and the roles that are assumed with its keys, one after another. The order is that of AWS's
 * Python tools (botocore):
 *
 *     1  AWS_ACCESS_KEY_ID ...                                  not if a profile was named by profile=
 *     2  the profile's role_arn with source_profile or credential_source
 *     3  AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN (not with profile=); web_identity_token_file with role_arn of the profile
 *     4  (sso_session, sso_start_url: refused, with what to do instead)
 *     5  keys in the credentials file    6  credential_process    7  keys in the configuration file
 *     8  AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, AWS_CONTAINER_CREDENTIALS_FULL_URI
 *     9  the instance metadata service, unless AWS_EC2_METADATA_DISABLED
 *
 * A source profile is looked at by 3 to 7 if it has keys of its own or no role, else by 2. Blocks on the local disk where a source profile is read. Threads: any; nothing is shared.
 */
#ifndef ASSETFS_CREDENTIALS_PLAN_H
#define ASSETFS_CREDENTIALS_PLAN_H

#include "net/aws_environment.h"
#include "net/sts.h"

enum plan_kind { PLAN_KEYS, PLAN_WEB_IDENTITY, PLAN_PROCESS, PLAN_CONTAINER, PLAN_INSTANCE };
#define PLAN_ROLES_MAX 5

/* Everything is malloc'd. */
struct credentials_plan {
    enum plan_kind kind;
    char *from;                   /* the source, for sentences: "[x] of /root/.aws/credentials" */
    struct credential keys;       /* PLAN_KEYS */
    bool of_file[AWS_FILES];      /* they are in that file */
    struct sts_role web;          /* PLAN_WEB_IDENTITY */
    char *token_file;             /* that one's, or the container's authorization; NULL: none */
    char *process;                /* PLAN_PROCESS: the line */
    char *url;                    /* of the container's endpoint; of the metadata service, without a slash at its end */
    char *authorization;          /* of the container, where it is no file; NULL: none */
    int64_t timeout_ns;           /* of one request to an instance's service */
    unsigned attempts;
    char *looked;                 /* PLAN_INSTANCE, when nobody asked for it: where else there was nothing; else NULL */
    struct sts_role roles[PLAN_ROLES_MAX]; /* in the order in which they are assumed */
    size_t n_roles;
    char *sts_endpoint, *sts_region; /* where STS is asked at all; region NULL: not said */
};

/* What stands behind sentences that there are no keys. */
#define PLAN_HOW_TO_GO_ON                                                                                    \
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or put aws_access_key_id and aws_secret_access_key "   \
    "into a profile and name it with profile="

/* profile: e->profile, as the files have it now. region: of the volume, where nobody else says one; may be NULL. insecure: plain http may be spoken beyond this machine. -EACCES with a sentence. */
int credentials_plan_make(const struct aws_environment *e, const struct aws_profile *profile, const char *region, bool insecure, int64_t now_ns, struct credentials_plan *ret,
                          struct buf *why) ATTR_WARN_UNUSED;
void credentials_plan_free(struct credentials_plan *); /* zeroes all of it */
/* Keys come from elsewhere: they have to be asked for, and run out. */
bool credentials_plan_is_remote(const struct credentials_plan *);
/* What tells it from another plan. */
void credentials_plan_digest(const struct credentials_plan *, uint8_t ret[DIGEST_SIZE]);
/* Why the file could not be used, in one sentence; true: there is a reason. One that is not there is none. */
bool credentials_plan_explain_file(const struct aws_environment *, const struct aws_profile *, enum aws_file, struct buf *why);

#endif
