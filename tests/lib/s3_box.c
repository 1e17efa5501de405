/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "s3_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

void s3_box_open(struct s3_box *b, const struct s3_config *c, fake_http_handler handler, void *arg) {
    s3_box_open_with_keys(b, c, NULL, handler, arg);
}

void s3_box_open_with_keys(struct s3_box *b, const struct s3_config *c, const char *key_file, fake_http_handler handler, void *arg) {
    struct s3_config config = *c;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    *b = (struct s3_box){.fake = fake_env_new()};
    if (!getenv("AWS_SHARED_CREDENTIALS_FILE")) {
        setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
        setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    }
    b->http = fake_http_new(fake_env(b->fake), handler, arg);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    b->credentials = credentials_new(fake_env(b->fake), &(struct credentials_config){.http = b->http});
    config.http = b->http;
    config.credentials = b->credentials;
    if (key_file)
        assert_int_equal(customer_keys_new(fake_env(b->fake), key_file, &b->customer_keys, &why), 0);
    config.customer_keys = b->customer_keys;
    config.bucket = c->bucket ? c->bucket : "assets";
    config.prefix = c->prefix ? c->prefix : "";
    config.endpoint = c->endpoint ? c->endpoint : c->region ? NULL : "http://127.0.0.1:9000";
    config.timeout_ns = c->timeout_ns ? c->timeout_ns : 60 * NS_PER_S;
    assert_int_equal(store_s3_open(fake_env(b->fake), &b->counters, &config, &b->store, &why), 0);
}

void s3_box_close(struct s3_box *b) {
    store_free(b->store);
    customer_keys_free(b->customer_keys);
    credentials_free(b->credentials);
    fake_env_run(b->fake);
    fake_http_free(b->http);
    fake_env_free(b->fake);
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    *b = (struct s3_box){0};
}

#define KEPT 16

const struct fake_answer *s3_error(int status, const char *code, const char *more) {
    static struct fake_answer answers[KEPT];
    static char bodies[KEPT][1024];
    static unsigned next;
    unsigned i = next++ % KEPT;
    snprintf(bodies[i], sizeof bodies[i],
             "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>said "
             "so</Message>%s<RequestId>R</RequestId></Error>",
             code, more);
    answers[i] = (struct fake_answer){
        .status = status,
        .headers = {"Content-Type: application/xml", "x-amz-request-id: REQ123", "x-amz-id-2: HOST456"},
        .body = bodies[i]};
    return &answers[i];
}
