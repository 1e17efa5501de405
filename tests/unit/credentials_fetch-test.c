/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Each source that is asked over HTTP, with a server that says what a test wants, and what credentials.c
 * makes of it. The loop and the engine are real ones.
 */
#include "net/credentials_fetch.h"
#include "base/log.h"
#include "http_box.h"
#include "net/credentials.h"
#include "tmpdir.h"
#include <stdatomic.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define JSON(id)                                                                                             \
    "{\"Code\":\"Success\",\"AccessKeyId\":\"" id                                                            \
    "\",\"SecretAccessKey\":\"hush\",\"Token\":\"t\",\"Expiration\":\"2099-01-01T00:00:00Z\"}"

struct script {
    atomic_int status, first_status; /* of the first request only; 0: status */
    const char *body;
    atomic_bool hang;
    atomic_int count;
};

static struct script script;
static struct http_box *box;
static struct fetcher fetcher;

static void say(struct peer_request *r, int status, const char *text) {
    peer_answer(r, status, "", text, strlen(text));
}

static void instance(struct peer_request *r) {
    CLEANUP_FREE char *session = peer_header(r, "x-aws-ec2-metadata-token");
    if (strcmp(r->method, "PUT") == 0)
        say(r, 200, "the-session\n");
    else if (!session || strcmp(session, "the-session") != 0)
        say(r, 401, "");
    else if (strcmp(r->target, "/latest/meta-data/iam/security-credentials/") == 0)
        say(r, 200, "the-role\nanother");
    else
        say(r, strcmp(r->target, "/latest/meta-data/iam/security-credentials/the-role") == 0 ? 200 : 404,
            JSON("INSTANCE"));
}

static void handle(void *arg, struct peer_request *r) {
    (void)arg;
    int n = atomic_fetch_add(&script.count, 1);
    if (strcmp(r->method, "POST") == 0)
        peer_read_body(r, 65536);
    if (atomic_load(&script.hang))
        peer_swallow(r);
    else if (n == 0 && atomic_load(&script.first_status))
        say(r, atomic_load(&script.first_status), "as told");
    else if (atomic_load(&script.status) != 200)
        say(r, atomic_load(&script.status), script.body ? script.body : "as told");
    else if (strncmp(r->target, "/latest/", 8) == 0)
        instance(r);
    else
        say(r, 200, script.body);
}

static int setup(void **state) {
    (void)state;
    memset(&script, 0, sizeof script);
    script.status = 200;
    for (size_t i = 0; i < AWS_VARIABLES; i++)
        unsetenv(aws_variable_names[i]);
    /* Nobody is at the proxy: only what goes past it gets anywhere. */
    box = http_box_new(handle, NULL, &(struct http_config){.proxy = "http://127.0.0.1:1"});
    fetcher_init(&fetcher, loop_env(box->loop), box->http);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fetcher_stop(&fetcher);
    fetcher_destroy(&fetcher);
    box = http_box_free(box);
    return 0;
}

static struct credentials_plan container(void) {
    struct credentials_plan p = {.kind = PLAN_CONTAINER,
                                 .from = xstrdup("the container"),
                                 .url = http_peer_url(box->peer, "/keys?a=b")};
    return p;
}

static struct credentials_plan an_instance(void) {
    struct credentials_plan p = {.kind = PLAN_INSTANCE,
                                 .from = xstrdup("the instance"),
                                 .url = http_peer_url(box->peer, ""),
                                 .timeout_ns = 5 * NS_PER_S,
                                 .attempts = 1};
    return p;
}

/* The access key that is got. */
static void assert_gives(struct credentials_plan *p, const char *access) {
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    if (credentials_fetch(&fetcher, p, &k, &why) < 0)
        fail_msg("%s", buf_str(&why));
    assert_string_equal(k.access_key, access);
    assert_string_equal(k.secret_key, "hush");
    assert_int_equal(k.expires, 4070908800);
    credential_free(&k);
    credentials_plan_free(p);
}

static void assert_refused(struct credentials_plan *p, int err, const char *says) {
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    int r = credentials_fetch(&fetcher, p, &k, &why);
    if (r != err || !strstr(buf_str(&why), says) || strstr(buf_str(&why), "hush"))
        fail_msg("%d, \"%s\" does not say \"%s\"", r, buf_str(&why), says);
    assert_null(k.access_key);
    credentials_plan_free(p);
}

static void a_container(void **state) {
    (void)state;
    struct credentials_plan p = container();
    script.body = JSON("CONTAINER");
    assert_gives(&p, "CONTAINER");
    CLEANUP_FREE char *targets = http_peer_targets(box->peer);
    assert_string_equal(targets, "/keys?a=b");
}

static void trouble_is_met_with_another_try(void **state) {
    (void)state;
    struct credentials_plan p = container();
    script.body = JSON("CONTAINER");
    script.first_status = 500;
    assert_gives(&p, "CONTAINER");
    assert_int_equal(http_peer_requests(box->peer), 2);
}

static void three_tries_are_enough(void **state) {
    (void)state;
    struct credentials_plan p = container();
    script.status = 500;
    assert_refused(&p, -EIO, "the container says 500 \"as told\": it is tried again");
    assert_int_equal(http_peer_requests(box->peer), 3);
}

static void a_container_that_refuses(void **state) {
    (void)state;
    struct credentials_plan p = container();
    script.status = 403;
    assert_refused(&p, -EACCES, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    assert_int_equal(http_peer_requests(box->peer), 1);
}

static void a_container_that_is_something_else(void **state) {
    (void)state;
    struct credentials_plan p = container();
    script.body = "<html>hush</html>";
    assert_refused(&p, -EACCES, "what the container says cannot be used: it is not JSON");
}

static void a_token_with_a_line_break(void **state) {
    (void)state;
    struct credentials_plan p = container();
    p.authorization = xstrdup("hush\r\nX-Evil: 1");
    assert_refused(&p, -EACCES, "has a line break");
    assert_int_equal(http_peer_requests(box->peer), 0);
}

static void a_token_of_a_file(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int err;
        const char *says;
    } cases[] = {
        {NULL, -EIO, "No such file"}, {" \n", -EIO, "the file is empty"}, {"a\nb", -EACCES, "line break"}};
    char *dir = tmpdir_new();
    CLEANUP_FREE char *path = tmpdir_path(dir, "token");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct credentials_plan p = container();
        p.token_file = xstrdup(path);
        if (cases[i].text) {
            FILE *f = fopen(path, "we");
            fputs(cases[i].text, f);
            fclose(f);
        }
        assert_refused(&p, cases[i].err, cases[i].says);
    }
    tmpdir_free(dir);
}

static void an_instance_in_version_two(void **state) {
    (void)state;
    struct credentials_plan p = an_instance();
    assert_gives(&p, "INSTANCE");
    CLEANUP_FREE char *targets = http_peer_targets(box->peer);
    assert_string_equal(targets, "/latest/api/token /latest/meta-data/iam/security-credentials/ "
                                 "/latest/meta-data/iam/security-credentials/the-role");
}

static void an_instance_that_refuses(void **state) {
    (void)state;
    struct credentials_plan p = an_instance();
    script.status = 403;
    assert_refused(&p, -EACCES,
                   "the instance says 403 \"as told\" when asked for a session (IMDSv2): IMDSv2 must be");
}

/* Where nobody has asked for it, it is only the last place that was looked at. */
static void no_instance_at_all(void **state) {
    (void)state;
    struct credentials_plan p = an_instance();
    free(p.url);
    p.url = xstrdup("http://127.0.0.1:1");
    p.looked = xstrdup("nothing anywhere");
    assert_refused(&p, -EACCES,
                   "there are no AWS credentials: nothing anywhere, and the instance does not answer");
    p = an_instance();
    free(p.url);
    p.url = xstrdup("http://127.0.0.1:1");
    assert_refused(&p, -EIO, "the instance does not answer");
}

/* ---- credentials */

static struct credentials *ask_the_peer(void) {
    CLEANUP_FREE char *url = http_peer_url(box->peer, "/keys");
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    setenv("HOME", "/nonexistent", 1);
    return credentials_new(loop_env(box->loop), &(struct credentials_config){.http = box->http});
}

static void keys_are_asked_for_once(void **state) {
    (void)state;
    struct credentials *c = ask_the_peer();
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    script.body = JSON("A");
    assert_int_equal(credentials_get(c, false, &k, &why), -EAGAIN);
    for (int i = 0; i < 3; i++) {
        buf_reset(&why);
        assert_int_equal(credentials_get_sync(c, &k, &why), 0);
        assert_string_equal(k.access_key, "A");
        assert_int_equal(k.generation, 1);
        credential_free(&k);
    }
    assert_int_equal(http_peer_requests(box->peer), 1);
    CLEANUP_FREE char *from = credentials_from(c);
    assert_non_null(strstr(from, "the container's endpoint http://127.0.0.1:"));
    credentials_free(c);
}

static void refused_keys_are_asked_for_again(void **state) {
    (void)state;
    struct credentials *c = ask_the_peer();
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    script.body = JSON("A");
    assert_int_equal(credentials_get_sync(c, &k, &why), 0);
    credential_free(&k);
    script.body = JSON("B");
    while (credentials_refused(c, 1, true) == -EAGAIN) /* brand-new keys are not asked for again at once */
        usleep(1000);
    assert_int_equal(credentials_get_sync(c, &k, &why), 0);
    assert_string_equal(k.access_key, "B");
    assert_int_equal(k.generation, 2);
    credential_free(&k);
    assert_int_equal(http_peer_requests(box->peer), 2);
    credentials_free(c);
}

/* Instances hand out keys that have run out while their service has trouble; and a clock may be wrong. */
static void keys_that_have_run_out_are_used_all_the_same(void **state) {
    (void)state;
    struct credentials *c = ask_the_peer();
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    script.body = "{\"AccessKeyId\":\"OLD\",\"SecretAccessKey\":\"hush\",\"Token\":\"t\",\"Expiration\":"
                  "\"2001-01-01T00:00:00Z\"}";
    for (int i = 0; i < 3; i++) {
        assert_int_equal(credentials_get_sync(c, &k, &why), 0);
        assert_string_equal(k.access_key, "OLD");
        credential_free(&k);
    }
    assert_int_equal(http_peer_requests(box->peer), 1);
    credentials_free(c);
}

static void *get_sync(void *arg) {
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    int r = credentials_get_sync(arg, &k, &why);
    if (r == 0)
        credential_free(&k);
    return (void *)(intptr_t)r;
}

static void many_who_wait(void **state) {
    (void)state;
    struct credentials *c = ask_the_peer();
    pthread_t thread[8];
    script.body = JSON("A");
    for (size_t i = 0; i < ARRAY_SIZE(thread); i++)
        assert_int_equal(pthread_create(&thread[i], NULL, get_sync, c), 0);
    for (size_t i = 0; i < ARRAY_SIZE(thread); i++) {
        void *r;
        pthread_join(thread[i], &r);
        assert_null(r);
    }
    assert_int_equal(http_peer_requests(box->peer), 1);
    credentials_free(c);
}

static void stopping_ends_a_wait(void **state) {
    (void)state;
    struct credentials *c = ask_the_peer();
    pthread_t thread;
    void *r;
    script.hang = true;
    assert_int_equal(pthread_create(&thread, NULL, get_sync, c), 0);
    http_peer_await(box->peer, 1);
    credentials_stop(c);
    pthread_join(thread, &r);
    assert_int_equal((intptr_t)r, -EIO);
    credentials_free(c);
}

/* The engine and the loop go while somebody is being asked. */
static void freed_while_asking(void **state) {
    (void)state;
    struct credentials *c = ask_the_peer();
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    script.hang = true;
    assert_int_equal(credentials_get(c, false, &k, &why), -EAGAIN);
    http_peer_await(box->peer, 1);
    credentials_free(c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_container),
        TEST(trouble_is_met_with_another_try),
        TEST(three_tries_are_enough),
        TEST(a_container_that_refuses),
        TEST(a_container_that_is_something_else),
        TEST(a_token_with_a_line_break),
        TEST(a_token_of_a_file),
        TEST(an_instance_in_version_two),
        TEST(an_instance_that_refuses),
        TEST(no_instance_at_all),
        TEST(keys_are_asked_for_once),
        TEST(refused_keys_are_asked_for_again),
        TEST(keys_that_have_run_out_are_used_all_the_same),
        TEST(many_who_wait),
        TEST(stopping_ends_a_wait),
        TEST(freed_while_asking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
