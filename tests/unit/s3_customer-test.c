/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The S3 store and keys of the customer's own (SSE-C): which puts and gets have which key, and what comes of a file that is replaced.
 */
#include "base/file.h"
#include "fake_http_engine.h"
#include "log_lines.h"
#include "s3_box.h"
#include "tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>

/* "a customer's key is 32 bytes lon", "and here is another one, as long" */
#define ONE "YSBjdXN0b21lcidzIGtleSBpcyAzMiBieXRlcyBsb24="
#define TWO "YW5kIGhlcmUgaXMgYW5vdGhlciBvbmUsIGFzIGxvbmc="

static struct s3_box box;
static char *file;
static const struct keep customers = {.encryption = KEEP_CUSTOMER};
static const struct fake_answer done = {.status = 200, .headers = {"ETag: \"e\"", "x-amz-request-id: REQ1"}};
static const struct fake_answer hello = {.status = 200, .body = "hello"};

static int setup(void **state) {
    int r = tmpdir_setup(state);
    file = tmpdir_path(*state, "key");
    return r;
}

static int teardown(void **state) {
    s3_box_close(&box);
    free(file);
    return tmpdir_teardown(state);
}

static void put_file(const char *text) {
    assert_int_equal(file_write_atomic(file, text, strlen(text), 0600), 0);
}

static void begin(const char *endpoint, const char *text) {
    if (text)
        put_file(text);
    s3_box_open_with_keys(&box, &(struct s3_config){.endpoint = endpoint, .path_style = true}, text ? file : NULL, NULL, NULL);
}

static void say(const struct fake_answer *a) {
    fake_http_say(box.http, a);
}

static int put(struct call *c, const struct keep *keep) {
    c->put.keep = keep;
    call_put(c, box.store, "files/x", "hello", 5);
    fake_env_run(box.fake);
    assert_int_equal(c->done, 1);
    return c->err;
}

static int get(void) {
    CLEANUP_CALL struct call c = {0};
    call_get(&c, box.store, "files/x", 0, 0);
    fake_env_run(box.fake);
    assert_int_equal(c.done, 1);
    return c.err;
}

/* NULL: none */
static const char *key_of(size_t i) {
    return fake_request_header(fake_http_request(box.http, i), "x-amz-server-side-encryption-customer-key");
}

static struct keep under(const char *base64) {
    const char *text = base64;
    CLEANUP_FREE char *path = xasprintf("%s.other", file);
    struct customer_keys *keys;
    struct keep k = {.encryption = KEEP_CUSTOMER};
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    assert_int_equal(file_write_atomic(path, text, strlen(text), 0600), 0);
    assert_int_equal(customer_keys_new(fake_env(box.fake), path, &keys, &why), 0);
    k.customer_key = xstrdup(customer_keys_find(keys, NULL)->fingerprint);
    customer_keys_free(keys);
    return k;
}

static void a_key_goes_with_its_objects_only(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0}, d = {0};
    begin("https://s3.example.com", ONE "\n");
    assert_int_equal(strlen(store_customer_key(box.store, NULL)), 16);
    say(&done);
    say(&done);
    assert_int_equal(put(&c, &customers), 0);
    assert_int_equal(put(&d, NULL), 0);
    const struct fake_request *r = fake_http_request(box.http, 0);
    assert_string_equal(fake_request_header(r, "x-amz-server-side-encryption-customer-algorithm"), "AES256");
    assert_string_equal(fake_request_header(r, "x-amz-server-side-encryption-customer-key"), ONE);
    assert_string_equal(fake_request_header(r, "x-amz-server-side-encryption-customer-key-MD5"), "GyfU26Unr26aEpLWva0prw==");
    assert_null(fake_request_header(r, "x-amz-server-side-encryption"));
    assert_null(key_of(1));
}

static void without_a_key_there_is_none(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    begin("https://s3.example.com", NULL);
    assert_null(store_customer_key(box.store, NULL));
    assert_int_equal(put(&c, &customers), -EACCES);
    assert_non_null(strstr(c.why, "there is none here: give sse_c_key_file="));
    say(s3_error(400, "InvalidRequest", ""));
    assert_true(get() < 0); /* a 400 is a 400 */
    assert_int_equal(fake_http_count(box.http), 1);
}

static void a_key_that_cannot_be_sent_is_refused(void **state) {
    (void)state;
    CLEANUP_CALL struct call plain = {0}, other = {0};
    static const struct keep others = {.encryption = KEEP_CUSTOMER, .customer_key = (char *)"0123456789abcdef"};
    begin("http://127.0.0.1:9000", ONE);
    assert_int_equal(put(&plain, &customers), -EACCES);
    assert_non_null(strstr(plain.why, "over https only"));
    assert_int_equal(put(&other, &others), -EACCES);
    assert_non_null(strstr(other.why, "is encrypted with the customer key 0123456789abcdef, and this host has "));
    assert_non_null(strstr(other.why, "give the right sse_c_key_file="));
    assert_int_equal(fake_http_count(box.http), 0);
}

static void objects_under_a_key_are_read_with_it(void **state) {
    (void)state;
    begin("https://s3.example.com", ONE);
    say(s3_error(400, "InvalidRequest", ""));
    say(&hello);
    assert_int_equal(get(), 0);
    assert_null(key_of(0));
    assert_string_equal(key_of(1), ONE);
    say(&hello);
    assert_int_equal(get(), 0); /* it was remembered */
    assert_string_equal(key_of(2), ONE);
    say(s3_error(400, "InvalidRequest", ""));
    say(s3_error(400, "InvalidRequest", ""));
    assert_true(get() < 0); /* neither way: no third time */
    assert_int_equal(fake_http_count(box.http), 5);
    assert_null(key_of(4));
}

static void ceph_says_otherwise_that_a_key_is_missing(void **state) {
    (void)state;
    begin("https://s3.example.com", ONE);
    say(s3_error(400, "InvalidArgument", ""));
    say(&hello);
    assert_int_equal(get(), 0);
    assert_string_equal(key_of(1), ONE);
}

static void of_several_keys_the_right_one_is_found_and_remembered(void **state) {
    (void)state;
    begin("https://s3.example.com", TWO "\n" ONE "\n");
    say(s3_error(400, "InvalidRequest", ""));
    say(s3_error(403, "AccessDenied", "")); /* as well, to another key */
    say(&hello);
    assert_int_equal(get(), 0);
    assert_null(key_of(0));
    assert_string_equal(key_of(1), TWO);
    assert_string_equal(key_of(2), ONE);
    say(&hello);
    assert_int_equal(get(), 0);
    assert_string_equal(key_of(3), ONE);
}

static void a_403_without_a_key_is_no_matter_of_keys(void **state) {
    (void)state;
    begin("https://s3.example.com", ONE);
    say(s3_error(403, "AccessDenied", ""));
    assert_true(get() < 0);
    assert_int_equal(fake_http_count(box.http), 1);
}

static void an_area_that_names_a_key_gets_that_one(void **state) {
    (void)state;
    CLEANUP_CALL struct call one = {0}, two = {0}, any = {0};
    begin("https://s3.example.com", TWO "\n" ONE "\n");
    struct keep k1 = under(ONE), k2 = under(TWO);
    for (int i = 0; i < 3; i++)
        say(&done);
    assert_int_equal(put(&one, &k1), 0);
    assert_int_equal(put(&two, &k2), 0);
    assert_int_equal(put(&any, &customers), 0);
    assert_string_equal(key_of(0), ONE);
    assert_string_equal(key_of(1), TWO);
    assert_string_equal(key_of(2), TWO); /* the first */
    assert_string_equal(store_customer_key(box.store, k1.customer_key), k1.customer_key);
    assert_string_equal(store_customer_key(box.store, "0123456789abcdef"), k2.customer_key);
    free(k1.customer_key);
    free(k2.customer_key);
}

static void a_key_that_comes_into_the_file_is_used(void **state) {
    (void)state;
    CLEANUP_CALL struct call early = {0}, late = {0};
    begin("https://s3.example.com", ONE);
    struct keep k2 = under(TWO);
    assert_int_equal(put(&early, &k2), -EACCES);
    say(s3_error(400, "InvalidRequest", ""));
    say(s3_error(400, "InvalidRequest", ""));
    assert_true(get() < 0);
    put_file(TWO "\n" ONE "\n");
    say(&done);
    assert_int_equal(put(&late, &k2), 0);
    assert_string_equal(key_of(2), TWO);
    for (int i = 0; i < 2; i++)
        say(s3_error(400, "InvalidRequest", ""));
    say(&hello);
    assert_int_equal(get(), 0);
    assert_string_equal(key_of(5), TWO);
    free(k2.customer_key);
}

static void a_key_that_leaves_the_file_stays_in_use_and_it_is_said_once(void **state) {
    (void)state;
    CLEANUP_CALL struct call before = {0}, one = {0}, two = {0};
    begin("https://s3.example.com", ONE);
    struct keep k1 = under(ONE);
    for (int i = 0; i < 3; i++)
        say(&done);
    assert_int_equal(put(&before, &k1), 0);
    put_file(TWO);
    log_lines_begin();
    assert_int_equal(put(&one, &k1), 0);
    assert_int_equal(put(&two, &k1), 0);
    CLEANUP_FREE char *said = log_lines_end();
    assert_string_equal(key_of(2), ONE);
    const char *at = strstr(said, "does not have the customer key ");
    assert_non_null(at);
    assert_null(strstr(at + 1, "does not have the customer key "));
    assert_null(strstr(said, ONE));
    assert_null(strstr(said, TWO));
    free(k1.customer_key);
}

static void a_file_that_cannot_be_used_changes_nothing(void **state) {
    (void)state;
    CLEANUP_CALL struct call half = {0}, gone = {0}, exposed = {0};
    begin("https://s3.example.com", ONE);
    struct keep k1 = under(ONE);
    for (int i = 0; i < 3; i++)
        say(&done);
    log_lines_begin();
    put_file("YSBjdXN0b21lcid");
    assert_int_equal(put(&half, &k1), 0);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(put(&gone, &k1), 0);
    assert_int_equal(file_write_atomic(file, TWO, strlen(TWO), 0644), 0);
    assert_int_equal(chmod(file, 0644), 0); /* whatever the umask */
    assert_int_equal(put(&exposed, &k1), 0);
    CLEANUP_FREE char *said = log_lines_end();
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(key_of(i), ONE);
    assert_non_null(strstr(said, "does not hold a customer key"));
    assert_non_null(strstr(said, "No such file or directory; what was read before stays in use"));
    assert_non_null(strstr(said, "can be read by everybody"));
    assert_null(strstr(said, "YSBj"));
    free(k1.customer_key);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(a_key_goes_with_its_objects_only),
        T(without_a_key_there_is_none),
        T(a_key_that_cannot_be_sent_is_refused),
        T(objects_under_a_key_are_read_with_it),
        T(ceph_says_otherwise_that_a_key_is_missing),
        T(of_several_keys_the_right_one_is_found_and_remembered),
        T(a_403_without_a_key_is_no_matter_of_keys),
        T(an_area_that_names_a_key_gets_that_one),
        T(a_key_that_comes_into_the_file_is_used),
        T(a_key_that_leaves_the_file_stays_in_use_and_it_is_said_once),
        T(a_file_that_cannot_be_used_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
