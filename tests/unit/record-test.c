/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Inode records as bytes: what is written can be read, equal records have equal bytes, and what is not a record in its one form is refused.
 */
#include "tree/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct content *some_content(uint64_t size, const char *key) {
    uint8_t id[DIGEST_SIZE], all[DIGEST_SIZE];
    size_t blocks = BLOCK_COUNT(size);
    CLEANUP_FREE uint8_t *digests = xcalloc(blocks + 1, DIGEST_SIZE);
    memset(id, 0xab, sizeof id);
    memset(all, 0xcd, sizeof all);
    memset(digests, 0x12, blocks * DIGEST_SIZE);
    return content_new(id, size, key, blocks > 1 && blocks <= CONTENT_INLINE_BLOCKS ? digests : NULL, blocks > 1 ? all : NULL);
}

static struct record file(uint64_t size) {
    struct record r = {.mode = S_IFREG | 0644, .uid = 1, .gid = 2, .atime = 3, .mtime = 4, .ctime = 5, .btime = 6, .size = size};
    if (size)
        r.content = some_content(size, "files/abc");
    return r;
}

static void encode(const struct record *r, struct buf *b) {
    *b = BUF_INIT(RECORD_MAX);
    record_encode(r, b);
    assert_int_equal(b->err, 0);
}

/* Through bytes and back it is the same, and the bytes are the same. */
static void survives(const struct record *r) {
    CLEANUP_BUF struct buf first = {0}, second = {0};
    CLEANUP_RECORD struct record back = {0};
    encode(r, &first);
    assert_int_equal(record_parse(first.data, first.len, &back), 0);
    assert_true(record_equal(r, &back));
    encode(&back, &second);
    assert_int_equal(first.len, second.len);
    assert_memory_equal(first.data, second.data, first.len);
}

static void files_of_every_size(void **st) {
    static const uint64_t sizes[] = {0, 1, BLOCK_SIZE, BLOCK_SIZE + 1, CONTENT_INLINE_BLOCKS * BLOCK_SIZE, CONTENT_INLINE_BLOCKS * BLOCK_SIZE + 1, (uint64_t)1 << 40};
    (void)st;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        CLEANUP_RECORD struct record r = file(sizes[i]);
        survives(&r);
    }
}

static void other_types(void **st) {
    static const uint32_t types[] = {S_IFDIR, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};
    (void)st;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        struct record r = {.mode = types[i] | 07777, .mtime = -1, .ctime = INT64_MAX, .btime = INT64_MIN, .atime = 0};
        if (types[i] == S_IFCHR || types[i] == S_IFBLK)
            r.rdev_major = UINT32_MAX;
        survives(&r);
    }
    struct record link = {.mode = S_IFLNK | 0777, .target = (char *)"../elsewhere \xff\xfe"};
    survives(&link);
}

static void xattrs(void **st) {
    (void)st;
    CLEANUP_RECORD struct record r = file(1);
    record_set_xattr(&r, "user.b", "two", 3);
    record_set_xattr(&r, "user.a", "", 0);
    record_set_xattr(&r, "user.c", "\0\1", 2);
    record_set_xattr(&r, "user.b", "three", 5);
    assert_int_equal(r.n_xattrs, 3);
    assert_string_equal(r.xattrs[0].name, "user.a");
    assert_int_equal(record_xattr(&r, "user.b")->n, 5);
    assert_int_equal(record_xattr_bytes(&r), 18 + 7);
    survives(&r);
    record_set_xattr(&r, "user.b", NULL, 0);
    record_set_xattr(&r, "user.none", NULL, 0);
    assert_null(record_xattr(&r, "user.b"));
    assert_int_equal(r.n_xattrs, 2);
    survives(&r);
}

static void foreign_objects(void **st) {
    (void)st;
    struct record r = {.mode = S_IFREG | 0600, .size = 7, .foreign = true, .etag = xstrdup("\"e\"")};
    static const uint8_t none[DIGEST_SIZE];
    r.content = content_new(none, 7, "uploads/x.jpg", NULL, NULL);
    survives(&r);
    record_free(&r);
}

/* A key that names its content id takes 64 bytes less. */
static void keys_in_short(void **st) {
    (void)st;
    char hex[DIGEST_HEX_SIZE];
    uint8_t id[DIGEST_SIZE];
    memset(id, 0xab, sizeof id);
    digest_hex(id, hex);
    CLEANUP_FREE char *key = xasprintf("files/%s-1.jpg", hex);
    struct record r = {.mode = S_IFREG, .size = 1, .content = some_content(1, key)};
    CLEANUP_BUF struct buf b = {0};
    encode(&r, &b);
    assert_true(b.len < 90);
    survives(&r);
    record_free(&r);
}

static void unknown_fields_are_kept(void **st) {
    (void)st;
    CLEANUP_RECORD struct record r = {0}, copy = {0};
    CLEANUP_BUF struct buf b = BUF_INIT(RECORD_MAX), again = {0};
    cborw_map(&b, 7);
    static const int64_t values[] = {S_IFDIR | 0755, 0, 0, 9, 9};
    for (unsigned i = 0; i < 5; i++) {
        cborw_uint(&b, i + 1);
        cborw_int(&b, values[i]);
    }
    cborw_uint(&b, 16);
    cborw_text(&b, "of tomorrow", 11);
    cborw_uint(&b, 1000);
    cborw_array(&b, 1);
    cborw_null(&b);
    assert_int_equal(record_parse(b.data, b.len, &r), 0);
    assert_int_equal(r.unknown_pairs, 2);
    record_copy(&copy, &r);
    encode(&copy, &again);
    assert_int_equal(again.len, b.len);
    assert_memory_equal(again.data, b.data, b.len);
}

static void equality_is_that_of_all_fields(void **st) {
    (void)st;
    CLEANUP_RECORD struct record r = file(5);
    CLEANUP_RECORD struct record o = {0};
    record_copy(&o, &r);
    assert_true(record_equal(&r, &o));
    o.atime++;
    assert_false(record_equal(&r, &o));
    o.atime--;
    record_set_xattr(&o, "user.a", "", 0);
    assert_false(record_equal(&r, &o));
    assert_true(record_same_content(&r, &o));
    struct record empty = {.mode = S_IFREG}, also = {.mode = S_IFREG | 0600}, dir = {.mode = S_IFDIR};
    assert_false(record_same_content(&r, &empty));
    assert_true(record_same_content(&empty, &also));
    assert_false(record_same_content(&empty, &dir));
    record_take_content(&o, &empty);
    assert_int_equal(o.size, 0);
    assert_null(o.content);
}

/* What is refused. Each begins with the five fields every record has. */

static struct buf begun(size_t more, uint32_t mode) {
    struct buf b = BUF_INIT(8 << 20);
    cborw_map(&b, 5 + more);
    for (unsigned i = 1; i <= 5; i++) {
        cborw_uint(&b, i);
        cborw_uint(&b, i == 1 ? mode : 0);
    }
    return b;
}

static void is_refused(struct buf *b) {
    struct record r;
    assert_int_equal(b->err, 0);
    assert_int_equal(record_parse(b->data, b->len, &r), -EBADMSG);
    buf_free(b);
}

static void is_accepted(struct buf *b) {
    CLEANUP_RECORD struct record r = {0};
    assert_int_equal(record_parse(b->data, b->len, &r), 0);
    buf_free(b);
}

static void fields_that_are_not_there(void **st) {
    (void)st;
    for (unsigned without = 1; without <= 5; without++) {
        struct buf b = BUF_INIT(100);
        cborw_map(&b, 4);
        for (unsigned i = 1; i <= 5; i++) {
            if (i == without)
                continue;
            cborw_uint(&b, i);
            cborw_uint(&b, i == 1 ? S_IFDIR : 0);
        }
        is_refused(&b);
    }
    struct buf good = begun(0, S_IFDIR);
    is_accepted(&good);
}

static void anything_but_one_map(void **st) {
    (void)st;
    struct buf b = begun(0, S_IFDIR), more = begun(0, S_IFDIR), nothing = BUF_INIT(10), array = BUF_INIT(10);
    b.len--;
    is_refused(&b);
    cborw_null(&more);
    is_refused(&more);
    is_refused(&nothing);
    cborw_array(&array, 0);
    is_refused(&array);
}

static void fields_out_of_order_or_twice(void **st) {
    (void)st;
    struct buf twice = begun(2, S_IFREG), order = begun(2, S_IFREG);
    cborw_uint(&twice, 6);
    cborw_uint(&twice, 1);
    cborw_uint(&twice, 6);
    cborw_uint(&twice, 1);
    is_refused(&twice);
    cborw_uint(&order, 7);
    cborw_uint(&order, 1);
    cborw_uint(&order, 6);
    cborw_uint(&order, 1);
    is_refused(&order);
}

static void types_and_modes_that_are_none(void **st) {
    static const uint32_t modes[] = {0, 0644, S_IFMT, 0x10000 | S_IFREG, UINT32_MAX, S_IFDIR | 1 << 20};
    (void)st;
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        struct buf b = begun(0, modes[i]);
        is_refused(&b);
    }
}

static void a_default_that_is_spelled_out(void **st) {
    static const unsigned fields[] = {6, 7, 8};
    (void)st;
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        struct buf b = begun(1, S_IFREG);
        cborw_uint(&b, fields[i]);
        cborw_uint(&b, 0);
        is_refused(&b);
    }
}

static void content_put(struct buf *b, uint64_t size, bool id, const char *key) {
    uint8_t bytes[DIGEST_SIZE];
    memset(bytes, 0xab, sizeof bytes);
    cborw_uint(b, 8);
    cborw_uint(b, size);
    if (id) {
        cborw_uint(b, 9);
        cborw_bytes(b, bytes, DIGEST_SIZE);
    }
    if (key) {
        cborw_uint(b, 10);
        cborw_text(b, key, strlen(key));
    }
}

static void content_that_does_not_agree(void **st) {
    (void)st;
    CLEANUP_FREE char *hex = xcalloc(1, DIGEST_HEX_SIZE);
    memset(hex, 0, DIGEST_HEX_SIZE);
    for (int i = 0; i < 64; i += 2)
        memcpy(hex + i, "ab", 2);
    struct buf good = begun(3, S_IFREG), size = begun(1, S_IFREG), no_key = begun(2, S_IFREG), no_id = begun(2, S_IFREG), dir = begun(3, S_IFDIR),
               digests = begun(3, S_IFREG), empty_key = begun(3, S_IFREG), long_form = begun(3, S_IFREG), huge = begun(3, S_IFREG);
    content_put(&good, 5, true, "k");
    is_accepted(&good);
    content_put(&size, 5, false, NULL); /* only good for a local database of old */
    is_refused(&size);
    content_put(&no_key, 5, true, NULL);
    is_refused(&no_key);
    content_put(&no_id, 5, false, "k");
    is_refused(&no_id);
    content_put(&dir, 5, true, "k");
    is_refused(&dir);
    content_put(&digests, 2 * BLOCK_SIZE, true, "k"); /* two blocks need digests */
    is_refused(&digests);
    content_put(&empty_key, 5, true, "");
    is_refused(&empty_key);
    content_put(&long_form, 5, true, hex); /* there is a shorter form of this key */
    is_refused(&long_form);
    content_put(&huge, (uint64_t)1 << 63, true, "k");
    is_refused(&huge);
}

static void short_keys_in_another_form(void **st) {
    (void)st;
    char hex[DIGEST_HEX_SIZE] = "";
    for (int i = 0; i < 64; i += 2)
        memcpy(hex + i, "ab", 2);
    static const size_t prefixes[] = {64, 2}; /* the id stands in the prefix, too, or begins there: the first one counts */
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        struct buf b = begun(3, S_IFREG);
        content_put(&b, 5, true, NULL);
        cborw_uint(&b, 10);
        cborw_array(&b, 2);
        cborw_text(&b, hex, prefixes[i]);
        cborw_text(&b, "", 0);
        is_refused(&b);
    }
}

static void targets(void **st) {
    (void)st;
    CLEANUP_FREE char *long_one = xcalloc(1, 5000);
    memset(long_one, 'x', 4999);
    struct buf none = begun(0, S_IFLNK), empty = begun(1, S_IFLNK), too_long = begun(1, S_IFLNK), nul = begun(1, S_IFLNK), of_file = begun(1, S_IFREG);
    is_refused(&none);
    cborw_uint(&empty, 13);
    cborw_bytes(&empty, "", 0);
    is_refused(&empty);
    cborw_uint(&too_long, 13);
    cborw_bytes(&too_long, long_one, 4096);
    is_refused(&too_long);
    cborw_uint(&nul, 13);
    cborw_bytes(&nul, "a\0b", 3);
    is_refused(&nul);
    cborw_uint(&of_file, 13);
    cborw_bytes(&of_file, "a", 1);
    is_refused(&of_file);
}

static void bad_xattrs(void **st) {
    (void)st;
    CLEANUP_FREE char *value = xcalloc(1, XATTR_VALUE_MAX + 1);
    struct buf none = begun(1, S_IFREG), order = begun(1, S_IFREG), twice = begun(1, S_IFREG), nul = begun(1, S_IFREG), large = begun(1, S_IFREG), many = begun(1, S_IFREG);
    struct buf *const all[] = {&none, &order, &twice, &nul, &large, &many};
    static const size_t counts[] = {0, 2, 2, 1, 1, 20};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        cborw_uint(all[i], 15);
        cborw_map(all[i], counts[i]);
    }
    for (int i = 0; i < 2; i++) {
        cborw_bytes(&order, i ? "a" : "b", 1);
        cborw_bytes(&order, "", 0);
        cborw_bytes(&twice, "a", 1);
        cborw_bytes(&twice, "", 0);
    }
    cborw_bytes(&nul, "a\0", 2);
    cborw_bytes(&nul, "", 0);
    cborw_bytes(&large, "a", 1);
    cborw_bytes(&large, value, XATTR_VALUE_MAX + 1);
    for (char i = 0; i < 20; i++) {
        char name[] = {'a', (char)('a' + i)};
        cborw_bytes(&many, name, 2);
        cborw_bytes(&many, value, 60000);
    }
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        is_refused(all[i]);
}

/* What could be read and never be written back would stop every host. */
static void a_record_too_large_to_be_kept(void **st) {
    (void)st;
    CLEANUP_FREE char *text = xcalloc(1, RECORD_MAX);
    memset(text, 'x', RECORD_MAX);
    struct buf large = begun(1, S_IFDIR), fits = begun(1, S_IFDIR);
    cborw_uint(&large, 99);
    cborw_text(&large, text, RECORD_MAX);
    is_refused(&large);
    cborw_uint(&fits, 99);
    cborw_text(&fits, text, RECORD_MAX - 100);
    is_accepted(&fits);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_every_size),
        cmocka_unit_test(other_types),
        cmocka_unit_test(xattrs),
        cmocka_unit_test(foreign_objects),
        cmocka_unit_test(keys_in_short),
        cmocka_unit_test(unknown_fields_are_kept),
        cmocka_unit_test(equality_is_that_of_all_fields),
        cmocka_unit_test(fields_that_are_not_there),
        cmocka_unit_test(anything_but_one_map),
        cmocka_unit_test(fields_out_of_order_or_twice),
        cmocka_unit_test(types_and_modes_that_are_none),
        cmocka_unit_test(a_default_that_is_spelled_out),
        cmocka_unit_test(content_that_does_not_agree),
        cmocka_unit_test(short_keys_in_another_form),
        cmocka_unit_test(targets),
        cmocka_unit_test(bad_xattrs),
        cmocka_unit_test(a_record_too_large_to_be_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
