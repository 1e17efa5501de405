/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which source counts, against what botocore does with the same environment and files. "hush" is in every
 * secret.
 */
#include "net/credentials_plan.h"
#include "base/env.h"
#include "base/file.h"
#include "tmpdir.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define KEYS(id) "aws_access_key_id = " id "\naws_secret_access_key = hush" id "\n"

static char *home;

static int setup(void **state) {
    (void)state;
    for (size_t i = 0; i < AWS_VARIABLES; i++)
        unsetenv(aws_variable_names[i]);
    home = tmpdir_new();
    setenv("HOME", home, 1);
    CLEANUP_FREE char *aws = tmpdir_path(home, ".aws");
    return mkdir(aws, 0700);
}

static int teardown(void **state) {
    (void)state;
    tmpdir_free(home);
    return 0;
}

static void write_file(const char *name, const char *text) {
    CLEANUP_FREE char *path = tmpdir_path(home, name);
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(file_pwrite_all(fd, text, strlen(text), 0), 0);
}

static void config(const char *text) {
    write_file(".aws/config", text);
}

static void credentials(const char *text) {
    write_file(".aws/credentials", text);
}

static int make(const char *profile, struct credentials_plan *ret, struct buf *why) {
    struct aws_environment e;
    aws_environment_read(&e, profile);
    const char *const path[AWS_FILES] = {e.path[AWS_CREDENTIALS], e.path[AWS_CONFIG]};
    struct aws_profile *p = aws_profile_load(path, e.profile, 0);
    int r = credentials_plan_make(&e, p, "eu-south-1", false, 0, ret, why);
    aws_profile_free(p);
    aws_environment_free(&e);
    return r;
}

/* The one of profile=, or of the environment for NULL. */
static struct credentials_plan plan_of(const char *profile) {
    struct credentials_plan plan;
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    if (make(profile, &plan, &why) < 0)
        fail_msg("%s", buf_str(&why));
    assert_int_equal(why.len, 0);
    return plan;
}

static void assert_none(const char *profile, const char *says) {
    struct credentials_plan plan;
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    assert_int_equal(make(profile, &plan, &why), -EACCES);
    if (!strstr(buf_str(&why), says) || strstr(buf_str(&why), "hush"))
        fail_msg("\"%s\" does not say \"%s\"", buf_str(&why), says);
}

#define ROLE "role_arn = arn:aws:iam::1:role/"

static void a_role_with_a_source_profile(void **state) {
    (void)state;
    credentials("[base]\n" KEYS("BASE"));
    config("[profile w]\n" ROLE "w\nsource_profile = base\nexternal_id = x\nrole_session_name = me\n"
           "duration_seconds = 3600\nregion = eu-west-3\n");
    struct credentials_plan p = plan_of("w");
    assert_int_equal(p.kind, PLAN_KEYS);
    assert_string_equal(p.keys.access_key, "BASE");
    assert_int_equal(p.n_roles, 1);
    assert_string_equal(p.roles[0].arn, "arn:aws:iam::1:role/w");
    assert_string_equal(p.roles[0].session_name, "me");
    assert_string_equal(p.roles[0].external_id, "x");
    assert_int_equal(p.roles[0].duration, 3600);
    assert_string_equal(p.sts_endpoint, "https://sts.eu-west-3.amazonaws.com");
    assert_true(credentials_plan_is_remote(&p));
    credentials_plan_free(&p);
}

static void a_chain_of_roles_begins_with_the_last(void **state) {
    (void)state;
    config("[profile a]\n" ROLE "a\nsource_profile = b\n[profile b]\n" ROLE "b\nsource_profile = c\n"
           "[profile c]\ncredential_process = give\n");
    struct credentials_plan p = plan_of("a");
    assert_int_equal(p.kind, PLAN_PROCESS);
    assert_string_equal(p.process, "give");
    assert_int_equal(p.n_roles, 2);
    assert_string_equal(p.roles[0].arn, "arn:aws:iam::1:role/b");
    assert_string_equal(p.roles[1].arn, "arn:aws:iam::1:role/a");
    assert_string_equal(p.sts_endpoint, "https://sts.eu-south-1.amazonaws.com");
    credentials_plan_free(&p);
}

/* Keys of its own go before the role of a source profile, and a profile may name itself for them. */
static void a_source_profile_with_keys_and_a_role(void **state) {
    (void)state;
    config("[profile a]\n" ROLE "a\nsource_profile = b\n[profile b]\n" ROLE "b\nsource_profile = a\n" KEYS(
        "B") "[profile self]\n" ROLE "s\nsource_profile = self\n" KEYS("S"));
    struct credentials_plan p = plan_of("a");
    assert_int_equal(p.n_roles, 1);
    assert_string_equal(p.keys.access_key, "B");
    credentials_plan_free(&p);
    p = plan_of("self");
    assert_int_equal(p.n_roles, 1);
    assert_string_equal(p.keys.access_key, "S");
    credentials_plan_free(&p);
}

static void named_sources(void **state) {
    (void)state;
    config("[profile e]\n" ROLE "r\ncredential_source = Environment\n"
           "[profile c]\n" ROLE "r\ncredential_source = EcsContainer\n"
           "[profile i]\n" ROLE "r\ncredential_source = Ec2InstanceMetadata\n"
           "[profile x]\n" ROLE "r\ncredential_source = Elsewhere\n");
    assert_none("e", "credential_source = Environment, but AWS_ACCESS_KEY_ID is not set");
    assert_none("c", "credential_source = EcsContainer, but neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    assert_none("x", "none of Environment, EcsContainer, Ec2InstanceMetadata");
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
    setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials?id=7", 1);
    struct credentials_plan p = plan_of("e");
    assert_string_equal(p.keys.access_key, "ENV");
    assert_int_equal(p.n_roles, 1);
    credentials_plan_free(&p);
    p = plan_of("c");
    assert_int_equal(p.kind, PLAN_CONTAINER);
    assert_string_equal(p.url, "http://169.254.170.2/v2/credentials?id=7");
    assert_null(strstr(p.from, "id=7"));
    credentials_plan_free(&p);
    p = plan_of("i");
    assert_int_equal(p.kind, PLAN_INSTANCE);
    assert_null(p.looked);
    credentials_plan_free(&p);
    setenv("AWS_EC2_METADATA_DISABLED", "True", 1);
    assert_none("i", "AWS_EC2_METADATA_DISABLED is set");
}

static void roles_that_lead_nowhere(void **state) {
    (void)state;
    static const struct {
        const char *settings, *says;
    } cases[] = {
        {ROLE "r\n", "neither source_profile nor credential_source"},
        {ROLE "r\nsource_profile = x\ncredential_source = Environment\n",
         "both source_profile and credential_source"},
        {ROLE "r\nsource_profile = nobody\n", "source_profile = nobody, but there is no such profile"},
        {ROLE "r\nsource_profile = empty\n", "source_profile = empty, which has no keys"},
        {ROLE "r\nsource_profile = w\n", "leads back to itself"},
        {ROLE "r\nsource_profile = loop\n", "leads back to itself"},
        {ROLE "r\nsource_profile = deep1\n", "too long a chain"},
        {ROLE "r\nsource_profile = base\nmfa_serial = arn:x\n", "mfa_serial"},
        {ROLE "r\nsource_profile = base\nduration_seconds = 899\n", "duration_seconds"},
        {ROLE "r\nsource_profile = base\nduration_seconds = 1h\n", "duration_seconds"},
        {ROLE "r\nsource_profile = base\nregion = eu/..\n", "the region is not one"},
        {ROLE "r\nsource_profile = base\nendpoint_url = http://example.com\n", "plain http, by which STS"},
        {ROLE "r\nsource_profile = half\n", "aws_access_key_id is set, but aws_secret_access_key is not"},
        {ROLE "r\nsource_profile = sso\n", "needs a browser"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_FREE char *text =
            xasprintf("[profile w]\n%s[profile base]\n" KEYS(
                          "BASE") "[profile empty]\nregion = x\n[profile loop]\n" ROLE
                                  "l\nsource_profile = w\n[profile half]\naws_access_key_id = A\n[profile "
                                  "sso]\nsso_session = hush\n"
                                  "[profile deep1]\n" ROLE "1\nsource_profile = deep2\n[profile deep2]\n" ROLE
                                  "2\nsource_profile = deep3\n"
                                  "[profile deep3]\n" ROLE "3\nsource_profile = deep4\n[profile deep4]\n" ROLE
                                  "4\nsource_profile = deep5\n"
                                  "[profile deep5]\n" ROLE "5\nsource_profile = base\n",
                      cases[i].settings);
        config(text);
        assert_none("w", cases[i].says);
    }
}

static void web_identity(void **state) {
    (void)state;
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/env/token", 1);
    setenv("AWS_ROLE_ARN", "arn:env", 1);
    setenv("AWS_ROLE_SESSION_NAME", "pod", 1);
    config("[default]\n" KEYS("D") "[profile p]\nweb_identity_token_file = ~/token\n" ROLE "p\n"
                                   "[profile r]\n" ROLE "r\nsource_profile = p\n");
    struct credentials_plan p = plan_of(NULL); /* before the profile's keys */
    assert_int_equal(p.kind, PLAN_WEB_IDENTITY);
    assert_string_equal(p.token_file, "/env/token");
    assert_string_equal(p.web.arn, "arn:env");
    assert_string_equal(p.web.session_name, "pod");
    credentials_plan_free(&p);
    p = plan_of("p");
    CLEANUP_FREE char *token = xasprintf("%s/token", home);
    assert_string_equal(p.token_file, token);
    assert_string_equal(p.web.arn, "arn:aws:iam::1:role/p");
    assert_int_equal(strncmp(p.web.session_name, "assetfs-", 8), 0);
    assert_int_equal(p.n_roles, 0);
    credentials_plan_free(&p);
    p = plan_of("r");
    assert_int_equal(p.kind, PLAN_WEB_IDENTITY);
    assert_int_equal(p.n_roles, 1);
    credentials_plan_free(&p);
}

static void a_profiles_role_goes_before_the_environments_web_identity(void **state) {
    (void)state;
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/env/token", 1);
    setenv("AWS_ROLE_ARN", "arn:env", 1);
    config("[default]\n" ROLE "d\nsource_profile = base\n[profile base]\n" KEYS("BASE"));
    struct credentials_plan p = plan_of(NULL);
    assert_string_equal(p.keys.access_key, "BASE");
    assert_int_equal(p.n_roles, 1);
    credentials_plan_free(&p);
}

static void containers(void **state) {
    (void)state;
    static const struct {
        const char *url;
        const char *says; /* NULL: it is taken */
    } cases[] = {
        {"http://127.0.0.1:9/x?a=b", NULL},
        {"http://[::1]:9/x", NULL},
        {"http://localhost/x", NULL},
        {"http://169.254.170.2/x", NULL},
        {"http://169.254.170.23/v1/credentials", NULL},
        {"http://[fd00:ec2::23]/v1/credentials", NULL},
        {"https://example.com/x", NULL},
        {"http://example.com/x", "plain http to example.com"},
        {"http://169.254.170.3/x", "plain http to 169.254.170.3"},
        {"http://127.0.0.1.example.com/x", "plain http"},
        {"http://a@127.0.0.1/x", "is not a URL"},
        {"ftp://127.0.0.1/x", "is not a URL"},
        {"http://127.0.0.1/x?hu sh", "is not a URL"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", cases[i].url, 1);
        if (cases[i].says) {
            assert_none(NULL, cases[i].says);
            continue;
        }
        struct credentials_plan p = plan_of(NULL);
        assert_int_equal(p.kind, PLAN_CONTAINER);
        assert_string_equal(p.url, cases[i].url);
        credentials_plan_free(&p);
    }
    setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "x", 1);
    assert_none(NULL, "does not begin with a slash");
}

static void the_file_of_a_containers_token_goes_first(void **state) {
    (void)state;
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/", 1);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hush", 1);
    struct credentials_plan p = plan_of(NULL);
    assert_string_equal(p.authorization, "hush");
    credentials_plan_free(&p);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/token", 1);
    p = plan_of(NULL);
    assert_string_equal(p.token_file, "/token");
    assert_null(p.authorization);
    credentials_plan_free(&p);
}

static void instances(void **state) {
    (void)state;
    struct credentials_plan p = plan_of(NULL);
    assert_int_equal(p.kind, PLAN_INSTANCE);
    assert_string_equal(p.url, "http://169.254.169.254");
    assert_int_equal(p.timeout_ns, NS_PER_S);
    assert_int_equal(p.attempts, 1);
    assert_non_null(strstr(p.looked, "AWS_ACCESS_KEY_ID is not set"));
    credentials_plan_free(&p);
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6", 1);
    setenv("AWS_METADATA_SERVICE_TIMEOUT", "5", 1);
    setenv("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "3", 1);
    p = plan_of(NULL);
    assert_string_equal(p.url, "http://[fd00:ec2::254]");
    assert_int_equal(p.timeout_ns, 5 * NS_PER_S);
    assert_int_equal(p.attempts, 3);
    credentials_plan_free(&p);
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1/", 1);
    p = plan_of(NULL);
    assert_string_equal(p.url, "http://127.0.0.1:1");
    assert_null(p.looked); /* somebody wants it */
    credentials_plan_free(&p);
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "nowhere", 1);
    assert_none(NULL, "AWS_EC2_METADATA_SERVICE_ENDPOINT (ec2_metadata_service_endpoint) is not a URL");
}

static void a_profile_that_is_wanted_must_be_there(void **state) {
    (void)state;
    credentials("[x]\nregion = y\n");
    assert_none("nobody", "there is no profile nobody");
    struct credentials_plan p = plan_of("x"); /* without keys: containers and instances follow */
    assert_int_equal(p.kind, PLAN_INSTANCE);
    credentials_plan_free(&p);
    setenv("AWS_PROFILE", "nobody", 1);
    assert_none(NULL, "there is no profile nobody");
}

static void where_sts_is(void **state) {
    (void)state;
    config("[default]\n" ROLE
           "d\nsource_profile = base\nservices = s\nregion = eu-west-1\n[profile base]\n" KEYS(
               "BASE") "[services s]\nsts =\n  endpoint_url = https://sts.example.com\n");
    struct credentials_plan p = plan_of(NULL);
    assert_string_equal(p.sts_endpoint, "https://sts.example.com");
    assert_string_equal(p.sts_region, "eu-west-1");
    credentials_plan_free(&p);
    setenv("AWS_ENDPOINT_URL", "https://all.example.com", 1);
    setenv("AWS_DEFAULT_REGION", "us-west-1", 1);
    p = plan_of(NULL);
    assert_string_equal(p.sts_endpoint, "https://all.example.com");
    assert_string_equal(p.sts_region, "us-west-1");
    credentials_plan_free(&p);
    setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1", 1);
    setenv("AWS_REGION", "us-west-2", 1);
    p = plan_of(NULL);
    assert_string_equal(p.sts_endpoint, "http://127.0.0.1:1");
    assert_string_equal(p.sts_region, "us-west-2");
    credentials_plan_free(&p);
    setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true", 1);
    p = plan_of(NULL);
    assert_string_equal(p.sts_endpoint, "https://sts.us-west-2.amazonaws.com");
    credentials_plan_free(&p);
}

static void another_plan_has_another_digest(void **state) {
    (void)state;
    static const char *const texts[] = {ROLE "a\nsource_profile = base\n",
                                        ROLE "b\nsource_profile = base\n",
                                        ROLE "a\nsource_profile = base\nexternal_id = x\n",
                                        ROLE "a\nsource_profile = base\nduration_seconds = 900\n",
                                        "credential_process = a\n",
                                        "credential_process = b\n",
                                        "web_identity_token_file = /a\n" ROLE "a\n",
                                        "web_identity_token_file = /b\n" ROLE "a\n"};
    uint8_t digest[ARRAY_SIZE(texts)][DIGEST_SIZE];
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        CLEANUP_FREE char *text = xasprintf("[profile w]\n%s[profile base]\n" KEYS("BASE"), texts[i]);
        uint8_t again[DIGEST_SIZE];
        config(text);
        struct credentials_plan p = plan_of("w"), q = plan_of("w");
        credentials_plan_digest(&p, digest[i]);
        credentials_plan_digest(&q, again);
        assert_memory_equal(digest[i], again, DIGEST_SIZE);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(digest[i], digest[k], DIGEST_SIZE);
        credentials_plan_free(&p);
        credentials_plan_free(&q);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_role_with_a_source_profile),
        TEST(a_chain_of_roles_begins_with_the_last),
        TEST(a_source_profile_with_keys_and_a_role),
        TEST(named_sources),
        TEST(roles_that_lead_nowhere),
        TEST(web_identity),
        TEST(a_profiles_role_goes_before_the_environments_web_identity),
        TEST(containers),
        TEST(the_file_of_a_containers_token_goes_first),
        TEST(instances),
        TEST(a_profile_that_is_wanted_must_be_there),
        TEST(where_sts_is),
        TEST(another_plan_has_another_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
