/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Steps are asked one after another until one has a source, or says that it must have one and has not. Roles
 * are noted from the outside in, and turned round at the end.
 */
#include "net/credentials_plan.h"
#include "base/digest.h"
#include "base/env.h"
#include "base/secret.h"
#include "base/units.h"
#include "net/url.h"
#include <ctype.h>
#include <limits.h>
#include <strings.h>
#include <unistd.h>

#define WHY_MAX 8192
#define INSTANCE_URL "http://169.254.169.254"
#define INSTANCE_URL_IPV6 "http://[fd00:ec2::254]"
#define CONTAINER_URL "http://169.254.170.2"
#define INSTANCE_TIMEOUT_S 1

enum answer {
    FOUND,    /* a source */
    NOT_HERE, /* perhaps a clause for the sentence: where it looked */
    BROKEN,   /* the whole sentence: this step decides, and has nothing that could be used */
};

struct planner {
    const struct aws_environment *e;
    int64_t now_ns;
    struct credentials_plan *plan;
    const char *visited[PLAN_ROLES_MAX + 1]; /* names of profiles, the first one's first */
    size_t n_visited;
    struct aws_profile *sources[PLAN_ROLES_MAX]; /* read on the way: their text is referred to */
    size_t n_sources;
};

/* ---- sentences */

/* "[profile x]" as it has to stand in that file */
static void name_section(const char *profile, enum aws_file i, struct buf *why) {
    bool plain = i == AWS_CREDENTIALS || strcmp(profile, "default") == 0;
    buf_printf(why, "[%s%s]", plain ? "" : "profile ", profile);
}

/* "[profile x] of /root/.aws/config" */
static char *place_of(const struct aws_environment *e, const char *profile, enum aws_file i) {
    CLEANUP_BUF struct buf b = BUF_INIT(WHY_MAX);
    name_section(profile, i, &b);
    buf_printf(&b, " of %s", e->path[i]);
    return (char *)buf_take(&b, NULL);
}

static char *place_of_setting(const struct planner *p, const struct aws_profile *profile, const char *name,
                              enum aws_setting_id id) {
    enum aws_file i = AWS_CREDENTIALS;
    (void)aws_profile_value(profile, id, &i);
    return place_of(p->e, name, i);
}

bool credentials_plan_explain_file(const struct aws_environment *e, const struct aws_profile *p,
                                   enum aws_file i, struct buf *why) {
    const struct aws_file_profile *f = &p->file[i];
    switch (f->err) {
    case 0:
    case -ENOENT:
        return false;
    case -EBADMSG:
        buf_printf(why,
                   "%s:%u: expected [section] or \"name = value\", not indented below another setting of the "
                   "profile",
                   e->path[i], f->line);
        return true;
    case -EAGAIN:
        buf_printf(why, "%s is being written", e->path[i]);
        return true;
    case -EINVAL:
        buf_printf(why, "%s is not a regular file", e->path[i]);
        return true;
    case -EFBIG:
        buf_printf(why, "%s is larger than a file of settings can be", e->path[i]);
        return true;
    default:
        buf_printf(why, "%s cannot be read (%s): check its owner and mode", e->path[i],
                   strerrordesc_np(-f->err));
        return true;
    }
}

static bool explain_files(const struct planner *p, const struct aws_profile *profile, struct buf *why) {
    return credentials_plan_explain_file(p->e, profile, AWS_CREDENTIALS, why) ||
           credentials_plan_explain_file(p->e, profile, AWS_CONFIG, why);
}

/* "/root/.aws/credentials is not there", "/root/.aws/config has no [profile x]", "[x] of ... has no keys" */
static void say_where(const struct planner *p, const struct aws_profile *profile, const char *name,
                      enum aws_file i, struct buf *why) {
    if (i > 0)
        buf_append_str(why, ", ");
    if (!p->e->path[i]) {
        buf_printf(why, "there is no home directory for .aws/%s",
                   i == AWS_CREDENTIALS ? "credentials" : "config");
    } else if (profile->file[i].err == -ENOENT) {
        buf_printf(why, "%s is not there", p->e->path[i]);
    } else if (!profile->file[i].found) {
        buf_printf(why, "%s has no ", p->e->path[i]);
        name_section(name, i, why);
    } else {
        CLEANUP_FREE char *place = place_of(p->e, name, i);
        buf_printf(why, "%s has no keys", place);
    }
}

static void say_both(const struct planner *p, const struct aws_profile *profile, const char *name,
                     struct buf *why) {
    say_where(p, profile, name, AWS_CREDENTIALS, why);
    say_where(p, profile, name, AWS_CONFIG, why);
}

/* ---- keys that are there */

static enum answer keys_of_environment(struct planner *p, struct buf *why) {
    char *const *v = p->e->value;
    struct credential *keys = &p->plan->keys;
    if (!v[ENV_ACCESS_KEY_ID] && !v[ENV_SECRET_ACCESS_KEY]) {
        buf_append_str(why, "AWS_ACCESS_KEY_ID is not set");
        return NOT_HERE;
    }
    bool old = !v[ENV_SESSION_TOKEN] && v[ENV_SECURITY_TOKEN];
    enum aws_variable token = old ? ENV_SECURITY_TOKEN : ENV_SESSION_TOKEN;
    if (credential_take((const char *[3]){v[ENV_ACCESS_KEY_ID], v[ENV_SECRET_ACCESS_KEY], v[token]},
                        (const char *[3]){aws_variable_names[ENV_ACCESS_KEY_ID],
                                          aws_variable_names[ENV_SECRET_ACCESS_KEY],
                                          aws_variable_names[token]},
                        "in the environment ", keys, why) < 0)
        return BROKEN;
    if (v[ENV_CREDENTIAL_EXPIRATION] && credential_time(v[ENV_CREDENTIAL_EXPIRATION], &keys->expires) < 0)
        keys->expires = 0;
    p->plan->kind = PLAN_KEYS;
    p->plan->from = xstrdup("the environment");
    return FOUND;
}

static enum answer keys_of_file(struct planner *p, const struct aws_profile *profile, const char *name,
                                enum aws_file i, struct buf *why) {
    char *const *v = profile->file[i].value;
    if (!v[AWS_ACCESS_KEY_ID] && !v[AWS_SECRET_ACCESS_KEY])
        return NOT_HERE;
    CLEANUP_FREE char *place = place_of(p->e, name, i);
    CLEANUP_FREE char *where = xasprintf("%s: ", place);
    bool old = !v[AWS_SESSION_TOKEN] && v[AWS_SECURITY_TOKEN];
    enum aws_setting_id token = old ? AWS_SECURITY_TOKEN : AWS_SESSION_TOKEN;
    if (credential_take((const char *[3]){v[AWS_ACCESS_KEY_ID], v[AWS_SECRET_ACCESS_KEY], v[token]},
                        (const char *[3]){aws_setting_names[AWS_ACCESS_KEY_ID],
                                          aws_setting_names[AWS_SECRET_ACCESS_KEY], aws_setting_names[token]},
                        where, &p->plan->keys, why) < 0)
        return BROKEN;
    p->plan->kind = PLAN_KEYS;
    p->plan->of_file[i] = true;
    p->plan->from = STEAL_PTR(&place);
    return FOUND;
}

/* ---- web identity, process, SSO */

static char *default_session_name(void) {
    char host[HOST_NAME_MAX + 1] = "", *name;
    gethostname(host, sizeof host - 1);
    name = xasprintf("assetfs-%s", host);
    if (strlen(name) > 64)
        name[64] = '\0';
    for (char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("+=,.@-_", *c))
            *c = '-';
    return name;
}

/* "900" to "43200"; 0: not said. */
static enum answer take_duration(struct planner *p, const struct aws_profile *profile, const char *name,
                                 unsigned *ret, struct buf *why) {
    const char *text = aws_profile_value(profile, AWS_DURATION_SECONDS, NULL);
    char *end = NULL;
    unsigned long seconds = text && isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : 0;
    *ret = 0;
    if (!text)
        return FOUND;
    if (!end || *end || seconds < 900 || seconds > 43200) {
        CLEANUP_FREE char *place = place_of_setting(p, profile, name, AWS_DURATION_SECONDS);
        buf_printf(why, "duration_seconds in %s is not a number from 900 to 43200", place);
        return BROKEN;
    }
    *ret = (unsigned)seconds;
    return FOUND;
}

static enum answer take_role(struct planner *p, const struct aws_profile *profile, const char *name,
                             const char *arn, const char *session_name, struct sts_role *ret,
                             struct buf *why) {
    const char *external_id = aws_profile_value(profile, AWS_EXTERNAL_ID, NULL);
    if (take_duration(p, profile, name, &ret->duration, why) != FOUND)
        return BROKEN;
    ret->arn = xstrdup(arn);
    ret->session_name = session_name ? xstrdup(session_name) : default_session_name();
    ret->external_id = external_id ? xstrdup(external_id) : NULL;
    return FOUND;
}

/* with_environment: its variables come first. */
static enum answer ask_web_identity(struct planner *p, const struct aws_profile *profile, const char *name,
                                    bool with_environment, struct buf *why) {
    char *const *v = p->e->value;
    const char *file = with_environment ? v[ENV_WEB_IDENTITY_TOKEN_FILE] : NULL;
    const char *arn = with_environment ? v[ENV_ROLE_ARN] : NULL;
    const char *session = with_environment ? v[ENV_ROLE_SESSION_NAME] : NULL;
    bool of_environment = file;
    if (!file)
        file = aws_profile_value(profile, AWS_WEB_IDENTITY_TOKEN_FILE, NULL);
    if (!file)
        return NOT_HERE;
    if (!arn)
        arn = aws_profile_value(profile, AWS_ROLE_ARN, NULL);
    if (!session)
        session = aws_profile_value(profile, AWS_ROLE_SESSION_NAME, NULL);
    CLEANUP_FREE char *place = of_environment
                                   ? xstrdup("the environment")
                                   : place_of_setting(p, profile, name, AWS_WEB_IDENTITY_TOKEN_FILE);
    if (!arn) {
        buf_printf(why, "%s is set in %s, but no role to use it for: set %s",
                   of_environment ? "AWS_WEB_IDENTITY_TOKEN_FILE" : "web_identity_token_file", place,
                   of_environment ? "AWS_ROLE_ARN" : "role_arn");
        return BROKEN;
    }
    if (take_role(p, profile, name, arn, session, &p->plan->web, why) != FOUND)
        return BROKEN;
    p->plan->kind = PLAN_WEB_IDENTITY;
    p->plan->token_file = aws_path(p->e, file);
    p->plan->from = xasprintf("the web identity of %s", place);
    return FOUND;
}

static enum answer refuse_sso(struct planner *p, const struct aws_profile *profile, const char *name,
                              struct buf *why) {
    for (enum aws_setting_id id = AWS_SSO_SESSION; id <= AWS_SSO_START_URL; id++) {
        if (!aws_profile_value(profile, id, NULL))
            continue;
        CLEANUP_FREE char *place = place_of_setting(p, profile, name, id);
        buf_printf(why,
                   "%s has %s, which needs a browser: give a profile that has credential_process = aws "
                   "configure export-credentials --profile %s --format process",
                   place, aws_setting_names[id], name);
        return BROKEN;
    }
    return NOT_HERE;
}

static enum answer ask_process(struct planner *p, const struct aws_profile *profile, const char *name) {
    const char *line = aws_profile_value(profile, AWS_CREDENTIAL_PROCESS, NULL);
    if (!line)
        return NOT_HERE;
    CLEANUP_FREE char *place = place_of_setting(p, profile, name, AWS_CREDENTIAL_PROCESS);
    p->plan->kind = PLAN_PROCESS;
    p->plan->process = xstrdup(line);
    p->plan->from = xasprintf("credential_process in %s", place);
    return FOUND;
}

/* Steps 3 to 7 of a profile. */
static enum answer ask_profile(struct planner *p, const struct aws_profile *profile, const char *name,
                               bool with_environment, struct buf *why) {
    enum answer a = ask_web_identity(p, profile, name, with_environment, why);
    if (a == NOT_HERE)
        a = refuse_sso(p, profile, name, why);
    if (a == NOT_HERE)
        a = keys_of_file(p, profile, name, AWS_CREDENTIALS, why);
    if (a == NOT_HERE)
        a = ask_process(p, profile, name);
    if (a == NOT_HERE)
        a = keys_of_file(p, profile, name, AWS_CONFIG, why);
    return a;
}

/* ---- endpoints */

/* Plain http goes only where nobody else listens: this machine, and the addresses of container agents. */
static bool is_agent(const struct url *u) {
    static const char *const hosts[] = {"169.254.170.2", "169.254.170.23", "fd00:ec2::23"};
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
        if (strcmp(u->host, hosts[i]) == 0)
            return true;
    return u->https || url_is_loopback(u);
}

/* A query is allowed here, which url_parse() does not take. */
static enum answer check_container_url(const char *url, const char *name, struct buf *why) {
    struct url u;
    CLEANUP_BUF struct buf clause = BUF_INIT(WHY_MAX);
    CLEANUP_FREE char *plain = xstrndup(url, strcspn(url, "?"));
    bool visible = true;
    for (const char *c = url; *c; c++)
        visible = visible && isascii((unsigned char)*c) && isgraph((unsigned char)*c) && *c != '#';
    if (!visible || url_parse(plain, &u, &clause) < 0) {
        buf_printf(why, "%s is not a URL%s%s", name, clause.len > 0 ? ": " : "",
                   clause.len > 0 ? buf_str(&clause) : "");
        return BROKEN;
    }
    bool allowed = is_agent(&u);
    if (!allowed)
        buf_printf(why,
                   "%s is plain http to %s: allowed are https://, this machine, 169.254.170.2, "
                   "169.254.170.23 and [fd00:ec2::23]",
                   name, u.host);
    url_free(&u);
    return allowed ? FOUND : BROKEN;
}

static enum answer ask_container(struct planner *p, struct buf *why) {
    char *const *v = p->e->value;
    const char *relative = v[ENV_CONTAINER_CREDENTIALS_RELATIVE_URI];
    const char *full = v[ENV_CONTAINER_CREDENTIALS_FULL_URI];
    if (!relative && !full)
        return NOT_HERE;
    if (relative && *relative != '/') {
        buf_append_str(why, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with a slash");
        return BROKEN;
    }
    enum aws_variable which =
        relative ? ENV_CONTAINER_CREDENTIALS_RELATIVE_URI : ENV_CONTAINER_CREDENTIALS_FULL_URI;
    CLEANUP_FREE char *url = xasprintf("%s%s", relative ? CONTAINER_URL : "", relative ? relative : full);
    if (check_container_url(url, aws_variable_names[which], why) != FOUND)
        return BROKEN;
    p->plan->kind = PLAN_CONTAINER;
    p->plan->from = xasprintf("the container's endpoint %.*s", (int)strcspn(url, "?"), url);
    p->plan->url = STEAL_PTR(&url);
    if (v[ENV_CONTAINER_AUTHORIZATION_TOKEN_FILE])
        p->plan->token_file = aws_path(p->e, v[ENV_CONTAINER_AUTHORIZATION_TOKEN_FILE]);
    else if (v[ENV_CONTAINER_AUTHORIZATION_TOKEN])
        p->plan->authorization = xstrdup(v[ENV_CONTAINER_AUTHORIZATION_TOKEN]);
    return FOUND;
}

static unsigned small_number(const char *text, unsigned otherwise, unsigned most) {
    char *end;
    unsigned long n = text && isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : 0;
    return n == 0 || *end || n > most ? otherwise : (unsigned)n;
}

static enum answer ask_instance(struct planner *p, const struct aws_profile *profile, struct buf *why) {
    char *const *v = p->e->value;
    struct url u;
    CLEANUP_BUF struct buf clause = BUF_INIT(WHY_MAX);
    const char *url = v[ENV_EC2_METADATA_SERVICE_ENDPOINT], *mode = v[ENV_EC2_METADATA_SERVICE_ENDPOINT_MODE];
    if (aws_is_true(v[ENV_EC2_METADATA_DISABLED]))
        return NOT_HERE;
    if (!url)
        url = aws_profile_value(profile, AWS_EC2_METADATA_SERVICE_ENDPOINT, NULL);
    if (!mode)
        mode = aws_profile_value(profile, AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE, NULL);
    if (!url)
        url = mode && strcasecmp(mode, "ipv6") == 0 ? INSTANCE_URL_IPV6 : INSTANCE_URL;
    if (url_parse(url, &u, &clause) < 0) {
        buf_printf(why, "AWS_EC2_METADATA_SERVICE_ENDPOINT (ec2_metadata_service_endpoint) is not a URL: %s",
                   buf_str(&clause));
        return BROKEN;
    }
    p->plan->kind = PLAN_INSTANCE;
    p->plan->url = url_text(&u);
    p->plan->from = xasprintf("the instance metadata service at %s", p->plan->url);
    p->plan->timeout_ns = NS_PER_S * small_number(v[ENV_METADATA_SERVICE_TIMEOUT], INSTANCE_TIMEOUT_S, 60);
    p->plan->attempts = small_number(v[ENV_METADATA_SERVICE_NUM_ATTEMPTS], 1, 10);
    url_free(&u);
    return FOUND;
}

/* ---- roles */

static bool has_keys(const struct aws_profile *p) {
    return aws_profile_value(p, AWS_ACCESS_KEY_ID, NULL) || aws_profile_value(p, AWS_SECRET_ACCESS_KEY, NULL);
}

static bool has_role(const struct aws_profile *p) {
    return aws_profile_value(p, AWS_ROLE_ARN, NULL) &&
           !aws_profile_value(p, AWS_WEB_IDENTITY_TOKEN_FILE, NULL);
}

static enum answer broken(struct buf *why, const char *place, const char *text) {
    buf_printf(why, "%s %s", place, text);
    return BROKEN;
}

static enum answer ask_named_source(struct planner *p, const struct aws_profile *profile, const char *source,
                                    const char *place, struct buf *why) {
    CLEANUP_BUF struct buf clause = BUF_INIT(WHY_MAX);
    enum answer a;
    if (strcmp(source, "Environment") == 0)
        a = keys_of_environment(p, &clause);
    else if (strcmp(source, "EcsContainer") == 0)
        a = ask_container(p, &clause);
    else if (strcmp(source, "Ec2InstanceMetadata") == 0)
        a = ask_instance(p, profile, &clause);
    else
        return broken(
            why, place,
            "has a credential_source that is none of Environment, EcsContainer, Ec2InstanceMetadata");
    if (a == NOT_HERE)
        buf_printf(why, "%s has credential_source = %s, but %s", place, source,
                   strcmp(source, "EcsContainer") == 0 ? "neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor "
                                                         "AWS_CONTAINER_CREDENTIALS_FULL_URI is set"
                   : strcmp(source, "Environment") == 0 ? buf_str(&clause)
                                                        : "AWS_EC2_METADATA_DISABLED is set");
    else if (a == BROKEN)
        buf_append_str(why, buf_str(&clause));
    return a == NOT_HERE ? BROKEN : a;
}

static enum answer ask_role(struct planner *p, const struct aws_profile *profile, const char *name,
                            struct buf *why);

/* The profile whose keys assume the role. One that has keys of its own may name itself. */
static enum answer ask_source_profile(struct planner *p, const struct aws_profile *profile,
                                      const char *source, const char *place, struct buf *why) {
    const char *parent = p->visited[p->n_visited - 1];
    bool seen = false;
    for (size_t i = 0; i < p->n_visited; i++)
        seen = seen || strcmp(p->visited[i], source) == 0;
    if (seen && (strcmp(source, parent) != 0 || !has_keys(profile)))
        return broken(why, place, "has a source_profile that leads back to itself");
    if (p->n_sources == PLAN_ROLES_MAX)
        return broken(why, place, "is the end of too long a chain of roles");
    const char *const path[AWS_FILES] = {p->e->path[AWS_CREDENTIALS], p->e->path[AWS_CONFIG]};
    struct aws_profile *s = p->sources[p->n_sources++] = aws_profile_load(path, source, p->now_ns);
    if (explain_files(p, s, why))
        return BROKEN;
    if (!aws_profile_found(s)) {
        buf_printf(why, "%s has source_profile = %s, but there is no such profile: ", place, source);
        say_both(p, s, source, why);
        return BROKEN;
    }
    p->visited[p->n_visited++] = source;
    if (!has_keys(s) && has_role(s))
        return ask_role(p, s, source, why);
    enum answer a = ask_profile(p, s, source, false, why);
    if (a == NOT_HERE) {
        buf_printf(why, "%s has source_profile = %s, which has no keys: ", place, source);
        say_both(p, s, source, why);
        a = BROKEN;
    }
    return a;
}

static enum answer ask_role(struct planner *p, const struct aws_profile *profile, const char *name,
                            struct buf *why) {
    const char *source = aws_profile_value(profile, AWS_SOURCE_PROFILE, NULL);
    const char *named = aws_profile_value(profile, AWS_CREDENTIAL_SOURCE, NULL);
    CLEANUP_FREE char *place = place_of_setting(p, profile, name, AWS_ROLE_ARN);
    if (source && named)
        return broken(why, place, "has both source_profile and credential_source: take one away");
    if (!source && !named)
        return broken(why, place,
                      "has role_arn, but neither source_profile nor credential_source: say whose keys may "
                      "assume the role");
    if (aws_profile_value(profile, AWS_MFA_SERIAL, NULL))
        return broken(why, place,
                      "has mfa_serial, and nobody can be asked for a code here: let the role be assumed "
                      "without it, or use credential_process");
    if (p->plan->n_roles == PLAN_ROLES_MAX)
        return broken(why, place, "is the end of too long a chain of roles");
    if (take_role(p, profile, name, aws_profile_value(profile, AWS_ROLE_ARN, NULL),
                  aws_profile_value(profile, AWS_ROLE_SESSION_NAME, NULL), &p->plan->roles[p->plan->n_roles],
                  why) != FOUND)
        return BROKEN;
    p->plan->n_roles++;
    return source ? ask_source_profile(p, profile, source, place, why)
                  : ask_named_source(p, profile, named, place, why);
}

static void turn_round(struct credentials_plan *plan) {
    for (size_t i = 0; i < plan->n_roles / 2; i++) {
        struct sts_role r = plan->roles[i];
        plan->roles[i] = plan->roles[plan->n_roles - 1 - i];
        plan->roles[plan->n_roles - 1 - i] = r;
    }
}

/* ---- STS */

static const char *endpoint_of_sts(const struct aws_environment *e, const struct aws_profile *profile,
                                   const char **ret_name) {
    if (aws_is_true(e->value[ENV_IGNORE_CONFIGURED_ENDPOINT_URLS]))
        return NULL;
    for (enum aws_variable v = ENV_ENDPOINT_URL_STS; v <= ENV_ENDPOINT_URL; v++)
        if (e->value[v]) {
            *ret_name = aws_variable_names[v];
            return e->value[v];
        }
    *ret_name = "endpoint_url of the profile";
    return aws_profile_endpoint(profile, AWS_STS);
}

/* It becomes part of a host's name. */
static bool is_region(const char *s) {
    return *s && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(s) && strlen(s) < 64;
}

static enum answer find_sts(struct planner *p, const struct aws_profile *profile, const char *region,
                            bool insecure, struct buf *why) {
    char *const *v = p->e->value;
    const char *name = NULL, *endpoint = endpoint_of_sts(p->e, profile, &name);
    const char *said = v[ENV_REGION] ? v[ENV_REGION] : v[ENV_DEFAULT_REGION];
    struct url u;
    CLEANUP_BUF struct buf clause = BUF_INIT(WHY_MAX);
    if (!said)
        said = aws_profile_value(profile, AWS_REGION, NULL);
    if (!said)
        said = region;
    if (said && !is_region(said)) {
        buf_append_str(why, "the region is not one like eu-central-1: look at AWS_REGION and region");
        return BROKEN;
    }
    p->plan->sts_region = said ? xstrdup(said) : NULL;
    p->plan->sts_endpoint = endpoint ? xstrdup(endpoint) : sts_endpoint(said);
    if (url_parse(p->plan->sts_endpoint, &u, &clause) < 0) {
        buf_printf(why, "%s: %s", name ? name : "STS", buf_str(&clause));
        return BROKEN;
    }
    bool safe = u.https || url_is_loopback(&u) || insecure;
    if (!safe)
        buf_printf(why,
                   "%s is plain http, by which STS would send keys for all to read: use https://, or say "
                   "insecure_http",
                   name);
    url_free(&u);
    return safe ? FOUND : BROKEN;
}

/* ---- all of it */

/* Nothing that anybody has set up. */
static enum answer ask_instance_last(struct planner *p, const struct aws_profile *profile, struct buf *looked,
                                     struct buf *why) {
    enum answer a = ask_instance(p, profile, why);
    if (a == FOUND && !p->e->value[ENV_EC2_METADATA_SERVICE_ENDPOINT])
        p->plan->looked = xstrdup(buf_str(looked));
    if (a == NOT_HERE)
        buf_printf(why, "there are no AWS credentials: %s, AWS_EC2_METADATA_DISABLED is set; %s",
                   buf_str(looked), PLAN_HOW_TO_GO_ON);
    return a == NOT_HERE ? BROKEN : a;
}

static enum answer search(struct planner *p, const struct aws_profile *profile, struct buf *why) {
    const struct aws_environment *e = p->e;
    CLEANUP_BUF struct buf looked = BUF_INIT(WHY_MAX);
    enum answer a = e->named ? NOT_HERE : keys_of_environment(p, &looked);
    if (a != NOT_HERE) {
        buf_append_str(why, a == BROKEN ? buf_str(&looked) : "");
        return a;
    }
    if (explain_files(p, profile, why))
        return BROKEN;
    if (looked.len > 0)
        buf_append_str(&looked, ", ");
    say_both(p, profile, e->profile, &looked);
    if (has_role(profile))
        return ask_role(p, profile, e->profile, why);
    a = ask_profile(p, profile, e->profile, !e->named, why);
    if (a != NOT_HERE)
        return a;
    if (e->wanted && !aws_profile_found(profile)) {
        buf_printf(why, "there is no profile %s: ", e->profile);
        say_both(p, profile, e->profile, why);
        buf_printf(why, "; %s", PLAN_HOW_TO_GO_ON);
        return BROKEN;
    }
    a = ask_container(p, why);
    return a == NOT_HERE ? ask_instance_last(p, profile, &looked, why) : a;
}

int credentials_plan_make(const struct aws_environment *e, const struct aws_profile *profile,
                          const char *region, bool insecure, int64_t now_ns, struct credentials_plan *ret,
                          struct buf *why) {
    *ret = (struct credentials_plan){0};
    struct planner p = {.e = e, .now_ns = now_ns, .plan = ret, .visited = {e->profile}, .n_visited = 1};
    enum answer a = search(&p, profile, why);
    turn_round(ret);
    if (a == FOUND && (ret->n_roles > 0 || ret->kind == PLAN_WEB_IDENTITY))
        a = find_sts(&p, profile, region, insecure, why);
    for (size_t i = 0; i < p.n_sources; i++)
        aws_profile_free(p.sources[i]);
    if (a == FOUND)
        return 0;
    credentials_plan_free(ret);
    return -EACCES;
}

void credentials_plan_free(struct credentials_plan *p) {
    credential_free(&p->keys);
    sts_role_free(&p->web);
    for (size_t i = 0; i < p->n_roles; i++)
        sts_role_free(&p->roles[i]);
    free(p->from);
    free(p->token_file);
    secret_free(p->process);
    secret_free(p->url);
    secret_free(p->authorization);
    free(p->looked);
    free(p->sts_endpoint);
    free(p->sts_region);
    *p = (struct credentials_plan){0};
}

bool credentials_plan_is_remote(const struct credentials_plan *p) {
    return p->kind != PLAN_KEYS || p->n_roles > 0;
}

/* ---- */

static void add_text(struct buf *b, const char *s) {
    if (s)
        buf_append_str(b, s);
    buf_append_byte(b, s ? 0 : 1);
}

static void add_role(struct buf *b, const struct sts_role *r) {
    add_text(b, r->arn);
    add_text(b, r->session_name);
    add_text(b, r->external_id);
    buf_printf(b, "%u", r->duration);
    buf_append_byte(b, 0);
}

#define PLAN_TEXT_MAX ((size_t)4 << 20) /* profiles come out of files of AWS_FILE_MAX */

void credentials_plan_digest(const struct credentials_plan *p, uint8_t ret[DIGEST_SIZE]) {
    struct buf b = BUF_INIT(PLAN_TEXT_MAX);
    const char *const texts[] = {p->keys.access_key, p->keys.secret_key, p->keys.session_token,
                                 p->token_file,      p->process,         p->url,
                                 p->authorization,   p->sts_endpoint,    p->sts_region};
    size_t need = 4096;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        need += texts[i] ? strlen(texts[i]) : 0;
    (void)buf_reserve(&b, MIN(need, PLAN_TEXT_MAX)); /* secrets do not stay where it grew */
    buf_append_byte(&b, (unsigned char)p->kind);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        add_text(&b, texts[i]);
    add_role(&b, &p->web);
    for (size_t i = 0; i < p->n_roles; i++)
        add_role(&b, &p->roles[i]);
    digest_of(b.data, b.len, ret);
    buf_wipe(&b);
}
