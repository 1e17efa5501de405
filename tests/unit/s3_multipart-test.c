/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Multipart uploads, against a small S3 of the test's own: it keeps the parts, and fails where it is told to.
 */
#include "base/digest.h"
#include "base/file.h"
#include "net/url.h"
#include "fake_http_engine.h"
#include "s3_box.h"
#include "store/s3_parts.h"
#include "tmpdir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define PART 100
#define RESULT                                                                                               \
    "<CompleteMultipartUploadResult "                                                                        \
    "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><ETag>\"x-2\"</ETag></CompleteMultipartUploadResult>"

static struct s3_box box;

/* What the small S3 does, and what it has seen. */
static struct {
    const struct fake_answer *create, *complete[8],
        *parts[8];                  /* instead of what it would say, in turn; NULL: as it should */
    unsigned fail_part, fail_times; /* this part answers 500 so often, or that */
    const char *fail_code;
    bool hold_parts;
    unsigned creates, completes, n_parts, at_once, most_at_once;
    char etag[64], body[2048];
    struct buf parts_seen[64];
} s3;

static unsigned number_in(const char *url) {
    const char *p = strstr(url, "partNumber=");
    return p ? (unsigned)strtoul(p + 11, NULL, 10) : 0;
}

static void answer_part(const struct fake_request *r, struct fake_answer *ret) {
    static char etags[64][32];
    unsigned n = number_in(r->url); /* 0: a plain put */
    assert_true(n < 64);
    s3.n_parts++;
    if (n == s3.fail_part && s3.fail_times) {
        s3.fail_times--;
        *ret = s3.fail_code ? *s3_error(400, s3.fail_code, "") : *s3_error(500, "InternalError", "");
        return;
    }
    buf_free(&s3.parts_seen[n]);
    s3.parts_seen[n] = BUF_INIT(1 << 20);
    buf_append(&s3.parts_seen[n], r->body.data, r->body.len);
    snprintf(etags[n], sizeof etags[n], "ETag: \"<%u>\"", n);
    *ret = (struct fake_answer){.status = 200, .headers = {etags[n]}, .hold = s3.hold_parts};
}

static void answer(void *arg, const struct fake_request *r, struct fake_answer *ret) {
    (void)arg;
    if (strstr(r->url, "?uploads=")) {
        *ret = s3.create ? *s3.create
                         : (struct fake_answer){.status = 200,
                                                .body = "<InitiateMultipartUploadResult><UploadId>up/load+1</"
                                                        "UploadId></InitiateMultipartUploadResult>"};
        s3.creates++;
    } else if (!strcmp(r->method, "PUT")) {
        answer_part(r, ret);
    } else {
        const struct fake_answer *say =
            s3.completes < ARRAY_SIZE(s3.complete) ? s3.complete[s3.completes] : NULL;
        *ret = say ? *say
                   : (struct fake_answer){.status = 200,
                                          .body = "  \n<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" RESULT};
        s3.completes++;
    }
}

static int setup(void **state) {
    memset(&s3, 0, sizeof s3);
    s3_box_open(&box, &(struct s3_config){.multipart_from = 2 * PART, .part_size = PART}, answer, NULL);
    return tmpdir_setup(state);
}

static int teardown(void **state) {
    for (size_t i = 0; i < ARRAY_SIZE(s3.parts_seen); i++)
        buf_free(&s3.parts_seen[i]);
    s3_box_close(&box);
    return tmpdir_teardown(state);
}

static char content[5000];

static void fill(void) {
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (char)(i * 7 + i / 251);
}

/* Runs until it is answered, whatever has to be waited for. */
static int upload(struct call *c, size_t n) {
    fill();
    call_put(c, box.store, "files/x", content, n);
    for (int i = 0; i < 4000 && !c->done; i++)
        fake_env_advance(box.fake, NS_PER_S);
    assert_int_equal(c->done, 1);
    return c->err;
}

static const struct fake_request *last(void) {
    return fake_http_request(box.http, fake_http_count(box.http) - 1);
}

static void assert_says(const struct call *c, const char *part) {
    if (!c->why || !strstr(c->why, part))
        fail_msg("\"%s\" is not in: %s", part, c->why ? c->why : "(nothing)");
}

/* ---- sizes */

static void parts_are_large_enough_for_the_largest_object(void **state) {
    (void)state;
    const uint64_t mib = (uint64_t)1 << 20, largest = S3_PARTS_MAX * S3_PART_SIZE_MAX;
    assert_int_equal(s3_part_size(32 * mib, S3_PART_MIN), 16 * mib);
    assert_int_equal(s3_part_size(S3_PARTS_MAX * 16 * mib, S3_PART_MIN), 16 * mib);
    assert_int_equal(s3_part_size(S3_PARTS_MAX * 16 * mib + 1, S3_PART_MIN), 17 * mib);
    assert_int_equal(s3_part_size(largest, S3_PART_MIN), S3_PART_SIZE_MAX);
    assert_int_equal(s3_part_size(largest - 1, S3_PART_MIN), S3_PART_SIZE_MAX);
    assert_int_equal(s3_part_size(largest + 1, S3_PART_MIN), 0);
    assert_int_equal(s3_part_size(UINT64_MAX, S3_PART_MIN), 0);
    for (uint64_t size = 32 * mib; size < largest; size += size / 7) {
        uint64_t part = s3_part_size(size, S3_PART_MIN);
        assert_true(part >= S3_PART_MIN && part <= S3_PART_SIZE_MAX && part % mib == 0);
        assert_true((size + part - 1) / part <= S3_PARTS_MAX);
    }
}

static void an_object_too_large_for_s3_is_einval(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    uint8_t sha[DIGEST_SIZE] = {0};
    call_put_fd(&c, box.store, "files/x", -1, S3_PARTS_MAX * S3_PART_SIZE_MAX + 1, sha);
    fake_env_run(box.fake);
    assert_int_equal(c.err, -EINVAL);
    assert_int_equal(fake_http_count(box.http), 0);
}

/* ---- how it goes */

static void a_small_object_is_one_put(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    assert_int_equal(upload(&c, 2 * PART - 1), 0);
    assert_int_equal(s3.creates, 0);
    assert_int_equal(s3.parts_seen[0].len, 2 * PART - 1);
}

static void every_part_arrives_once(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    assert_int_equal(upload(&c, 3 * PART + 50), 0);
    assert_int_equal(s3.n_parts, 4);
    for (unsigned n = 1; n <= 4; n++) {
        assert_int_equal(s3.parts_seen[n].len, n < 4 ? PART : 50);
        assert_memory_equal(s3.parts_seen[n].data, content + (n - 1) * PART, s3.parts_seen[n].len);
    }
    assert_int_equal(counter_get(&box.counters, COUNTER_BYTES_UPLOADED), 3 * PART + 50);
}

static void the_file_is_read_by_offset(void **state) {
    CLEANUP_CALL struct call c = {0};
    CLEANUP_FREE char *path = tmpdir_path(*state, "f");
    CLEANUP_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    uint8_t sha[DIGEST_SIZE];
    fill();
    assert_int_equal(write(fd, content, 250), 250);
    digest_of(content, 250, sha);
    call_put_fd(&c, box.store, "files/x", fd, 250, sha);
    fake_env_run(box.fake);
    assert_int_equal(c.err, 0);
    assert_memory_equal(s3.parts_seen[3].data, content + 200, 50);
}

static void the_beginning_brings_the_headers(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    static const struct keep keep = {.cache_control = (char *)"immutable"};
    c.put = (struct store_put){.content_type = "video/mp4", .keep = &keep};
    assert_int_equal(upload(&c, 2 * PART), 0);
    const struct fake_request *r = fake_http_request(box.http, 0);
    assert_string_equal(r->method, "POST");
    assert_string_equal(r->url, "http://127.0.0.1:9000/assets/files/x?uploads=");
    assert_string_equal(fake_request_header(r, "Content-Type"), "video/mp4");
    assert_string_equal(fake_request_header(r, "Cache-Control"), "immutable");
    assert_string_equal(fake_request_header(r, "x-amz-checksum-algorithm"), "SHA256");
    assert_null(fake_request_header(r, "If-None-Match")); /* it belongs to the completion alone */
}

static bool has_customer_key(size_t i) {
    return fake_request_header(fake_http_request(box.http, i), "x-amz-server-side-encryption-customer-key") != NULL;
}

static void all_of_an_upload_is_under_the_customer_key(void **state) {
    CLEANUP_CALL struct call c = {0};
    CLEANUP_FREE char *file = tmpdir_path(*state, "key");
    static const uint8_t key[CUSTOMER_KEY_BYTES];
    static const struct keep keep = {.encryption = KEEP_CUSTOMER};
    s3_box_close(&box);
    assert_int_equal(file_write_atomic(file, key, sizeof key, 0600), 0);
    s3_box_open_with_keys(&box, &(struct s3_config){.endpoint = "https://s3.example.com", .path_style = true, .multipart_from = 2 * PART, .part_size = PART}, file, answer, NULL);
    c.put = (struct store_put){.keep = &keep};
    assert_int_equal(upload(&c, 2 * PART), 0);
    assert_int_equal(fake_http_count(box.http), 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(has_customer_key(i));
}

static void parts_have_digests_and_numbers(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    uint8_t sha[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    assert_int_equal(upload(&c, 2 * PART), 0);
    const struct fake_request *r = fake_http_request(box.http, 1);
    assert_string_equal(r->url, "http://127.0.0.1:9000/assets/files/x?partNumber=1&uploadId=up%2Fload%2B1");
    digest_of(content, PART, sha);
    digest_hex(sha, hex);
    CLEANUP_FREE char *checksum = s3_checksum(sha);
    assert_string_equal(fake_request_header(r, "x-amz-content-sha256"), hex);
    assert_string_equal(fake_request_header(r, "x-amz-checksum-sha256"), checksum);
    assert_null(fake_request_header(r, "If-None-Match"));
    assert_null(fake_request_header(r, "Content-Type"));
}

static void the_completion_names_all_parts_and_the_condition(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    uint8_t sha[DIGEST_SIZE];
    assert_int_equal(upload(&c, PART + PART), 0);
    struct buf body = BUF_INIT(65536);
    buf_append(&body, last()->body.data, last()->body.len);
    assert_string_equal(last()->method, "POST");
    assert_string_equal(fake_request_header(last(), "If-None-Match"), "*");
    assert_non_null(strstr(last()->url, "?uploadId=up%2Fload%2B1"));
    digest_of(content + PART, PART, sha);
    CLEANUP_FREE char *checksum = s3_checksum(sha);
    CLEANUP_FREE char *want = xasprintf("<Part><PartNumber>2</PartNumber><ETag>&quot;&lt;2&gt;&quot;</"
                                        "ETag><ChecksumSHA256>%s</ChecksumSHA256></Part></Complete",
                                        checksum);
    assert_non_null(strstr(buf_str(&body), want));
    assert_non_null(strstr(buf_str(&body), "<PartNumber>1</PartNumber>"));
    buf_free(&body);
}

static void parts_go_at_once_but_not_all(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    s3.hold_parts = true;
    fill();
    call_put(&c, box.store, "files/x", content, 20 * PART);
    fake_env_run(box.fake);
    assert_int_equal(http_active(box.http), S3_PARTS_EACH);
    store_stop(box.store);
    fake_env_run(box.fake);
    assert_int_equal(c.err, -EIO);
}

static void many_objects_leave_connections_free(void **state) {
    (void)state;
    struct call c[6] = {0};
    s3.hold_parts = true;
    fill();
    for (size_t i = 0; i < ARRAY_SIZE(c); i++)
        call_put(&c[i], box.store, "files/x", content, 20 * PART);
    fake_env_run(box.fake);
    assert_int_equal(http_active(box.http), 16); /* a quarter of 64 */
    store_stop(box.store);
    fake_env_run(box.fake);
    for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
        assert_int_equal(c[i].done, 1);
        assert_int_equal(c[i].err, -EIO);
        call_reset(&c[i]);
    }
}

static void all_of_many_objects_arrive(void **state) {
    (void)state;
    struct call c[6] = {0};
    fill();
    for (size_t i = 0; i < ARRAY_SIZE(c); i++)
        call_put(&c[i], box.store, "files/x", content, 20 * PART + i);
    fake_env_run(box.fake);
    for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
        assert_int_equal(c[i].err, 0);
        call_reset(&c[i]);
    }
    assert_int_equal(s3.completes, 6);
}

/* ---- what goes wrong */

static void a_part_that_fails_twice_is_put_again(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    s3.fail_part = 2;
    s3.fail_times = 2;
    assert_int_equal(upload(&c, 4 * PART), 0);
    assert_int_equal(s3.n_parts, 6);
    assert_int_equal(s3.creates, 1);
    assert_memory_equal(s3.parts_seen[2].data, content + PART, PART);
}

static void a_part_that_never_gets_through_ends_it(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    s3.fail_part = 1;
    s3.fail_times = UINT32_MAX;
    assert_int_equal(upload(&c, 4 * PART), -EIO);
    assert_says(&c, "InternalError");
    assert_says(&c, "REQ123");
    assert_int_equal(s3.completes, 0);
}

static void a_refused_beginning_is_eacces(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    s3.create = s3_error(403, "AccessDenied", "");
    assert_int_equal(upload(&c, 4 * PART), -EACCES);
    assert_says(&c, "s3:PutObject");
    assert_int_equal(s3.creates, 1);
}

static void trouble_at_the_beginning_is_tried_again(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    fake_http_say(box.http, s3_error(503, "SlowDown", ""));
    fake_http_say(box.http, &(struct fake_answer){.err = -ECONNRESET});
    assert_int_equal(upload(&c, 4 * PART), 0);
}

static void a_beginning_that_is_a_page_is_eio(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    const struct fake_answer page = {.status = 200, .body = "<html><body>log in</body></html>"};
    s3.create = &page;
    assert_int_equal(upload(&c, 4 * PART), -EIO);
    assert_says(&c, "not S3");
    assert_int_equal(s3.n_parts, 0);
}

static void an_error_inside_a_200_is_an_error(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    s3.complete[0] = s3_error(200, "InternalError", "");
    assert_int_equal(upload(&c, 2 * PART), 0); /* the second completion went well */
    assert_int_equal(s3.completes, 2);
    assert_int_equal(s3.creates, 1);
}

static void an_error_inside_a_200_that_stays_is_explained(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    for (size_t i = 0; i < ARRAY_SIZE(s3.complete); i++)
        s3.complete[i] = s3_error(200, "InternalError", "");
    assert_int_equal(upload(&c, 2 * PART), -EIO);
    assert_says(&c, "200 InternalError");
    assert_says(&c, "REQ123");
}

static void the_condition_at_the_completion_is_eexist(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    s3.complete[0] = s3_error(412, "PreconditionFailed", "");
    assert_int_equal(upload(&c, 2 * PART), -EEXIST);
    assert_int_equal(s3.completes, 1);
}

static void the_condition_inside_a_200_is_eexist(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    s3.complete[0] = s3_error(200, "PreconditionFailed", "");
    assert_int_equal(upload(&c, 2 * PART), -EEXIST);
}

static void a_conflict_at_the_completion_begins_anew(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    s3.complete[0] = s3_error(409, "ConditionalRequestConflict", "");
    assert_int_equal(upload(&c, 2 * PART), -EIO); /* whoever put it puts it again, from the beginning */
    assert_int_equal(s3.completes, 1);
}

static void a_lost_answer_of_the_completion_is_asked_for_again(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    const struct fake_answer lost = {.err = -ECONNRESET};
    s3.complete[0] = &lost;
    assert_int_equal(upload(&c, 2 * PART), 0);
    assert_int_equal(s3.completes, 2);
}

static void an_upload_that_is_gone_after_a_lost_answer_is_there(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    const struct fake_answer lost = {.err = -ETIMEDOUT};
    s3.complete[0] = &lost;
    s3.complete[1] = s3_error(404, "NoSuchUpload", "");
    assert_int_equal(upload(&c, 2 * PART), -EEXIST); /* whoever put it looks at what is there */
}

static void an_upload_that_is_gone_otherwise_begins_anew(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    s3.complete[0] = s3_error(404, "NoSuchUpload", "");
    assert_int_equal(upload(&c, 2 * PART), -EIO);
    assert_int_equal(s3.completes, 1);
}

static void lost_answers_that_stay_are_eio(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    const struct fake_answer lost = {.err = -ECONNRESET, .why = "cut"};
    for (size_t i = 0; i < ARRAY_SIZE(s3.complete); i++)
        s3.complete[i] = &lost;
    assert_int_equal(upload(&c, 2 * PART), -EIO);
    assert_says(&c, "cut");
}

static void a_completion_that_is_a_page_is_not_believed(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    const struct fake_answer page = {.status = 200, .body = "<html><body>welcome</body></html>"};
    for (size_t i = 0; i < ARRAY_SIZE(s3.complete); i++)
        s3.complete[i] = &page;
    assert_int_equal(upload(&c, 2 * PART), -EIO);
    assert_says(&c, "not S3");
}

static void other_bytes_than_those_hashed_make_no_object(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    uint8_t other[DIGEST_SIZE];
    fill();
    digest_of("other", 5, other);
    c.put.bytes = content;
    call_put_fd(&c, box.store, "files/x", -1, 4 * PART, other);
    fake_env_run(box.fake);
    assert_int_equal(c.err, -EBADMSG);
    assert_says(&c, "not those that were hashed");
    assert_int_equal(s3.completes, 0);
}

/* The digests of n bytes' parts of PART bytes, as whoever hashed the whole has them. */
static uint8_t *digests_of_parts(const char *p, size_t n, struct store_put *put) {
    put->part_size = PART;
    put->n_parts = (n + PART - 1) / PART;
    uint8_t *parts = xcalloc(put->n_parts, DIGEST_SIZE);
    for (size_t i = 0; i < put->n_parts; i++)
        digest_of(p + i * PART, MIN(PART, n - i * PART), parts + i * DIGEST_SIZE);
    put->parts = parts;
    return parts;
}

static void digests_that_are_known_are_taken(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    fill();
    CLEANUP_FREE uint8_t *parts = digests_of_parts(content, 3 * PART + 50, &c.put);
    assert_int_equal(upload(&c, 3 * PART + 50), 0);
    for (unsigned i = 0; i < 4; i++) {
        char hex[DIGEST_HEX_SIZE];
        digest_hex(parts + i * DIGEST_SIZE, hex);
        CLEANUP_FREE char *checksum = s3_checksum(parts + i * DIGEST_SIZE);
        const struct fake_request *r = fake_http_request(box.http, 1 + i);
        assert_int_equal(number_in(r->url), i + 1);
        assert_string_equal(fake_request_header(r, "x-amz-content-sha256"), hex);
        assert_string_equal(fake_request_header(r, "x-amz-checksum-sha256"), checksum);
        assert_memory_equal(s3.parts_seen[i + 1].data, content + i * PART, i < 3 ? PART : 50);
    }
}

/* As above: all of them are begun without waiting for a worker, and no more than may be. */
static void known_parts_go_at_once_but_not_all(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    fill();
    CLEANUP_FREE ATTR_UNUSED uint8_t *parts = digests_of_parts(content, 20 * PART, &c.put);
    s3.hold_parts = true;
    call_put(&c, box.store, "files/x", content, 20 * PART);
    fake_env_run(box.fake);
    assert_int_equal(http_active(box.http), S3_PARTS_EACH);
    store_stop(box.store);
    fake_env_run(box.fake);
    assert_int_equal(c.err, -EIO);
}

static void digests_of_other_parts_are_not_used(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    uint8_t sha[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    fill();
    CLEANUP_FREE ATTR_UNUSED uint8_t *parts = digests_of_parts("other", 5, &c.put);
    c.put.n_parts = 4;
    c.put.part_size = 2 * PART;
    assert_int_equal(upload(&c, 4 * PART), 0);
    digest_of(content, PART, sha);
    digest_hex(sha, hex);
    assert_string_equal(fake_request_header(fake_http_request(box.http, 1), "x-amz-content-sha256"), hex);
}

static void a_part_spoilt_on_its_way_is_put_again(void **state) {
    (void)state;
    static const char *const codes[] = {"BadDigest", "XAmzContentSHA256Mismatch"};
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
        CLEANUP_CALL struct call c = {0};
        fill();
        CLEANUP_FREE ATTR_UNUSED uint8_t *parts = digests_of_parts(content, 4 * PART, &c.put);
        s3.fail_part = 2;
        s3.fail_times = 2;
        s3.fail_code = codes[i];
        s3.n_parts = 0;
        assert_int_equal(upload(&c, 4 * PART), 0);
        assert_int_equal(s3.n_parts, 6);
        assert_memory_equal(s3.parts_seen[2].data, content + PART, PART);
    }
}

/* They were hashed, and have changed since: it is told at once, and not put again and again. */
static void bytes_changed_since_they_were_hashed_make_no_object(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    uint8_t sha[DIGEST_SIZE];
    fill();
    digest_of(content, 4 * PART, sha);
    CLEANUP_FREE ATTR_UNUSED uint8_t *parts = digests_of_parts(content, 4 * PART, &c.put);
    content[PART + 5] ^= 1;
    s3.fail_part = 2;
    s3.fail_times = UINT32_MAX;
    s3.fail_code = "XAmzContentSHA256Mismatch";
    c.put.bytes = content;
    call_put_fd(&c, box.store, "files/x", -1, 4 * PART, sha);
    fake_env_run(box.fake);
    assert_int_equal(c.err, -EBADMSG);
    assert_says(&c, "not those that were hashed");
    assert_int_equal(s3.completes, 0);
    assert_int_equal(s3.n_parts, 4);
}

static void a_small_object_is_told_apart_likewise(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0}, d = {0};
    uint8_t sha[DIGEST_SIZE];
    fill();
    s3.fail_times = UINT32_MAX; /* of part 0: a put */
    s3.fail_code = "BadDigest";
    digest_of(content, PART, sha);
    c.put.bytes = d.put.bytes = content;
    call_put_fd(&c, box.store, "files/x", -1, PART, sha);
    fake_env_run(box.fake);
    assert_int_equal(c.err, -EIO); /* the way */
    assert_says(&c, "not those that were sent");
    content[5] ^= 1;
    call_put_fd(&d, box.store, "files/x", -1, PART, sha);
    fake_env_run(box.fake);
    assert_int_equal(d.err, -EBADMSG);
    assert_says(&d, "changed on the local disk");
}

static void a_file_that_became_shorter_makes_no_object(void **state) {
    CLEANUP_CALL struct call c = {0};
    CLEANUP_FREE char *path = tmpdir_path(*state, "f");
    CLEANUP_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    uint8_t sha[DIGEST_SIZE];
    fill();
    assert_int_equal(write(fd, content, 150), 150);
    digest_of(content, 250, sha);
    call_put_fd(&c, box.store, "files/x", fd, 250, sha);
    fake_env_run(box.fake);
    assert_int_equal(c.err, -EBADMSG);
    assert_int_equal(s3.completes, 0);
}

static void stopping_while_it_waits_ends_it(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    s3.fail_part = 1;
    s3.fail_times = UINT32_MAX;
    fill();
    call_put(&c, box.store, "files/x", content, 2 * PART);
    fake_env_advance(box.fake, 3 * NS_PER_S);
    assert_int_equal(c.done, 0);
    store_stop(box.store);
    fake_env_run(box.fake);
    assert_int_equal(c.err, -EIO);
    assert_int_equal(fake_env_next_timer(box.fake), -1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(all_of_an_upload_is_under_the_customer_key),
        T(parts_are_large_enough_for_the_largest_object),
        T(an_object_too_large_for_s3_is_einval),
        T(a_small_object_is_one_put),
        T(every_part_arrives_once),
        T(the_file_is_read_by_offset),
        T(the_beginning_brings_the_headers),
        T(parts_have_digests_and_numbers),
        T(the_completion_names_all_parts_and_the_condition),
        T(parts_go_at_once_but_not_all),
        T(many_objects_leave_connections_free),
        T(all_of_many_objects_arrive),
        T(a_part_that_fails_twice_is_put_again),
        T(a_part_that_never_gets_through_ends_it),
        T(a_refused_beginning_is_eacces),
        T(trouble_at_the_beginning_is_tried_again),
        T(a_beginning_that_is_a_page_is_eio),
        T(an_error_inside_a_200_is_an_error),
        T(an_error_inside_a_200_that_stays_is_explained),
        T(the_condition_at_the_completion_is_eexist),
        T(the_condition_inside_a_200_is_eexist),
        T(a_conflict_at_the_completion_begins_anew),
        T(a_lost_answer_of_the_completion_is_asked_for_again),
        T(an_upload_that_is_gone_after_a_lost_answer_is_there),
        T(an_upload_that_is_gone_otherwise_begins_anew),
        T(lost_answers_that_stay_are_eio),
        T(a_completion_that_is_a_page_is_not_believed),
        T(other_bytes_than_those_hashed_make_no_object),
        T(digests_that_are_known_are_taken),
        T(known_parts_go_at_once_but_not_all),
        T(digests_of_other_parts_are_not_used),
        T(a_part_spoilt_on_its_way_is_put_again),
        T(bytes_changed_since_they_were_hashed_make_no_object),
        T(a_small_object_is_told_apart_likewise),
        T(a_file_that_became_shorter_makes_no_object),
        T(stopping_while_it_waits_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
