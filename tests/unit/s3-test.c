/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The S3 store's small puts and its gets: what is sent, and what comes of every answer.
 */
#include "base/digest.h"
#include "fake_http_engine.h"
#include "s3_box.h"
#include "tmpdir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>

static struct s3_box box;

static int setup(void **state) {
    s3_box_open(&box, &(struct s3_config){0}, NULL, NULL);
    return tmpdir_setup(state);
}

static int teardown(void **state) {
    s3_box_close(&box);
    return tmpdir_teardown(state);
}

static const struct fake_answer done = {.status = 200, .headers = {"ETag: \"e\"", "x-amz-request-id: REQ1"}};

static void say(const struct fake_answer *a) {
    fake_http_say(box.http, a);
}

/* The only put of a test; its error. */
static int put(struct call *c) {
    call_put(c, box.store, "files/x", "hello", 5);
    fake_env_run(box.fake);
    assert_int_equal(c->done, 1);
    return c->err;
}

static int get(struct call *c, uint64_t off, uint64_t len) {
    call_get(c, box.store, "files/x", off, len);
    fake_env_run(box.fake);
    assert_int_equal(c->done, 1);
    return c->err;
}

static const char *sent(size_t i, const char *name) {
    const struct fake_request *r = fake_http_request(box.http, i);
    return r ? fake_request_header(r, name) : NULL;
}

static void assert_says(const struct call *c, const char *part) {
    if (!c->why || !strstr(c->why, part))
        fail_msg("\"%s\" is not in: %s", part, c->why ? c->why : "(nothing)");
}

/* ---- what is sent */

static void a_put_is_conditional_and_signed(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    say(&done);
    assert_int_equal(put(&c), 0);
    const struct fake_request *r = fake_http_request(box.http, 0);
    assert_string_equal(r->method, "PUT");
    assert_string_equal(r->url, "http://127.0.0.1:9000/assets/files/x");
    assert_int_equal(r->body.len, 5);
    assert_memory_equal(r->body.data, "hello", 5);
    assert_string_equal(sent(0, "If-None-Match"), "*");
    assert_string_equal(sent(0, "Content-Type"), "application/octet-stream");
    assert_string_equal(sent(0, "x-amz-content-sha256"),
                        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    assert_string_equal(sent(0, "x-amz-checksum-sha256"), "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
    assert_non_null(
        strstr(sent(0, "Authorization"), "Credential=AKIDEXAMPLE/20231114/us-east-1/s3/aws4_request"));
    assert_null(sent(0, "x-amz-security-token"));
    assert_int_equal(fake_http_count(box.http), 1);
}

static void journal_entries_go_first_and_files_do_not(void **state) {
    CLEANUP_CALL struct call mem = {0}, file = {0};
    CLEANUP_FREE char *path = tmpdir_path(*state, "f");
    CLEANUP_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    uint8_t sha[DIGEST_SIZE];
    assert_int_equal(write(fd, "bytes", 5), 5);
    digest_of("bytes", 5, sha);
    say(&done);
    say(&done);
    assert_int_equal(put(&mem), 0);
    call_put_fd(&file, box.store, "files/y", fd, 5, sha);
    fake_env_run(box.fake);
    assert_int_equal(file.err, 0);
    assert_true(fake_http_request(box.http, 0)->flags & HTTP_URGENT);
    assert_false(fake_http_request(box.http, 1)->flags & HTTP_URGENT);
    assert_memory_equal(fake_http_request(box.http, 1)->body.data, "bytes", 5);
}

static void headers_are_kept_with_the_object(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    static struct keep_pair meta[] = {{(char *)"a-b", (char *)"1"}}, tags[] = {{(char *)"a b", (char *)"c&=d"}, {(char *)"e", (char *)""}};
    static const struct keep keep = {.cache_control = (char *)"public, max-age=31536000, immutable",
                                     .content_disposition = (char *)"attachment",
                                     .storage_class = (char *)"STANDARD_IA",
                                     .metadata = meta,
                                     .n_metadata = 1,
                                     .tags = tags,
                                     .n_tags = 2,
                                     .encryption = KEEP_SSE_KMS,
                                     .kms_key = (char *)"alias/x",
                                     .bucket_key = true};
    c.put = (struct store_put){.content_type = "image/jpeg", .keep = &keep};
    say(&done);
    assert_int_equal(put(&c), 0);
    assert_string_equal(sent(0, "Content-Type"), "image/jpeg");
    assert_string_equal(sent(0, "Cache-Control"), "public, max-age=31536000, immutable");
    assert_string_equal(sent(0, "Content-Disposition"), "attachment");
    assert_string_equal(sent(0, "x-amz-storage-class"), "STANDARD_IA");
    assert_string_equal(sent(0, "x-amz-meta-a-b"), "1");
    assert_string_equal(sent(0, "x-amz-tagging"), "a%20b=c%26%3Dd&e=");
    assert_string_equal(sent(0, "x-amz-server-side-encryption"), "aws:kms");
    assert_string_equal(sent(0, "x-amz-server-side-encryption-aws-kms-key-id"), "alias/x");
    assert_string_equal(sent(0, "x-amz-server-side-encryption-bucket-key-enabled"), "true");
    assert_non_null(strstr(sent(0, "Authorization"), "cache-control;content-disposition;content-type;"));
    assert_non_null(strstr(sent(0, "Authorization"), ";x-amz-tagging,"));
}

static void the_bucket_may_encrypt_as_it_does_by_itself(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0}, d = {0};
    static const struct keep bucket = {.encryption = KEEP_BUCKET}, s3 = {.encryption = KEEP_SSE_S3};
    c.put.keep = &bucket;
    d.put.keep = &s3;
    say(&done);
    say(&done);
    assert_int_equal(put(&c), 0);
    assert_int_equal(put(&d), 0);
    assert_null(sent(0, "x-amz-server-side-encryption"));
    assert_string_equal(sent(1, "x-amz-server-side-encryption"), "AES256");
    assert_null(sent(1, "x-amz-server-side-encryption-bucket-key-enabled"));
}

static void a_header_that_would_be_two_is_refused(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    static const struct keep keep = {.cache_control = (char *)"no-cache\r\nx-amz-acl: public-read"};
    c.put = (struct store_put){.keep = &keep};
    assert_int_equal(put(&c), -EINVAL);
    assert_int_equal(fake_http_count(box.http), 0);
}

static void the_prefix_stands_before_every_key(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0}, g = {0};
    s3_box_close(&box);
    s3_box_open(&box, &(struct s3_config){.region = "eu-central-1", .prefix = "some/place/"}, NULL, NULL);
    say(&done);
    say(&(struct fake_answer){.status = 200, .body = "hello"});
    assert_int_equal(put(&c), 0);
    assert_int_equal(get(&g, 0, 0), 0);
    assert_string_equal(fake_http_request(box.http, 0)->url,
                        "https://assets.s3.eu-central-1.amazonaws.com/some/place/files/x");
    assert_string_equal(fake_http_request(box.http, 1)->url,
                        "https://assets.s3.eu-central-1.amazonaws.com/some/place/files/x");
    CLEANUP_FREE char *url = store_url(box.store, "files/a b");
    assert_string_equal(url, "https://assets.s3.eu-central-1.amazonaws.com/some/place/files/a%20b");
    assert_string_equal(box.store->address, "s3://assets/some/place");
}

static void keys_that_s3_cannot_have_are_refused(void **state) {
    (void)state;
    CLEANUP_FREE char *longest = xcalloc(1, 1025), *longer = xcalloc(1, 1026);
    const char *const bad[] = {"", "/x", longer};
    memset(longest, 'k', 1024);
    memset(longer, 'k', 1025);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        CLEANUP_CALL struct call p = {0}, g = {0};
        call_put(&p, box.store, bad[i], "x", 1);
        call_get(&g, box.store, bad[i], 0, 0);
        assert_int_equal(p.done + g.done, 0); /* never inside the call */
        fake_env_run(box.fake);
        assert_int_equal(p.err, -EINVAL);
        assert_int_equal(g.err, -EINVAL);
    }
    CLEANUP_CALL struct call c = {0};
    say(&done);
    call_put(&c, box.store, longest, "x", 1);
    fake_env_run(box.fake);
    assert_int_equal(c.err, 0);
}

static void without_credentials_nothing_is_sent(void **state) {
    CLEANUP_CALL struct call c = {0};
    CLEANUP_FREE char *none = tmpdir_path(*state, "none");
    s3_box_close(&box);
    setenv("AWS_SHARED_CREDENTIALS_FILE", none, 1);
    setenv("AWS_CONFIG_FILE", none, 1);
    s3_box_open(&box, &(struct s3_config){0}, NULL, NULL);
    unsetenv("AWS_SHARED_CREDENTIALS_FILE");
    unsetenv("AWS_CONFIG_FILE");
    assert_int_equal(put(&c), -EACCES);
    assert_non_null(c.why);
    assert_int_equal(fake_http_count(box.http), 0);
}

/* ---- what answers mean for a put */

static void something_there_is_eexist(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    say(s3_error(412, "PreconditionFailed", "<Condition>If-None-Match</Condition>"));
    assert_int_equal(put(&c), -EEXIST);
    assert_int_equal(fake_http_count(box.http), 1);
}

static void trouble_is_eio_with_the_request_ids(void **state) {
    (void)state;
    const struct {
        int status;
        const char *code;
    } troubles[] = {{500, "InternalError"},
                    {503, "SlowDown"},
                    {409, "ConditionalRequestConflict"},
                    {400, "RequestTimeout"},
                    {400, "XAmzContentSHA256Mismatch"},
                    {429, "TooManyRequests"}};
    for (size_t i = 0; i < ARRAY_SIZE(troubles); i++) {
        CLEANUP_CALL struct call c = {0};
        say(s3_error(troubles[i].status, troubles[i].code, ""));
        assert_int_equal(put(&c), -EIO);
        assert_says(&c, troubles[i].code);
        assert_says(&c, "x-amz-request-id REQ123");
        assert_says(&c, "x-amz-id-2 HOST456");
        assert_int_equal(fake_http_count(box.http), i + 1);
    }
}

static void a_refusal_is_eacces_and_explained(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    say(s3_error(403, "AccessDenied", ""));
    assert_int_equal(put(&c), -EACCES);
    assert_says(&c, "s3:PutObject");
    assert_says(&c, "files/x");
    assert_says(&c, "REQ123");
}

static void no_answer_may_have_happened(void **state) {
    (void)state;
    const int errs[] = {-ECONNREFUSED, -ECONNRESET, -EHOSTUNREACH, -EPROTO, -EMSGSIZE};
    for (size_t i = 0; i < ARRAY_SIZE(errs); i++) {
        CLEANUP_CALL struct call c = {0};
        say(&(struct fake_answer){.err = errs[i], .why = "the line is cut"});
        assert_int_equal(put(&c), -EIO);
        assert_says(&c, "the line is cut");
    }
    CLEANUP_CALL struct call c = {0};
    say(&(struct fake_answer){.err = -ETIMEDOUT});
    assert_int_equal(put(&c), -ETIMEDOUT);
}

static void a_login_page_is_not_a_put(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0}, d = {0};
    say(&(struct fake_answer){.status = 200, .body = "<html>Please log in</html>"});
    assert_int_equal(put(&c), -EIO);
    assert_says(&c, "not S3");
    say(&(struct fake_answer){
        .status = 302, .headers = {"Location: http://portal.hotel.example/"}, .body = "<html></html>"});
    assert_int_equal(put(&d), -EIO);
    assert_int_equal(fake_http_count(box.http), 2);
}

/* ---- once more, at once */

static void another_region_is_followed_and_remembered(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0}, d = {0};
    s3_box_close(&box);
    s3_box_open(&box, &(struct s3_config){.region = "us-east-1"}, NULL, NULL);
    struct fake_answer moved =
        *s3_error(301, "PermanentRedirect", "<Endpoint>assets.s3.eu-west-3.amazonaws.com</Endpoint>");
    moved.headers[3] = "x-amz-bucket-region: eu-west-3";
    say(&moved);
    say(&done);
    say(&done);
    assert_int_equal(put(&c), 0);
    assert_string_equal(fake_http_request(box.http, 1)->url,
                        "https://assets.s3.eu-west-3.amazonaws.com/files/x");
    assert_non_null(strstr(sent(1, "Authorization"), "/eu-west-3/s3/"));
    assert_memory_equal(fake_http_request(box.http, 1)->body.data, "hello", 5);
    assert_int_equal(put(&d), 0);
    assert_string_equal(fake_http_request(box.http, 2)->url,
                        "https://assets.s3.eu-west-3.amazonaws.com/files/x");
    CLEANUP_FREE char *url = store_url(box.store, "x");
    assert_string_equal(url, "https://assets.s3.eu-west-3.amazonaws.com/x");
}

static void a_temporary_redirect_is_followed(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    s3_box_close(&box);
    s3_box_open(&box, &(struct s3_config){.region = "us-east-1"}, NULL, NULL);
    struct fake_answer moved =
        *s3_error(307, "TemporaryRedirect", "<Endpoint>assets.s3-us-west-2.amazonaws.com</Endpoint>");
    moved.headers[3] = "Location: https://assets.s3-us-west-2.amazonaws.com/files/x";
    say(&moved);
    say(s3_error(400, "AuthorizationHeaderMalformed", "<Region>us-west-2</Region>"));
    say(&done);
    assert_int_equal(put(&c), 0);
    assert_string_equal(fake_http_request(box.http, 1)->url,
                        "https://assets.s3-us-west-2.amazonaws.com/files/x");
    assert_non_null(strstr(sent(2, "Authorization"), "/us-west-2/s3/"));
}

static void puts_under_way_follow_the_first_that_was_sent_elsewhere(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0}, d = {0};
    s3_box_close(&box);
    s3_box_open(&box, &(struct s3_config){.region = "us-east-1"}, NULL, NULL);
    struct fake_answer moved = *s3_error(301, "PermanentRedirect", "");
    moved.headers[3] = "x-amz-bucket-region: eu-west-3";
    say(&moved);
    say(&moved);
    say(&done);
    say(&done);
    call_put(&c, box.store, "a", "x", 1);
    call_put(&d, box.store, "b", "x", 1);
    fake_env_run(box.fake);
    assert_int_equal(c.err, 0);
    assert_int_equal(d.err, 0);
}

static void a_circle_of_redirects_ends(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    s3_box_close(&box);
    s3_box_open(&box, &(struct s3_config){.region = "us-east-1"}, NULL, NULL);
    for (int i = 0; i < 10; i++) {
        struct fake_answer moved = *s3_error(301, "PermanentRedirect", "");
        moved.headers[3] = i % 2 ? "x-amz-bucket-region: us-east-1" : "x-amz-bucket-region: eu-west-3";
        say(&moved);
    }
    assert_int_equal(put(&c), -EACCES);
    assert_says(&c, "region=");
    assert_int_equal(fake_http_count(box.http), 4);
}

static void a_strange_host_is_not_followed(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    s3_box_close(&box);
    s3_box_open(&box, &(struct s3_config){.region = "us-east-1"}, NULL, NULL);
    struct fake_answer moved = *s3_error(307, "TemporaryRedirect", "");
    moved.headers[3] = "Location: https://evil.example/files/x";
    say(&moved);
    assert_int_equal(put(&c), -EIO);
    assert_int_equal(fake_http_count(box.http), 1);
}

/* The environment's clock says 22:13:20; the server is an hour ahead. */
static void a_skewed_clock_is_learnt(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0}, d = {0};
    struct fake_answer skewed =
        *s3_error(403, "RequestTimeTooSkewed", "<ServerTime>2023-11-14T23:13:20Z</ServerTime>");
    skewed.headers[3] = "Date: Tue, 14 Nov 2023 23:13:20 GMT";
    say(&skewed);
    say(&done);
    say(&done);
    assert_int_equal(put(&c), 0);
    assert_string_equal(sent(0, "x-amz-date"), "20231114T221320Z");
    assert_string_equal(sent(1, "x-amz-date"), "20231114T231320Z");
    assert_int_equal(put(&d), 0);
    assert_string_equal(sent(2, "x-amz-date"), "20231114T231320Z");
}

static void all_that_is_under_way_learns_of_the_skew(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0}, d = {0};
    struct fake_answer skewed = *s3_error(403, "RequestTimeTooSkewed", "");
    skewed.headers[3] = "Date: Tue, 14 Nov 2023 23:13:20 GMT";
    say(&skewed);
    say(&skewed);
    say(&done);
    say(&done);
    call_put(&c, box.store, "a", "x", 1);
    call_put(&d, box.store, "b", "x", 1);
    fake_env_run(box.fake);
    assert_int_equal(c.err, 0);
    assert_int_equal(d.err, 0);
}

static void the_skew_is_learnt_from_good_answers_too(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0}, d = {0};
    struct fake_answer dated = done;
    dated.headers[2] = "Date: Tue, 14 Nov 2023 22:23:20 GMT"; /* ten minutes ahead: still accepted */
    say(&dated);
    say(&done);
    assert_int_equal(put(&c), 0);
    assert_int_equal(put(&d), 0);
    assert_string_equal(sent(1, "x-amz-date"), "20231114T222320Z");
}

static void a_clock_that_nothing_helps_is_explained(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    struct fake_answer skewed = *s3_error(403, "RequestTimeTooSkewed", "");
    skewed.headers[3] = "Date: Tue, 14 Nov 2023 23:13:20 GMT";
    say(&skewed);
    say(&skewed);
    assert_int_equal(put(&c), -EACCES);
    assert_says(&c, "clock");
    assert_int_equal(fake_http_count(box.http), 2);
}

static void write_keys(const char *path, const char *id) {
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fprintf(f, "[default]\naws_access_key_id = %s\naws_secret_access_key = secret-of-%s\n", id, id);
    fclose(f);
    chmod(path, 0600);
}

static void open_with_file(const char *path) {
    s3_box_close(&box);
    setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    s3_box_open(&box, &(struct s3_config){0}, NULL, NULL);
    unsetenv("AWS_SHARED_CREDENTIALS_FILE");
}

static void replaced_credentials_are_taken_at_once(void **state) {
    const char *const codes[] = {"ExpiredToken", "InvalidAccessKeyId", "InvalidToken",
                                 "SignatureDoesNotMatch", "AccessDenied"};
    CLEANUP_FREE char *path = tmpdir_path(*state, "credentials");
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
        CLEANUP_CALL struct call before = {0}, c = {0};
        write_keys(path, "AKIDOLD");
        open_with_file(path);
        say(&done);
        assert_int_equal(put(&before), 0);
        say(s3_error(403, codes[i], ""));
        say(&done);
        call_put(&c, box.store, "files/x", "hello", 5);
        fake_env_run_one(box.fake); /* it is sent with the old ones */
        write_keys(path, "AKIDNEWER");
        fake_env_run(box.fake);
        assert_int_equal(c.err, 0);
        assert_non_null(strstr(sent(1, "Authorization"), "Credential=AKIDOLD/"));
        assert_non_null(strstr(sent(2, "Authorization"), "Credential=AKIDNEWER/"));
    }
}

/* The keys are being looked for when the volume is unmounted. */
static void a_put_that_waits_for_keys_is_given_up(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    s3_box_close(&box);
    s3_box_open(&box, &(struct s3_config){0}, NULL, NULL);
    call_put(&c, box.store, "files/x", "hello", 5);
    fake_env_run_one(box.fake);
    assert_int_equal(fake_http_count(box.http), 0);
    store_stop(box.store);
    fake_env_run(box.fake);
    assert_int_equal(c.done, 1);
    assert_int_equal(c.err, -EIO);
    assert_int_equal(fake_http_count(box.http), 0);
}

static void the_same_credentials_are_not_tried_again(void **state) {
    CLEANUP_CALL struct call c = {0};
    CLEANUP_FREE char *path = tmpdir_path(*state, "credentials");
    write_keys(path, "AKIDOLD");
    open_with_file(path);
    say(s3_error(400, "ExpiredToken", ""));
    assert_int_equal(put(&c), -EACCES);
    assert_says(&c, "expired");
    assert_int_equal(fake_http_count(box.http), 1);
}

/* ---- get */

static void a_range_is_asked_for_and_given(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    say(&(struct fake_answer){.status = 206, .body = "ell", .ranged = true, .total = 5});
    assert_int_equal(get(&c, 1, 3), 0);
    assert_string_equal((char *)c.data, "ell");
    assert_int_equal(c.total, 5);
    const struct fake_request *r = fake_http_request(box.http, 0);
    assert_string_equal(r->method, "GET");
    assert_int_equal(r->range_off, 1);
    assert_int_equal(r->range_len, 3);
    assert_string_equal(sent(0, "x-amz-content-sha256"),
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_int_equal(counter_get(&box.counters, COUNTER_BYTES_FETCHED), 3);
}

static void a_range_is_cut_at_the_end(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    say(&(struct fake_answer){.status = 206, .body = "lo", .ranged = true, .total = 5});
    assert_int_equal(get(&c, 3, 100), 0);
    assert_string_equal((char *)c.data, "lo");
}

static void a_whole_object_has_no_range(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    say(&(struct fake_answer){.status = 200, .body = "hello"});
    assert_int_equal(get(&c, 0, 0), 0);
    assert_int_equal(c.total, 5);
    assert_int_equal(fake_http_request(box.http, 0)->range_len, 0);
    assert_int_equal(fake_http_request(box.http, 0)->max_response, STORE_WHOLE_MAX);
}

static void an_empty_object_is_read_whole(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    say(&(struct fake_answer){.status = 200});
    assert_int_equal(get(&c, 0, 0), 0);
    assert_int_equal(c.len, 0);
    assert_int_equal(c.total, 0);
}

static void a_range_beyond_the_end_is_erange(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0}, d = {0};
    say(s3_error(416, "InvalidRange", ""));
    assert_int_equal(get(&c, 10, 3), -ERANGE);
    say(&(struct fake_answer){.status = 200,
                              .total = 5}); /* the whole object, of which nothing is in the range */
    assert_int_equal(get(&d, 5, 3), -ERANGE);
}

static void answers_that_are_not_what_was_asked_for_are_eio(void **state) {
    (void)state;
    const struct fake_answer odd[] = {
        {.status = 206, .body = "ell", .total = 5},                /* another range */
        {.status = 206, .body = "el", .ranged = true, .total = 5}, /* too short */
        {.status = 206, .body = "ell", .ranged = true, .total = UINT64_MAX},
        {.status = 204},
        {.status = 304},
        {.status = 206, .body = "ello", .ranged = true, .total = 5},
    };
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
        CLEANUP_CALL struct call c = {0};
        say(&odd[i]);
        assert_int_equal(get(&c, 1, 3), -EIO);
        assert_non_null(c.why);
        assert_null(c.data);
    }
}

static void a_large_object_is_not_read_whole(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    say(&(struct fake_answer){.err = -EMSGSIZE});
    assert_int_equal(get(&c, 0, 0), -EINVAL);
}

static void missing_keys_are_enoent_in_both_ways_to_say_it(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0}, d = {0};
    say(s3_error(404, "NoSuchKey", ""));
    assert_int_equal(get(&c, 0, 0), -ENOENT);
    say(s3_error(403, "AccessDenied", ""));
    assert_int_equal(get(&d, 0, 0), -ENOENT);
    assert_int_equal(fake_http_count(box.http), 2);
}

static void refused_credentials_are_not_an_absence(void **state) {
    (void)state;
    const char *const codes[] = {"SignatureDoesNotMatch", "InvalidAccessKeyId", "ExpiredToken",
                                 "AllAccessDisabled"};
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
        CLEANUP_CALL struct call c = {0};
        say(s3_error(403, codes[i], ""));
        assert_int_equal(get(&c, 0, 0), -EACCES);
    }
}

/* ---- the end */

static void stopping_ends_what_is_under_way(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0}, g = {0}, later = {0};
    call_put(&c, box.store, "files/x", "hello", 5);
    call_get(&g, box.store, "files/x", 0, 0);
    fake_env_run(box.fake);
    assert_int_equal(c.done + g.done, 0);
    store_stop(box.store);
    fake_env_run(box.fake);
    assert_int_equal(c.err, -EIO);
    assert_int_equal(g.err, -EIO);
    assert_int_equal(put(&later), -EIO);
    assert_int_equal(fake_http_count(box.http), 2);
}

static void operations_are_counted(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0}, d = {0};
    say(&done);
    say(s3_error(412, "PreconditionFailed", ""));
    put(&c);
    put(&d);
    assert_int_equal(counter_get(&box.counters, COUNTER_STORE_PUTS), 2);
    assert_int_equal(counter_get(&box.counters, COUNTER_BYTES_UPLOADED), 5);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(a_put_is_conditional_and_signed),
        T(journal_entries_go_first_and_files_do_not),
        T(headers_are_kept_with_the_object),
        T(the_bucket_may_encrypt_as_it_does_by_itself),
        T(a_header_that_would_be_two_is_refused),
        T(the_prefix_stands_before_every_key),
        T(keys_that_s3_cannot_have_are_refused),
        T(without_credentials_nothing_is_sent),
        T(something_there_is_eexist),
        T(trouble_is_eio_with_the_request_ids),
        T(a_refusal_is_eacces_and_explained),
        T(no_answer_may_have_happened),
        T(a_login_page_is_not_a_put),
        T(another_region_is_followed_and_remembered),
        T(a_temporary_redirect_is_followed),
        T(puts_under_way_follow_the_first_that_was_sent_elsewhere),
        T(a_circle_of_redirects_ends),
        T(a_strange_host_is_not_followed),
        T(a_skewed_clock_is_learnt),
        T(all_that_is_under_way_learns_of_the_skew),
        T(the_skew_is_learnt_from_good_answers_too),
        T(a_clock_that_nothing_helps_is_explained),
        T(replaced_credentials_are_taken_at_once),
        T(a_put_that_waits_for_keys_is_given_up),
        T(the_same_credentials_are_not_tried_again),
        T(a_range_is_asked_for_and_given),
        T(a_range_is_cut_at_the_end),
        T(a_whole_object_has_no_range),
        T(an_empty_object_is_read_whole),
        T(a_range_beyond_the_end_is_erange),
        T(answers_that_are_not_what_was_asked_for_are_eio),
        T(a_large_object_is_not_read_whole),
        T(missing_keys_are_enoent_in_both_ways_to_say_it),
        T(refused_credentials_are_not_an_absence),
        T(stopping_ends_what_is_under_way),
        T(operations_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
