/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Areas' rules: as text, as bytes, what is refused and with which sentence, and which rule a path has.
 */
#include "tree/area.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define NO_KEY "no key"

static struct area parse(const char *path, const char *words) {
    struct area a;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    if (area_parse(path, words, &a, &why) < 0)
        fail_msg("%s: %s", words, buf_str(&why));
    return a;
}

/* Parsed and checked: 0, or the error with its sentence. */
static int try(const char *words, const char *customer_key, struct buf *why) {
    CLEANUP_AREA struct area a = {0};
    int r = area_parse("public", words, &a, why);
    return r < 0 ? r : area_check(&a, ".assetfs", customer_key, NO_KEY, why);
}

static void refuses(const char *words, const char *says) {
    CLEANUP_BUF struct buf why = BUF_INIT(16384);
    assert_int_equal(try(words, NULL, &why), -EINVAL);
    if (!why.len || !strstr(buf_str(&why), says))
        fail_msg("%.200s: %s", words, why.len ? buf_str(&why) : "(nothing)");
}

static void accepts(const char *words) {
    CLEANUP_BUF struct buf why = BUF_INIT(16384);
    if (try(words, NULL, &why) < 0)
        fail_msg("%.200s: %s", words, buf_str(&why));
}

static void is_the_same(const struct area *a, const struct area *b) {
    assert_true(area_equal(a, b));
}

/* Through bytes and through text. */
static void survives(const char *words) {
    CLEANUP_BUF struct buf bytes = BUF_INIT(65536), text = BUF_INIT(65536);
    CLEANUP_AREA struct area a = parse("p", words), b = {0}, c = {0};
    area_encode(&a, &bytes);
    assert_int_equal(area_decode("p", bytes.data, bytes.len, &b), 0);
    is_the_same(&a, &b);
    area_words(&a, &text);
    c = parse("p", buf_str(&text));
    is_the_same(&a, &c);
}

static void rules_survive_bytes_and_text(void **state) {
    (void)state;
    survives("");
    survives("access=open");
    survives("access=open key=img/{sha256}{ext} class=STANDARD_IA cache-control=no-cache disposition=attachment active=inline");
    survives("meta.b=2 meta.a=1 tag.Z=z tag.A= tag.M%20n=%C3%A4");
    survives("encryption=sse-s3");
    survives("encryption=sse-kms kms-key=arn:aws:kms:eu-central-1:111122223333:key/1 bucket-key=yes");
    survives("encryption=sse-kms");
    survives("encryption=sse-c");
    survives("cache-control=public,%20max-age=60");
}

static void what_is_the_default_is_not_written(void **state) {
    (void)state;
    CLEANUP_AREA struct area a = parse("p", "key={area}/{sha256}{ext} cache-control=public,%20max-age=31536000,%20immutable"), b = parse("p", "access=signed");
    is_the_same(&a, &b);
    CLEANUP_BUF struct buf bytes = BUF_INIT(100);
    area_encode(&a, &bytes);
    assert_int_equal(bytes.len, 3);
}

static void fields_of_later_versions_are_passed_over(void **state) {
    (void)state;
    static const uint8_t rule[] = {0xa3, 0x02, 0x00, 0x07, 0xf5, 0x18, 0x63, 0x81, 0x01};
    CLEANUP_AREA struct area a = {0};
    assert_int_equal(area_decode("p", rule, sizeof rule, &a), 0);
    assert_int_equal(a.access, AREA_OPEN);
    assert_true(a.active_inline);
}

static void an_access_that_is_not_known_is_not_open(void **state) {
    (void)state;
    static const uint8_t rule[] = {0xa1, 0x02, 0x05};
    CLEANUP_AREA struct area a = {0};
    assert_int_equal(area_decode("p", rule, sizeof rule, &a), 0);
    assert_int_equal(a.access, AREA_SIGNED);
}

static void other_bytes_are_no_rule(void **state) {
    (void)state;
    static const uint8_t array[] = {0x80}, twice[] = {0xa2, 0x02, 0x00, 0x02, 0x00}, more[] = {0xa1, 0x02, 0x00, 0x00}, text[] = {0xa1, 0x01, 0x05},
                         descending[] = {0xa1, 0x05, 0xa2, 0x61, 'b', 0x61, '1', 0x61, 'a', 0x61, '1'}, none[] = {0xa1, 0x06, 0xa1, 0x01, 0x00};
    const struct {
        const uint8_t *p;
        size_t n;
    } cases[] = {{array, sizeof array}, {twice, sizeof twice}, {more, sizeof more}, {text, sizeof text}, {descending, sizeof descending}, {none, sizeof none}, {array, 0}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct area a;
        assert_int_equal(area_decode("p", cases[i].p, cases[i].n, &a), -EBADMSG);
    }
}

static void bad_words_are_refused_with_their_sentence(void **state) {
    (void)state;
    refuses("open", "write NAME=VALUE");
    refuses("=open", "write NAME=VALUE");
    refuses("colour=red", "a rule has no \"colour\"");
    refuses("access=public", "access=public means nothing: it is open or signed");
    refuses("active=yes", "it is attachment or inline");
    refuses("encryption=aes", "it is bucket, sse-s3, sse-kms or sse-c");
    refuses("bucket-key=1", "it is no or yes");
    refuses("key=", "key= has nothing after it");
    refuses("meta.=x", "needs a name after the dot");
    refuses("meta.a=x meta.A=y", "meta.a is given twice");
    refuses("tag.a=x tag.a=y", "tag.a is given twice");
    refuses("access=%zz", "two hexadecimal digits");
    refuses("access=%00", "two hexadecimal digits");
    refuses("tag.a=%ff", "no UTF-8");
    refuses("kms-key=x", "kms-key= is for encryption=sse-kms only");
    refuses("encryption=sse-s3 bucket-key=yes", "bucket-key= is for encryption=sse-kms only");
}

static void what_a_bucket_would_not_take_is_refused(void **state) {
    (void)state;
    refuses("key={area}", "add {sha256}");
    refuses("cache-control=a%0Ab", "cache-control has a character in it");
    refuses("cache-control=%20x", "no space at the ends");
    refuses("disposition=save", "begins neither with attachment nor with inline");
    refuses("disposition=attachments", "begins neither");
    refuses("class=cold", "is not the name of a storage class");
    refuses("class=CHEAP", "CHEAP is not a storage class of S3");
    refuses("class=DEEP_ARCHIVE", "cannot be read before somebody restores them");
    refuses("meta.a_b%20c=x", "is no name of metadata");
    refuses("meta.a=", "metadata has a value");
    refuses("meta.a=%C3%A4", "meta.a has a character in it");
    refuses("tag.aws:x=y", "names that begin with aws: are Amazon's own");
    refuses("tag.a=b&c", "a character in it that a tag cannot have");
    refuses("encryption=sse-c", "cannot be had here: " NO_KEY);
    refuses("encryption=sse-kms kms-key=a%20b", "without spaces");
    accepts("class=GLACIER_IR");
    accepts("disposition=inline;%20filename=a.pdf");
    accepts("tag.Kosten%20Stelle=%C3%A4+-=._:/@ meta.x-y_z.0=v");
}

static void sizes_have_limits(void **state) {
    (void)state;
    char text[8192];
    memset(text, 'x', sizeof text);
    memcpy(text, "meta.a=", 7);
    text[7 + 1024] = '\0';
    accepts(text);
    text[7 + 1024] = 'x';
    text[7 + 1025] = '\0';
    refuses(text, "meta.a is 1025 bytes long");
    CLEANUP_BUF struct buf b = BUF_INIT(65536);
    buf_printf(&b, "meta.a=%01023d meta.b=%01023d", 1, 1);
    accepts(buf_str(&b)); /* 2,048 with the names */
    buf_append_str(&b, " meta.c=1");
    refuses(buf_str(&b), "the metadata is 2050 bytes long");
    buf_reset(&b);
    for (int i = 0; i < 10; i++)
        buf_printf(&b, "tag.t%d=x ", i);
    accepts(buf_str(&b));
    buf_append_str(&b, "tag.u=x");
    refuses(buf_str(&b), "there are 11 tags, and an object has at most 10");
    buf_reset(&b);
    buf_printf(&b, "tag.%0128d=%0256d", 1, 1);
    accepts(buf_str(&b));
    buf_reset(&b);
    buf_printf(&b, "tag.a=%0257d", 1);
    refuses(buf_str(&b), "tag.a is too long");
}

static void a_customer_key_must_be_here_and_the_right_one(void **state) {
    (void)state;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    assert_int_equal(try("encryption=sse-c", "0123456789abcdef", &why), 0);
    assert_int_equal(try("encryption=sse-c access=open", "0123456789abcdef", &why), -EINVAL);
    assert_non_null(strstr(buf_str(&why), "contradict each other"));
    CLEANUP_AREA struct area a = parse("p", "encryption=sse-c");
    a.key_id = xstrdup("fedcba9876543210");
    buf_reset(&why);
    assert_int_equal(area_check(&a, ".assetfs", "0123456789abcdef", NULL, &why), -EINVAL);
    assert_non_null(strstr(buf_str(&why), "give the right sse_c_key_file="));
}

static void paths_have_one_form(void **state) {
    (void)state;
    static const char *const good[][2] = {{"", ""}, {"/", ""}, {"public", "public"}, {"/public/", "public"}, {"a//b", "a/b"}, {"a b/.c", "a b/.c"}};
    static const char *const bad[][2] = {{"..", "\"..\""}, {"a/./b", "\".\""}, {"a/../b", "\"..\""}, {"a\nb", "control"}, {"\xff", "UTF-8"}, {"a{b", "brace"}, {"a\\b", "backslash"}};
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        CLEANUP_FREE char *path = area_path(good[i][0], &why);
        assert_string_equal(path, good[i][1]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        buf_reset(&why);
        assert_null(area_path(bad[i][0], &why));
        assert_non_null(strstr(buf_str(&why), bad[i][1]));
    }
    char name[1000];
    memset(name, 'n', sizeof name);
    name[256] = '\0';
    assert_null(area_path(name, &why));
    name[255] = '\0';
    CLEANUP_FREE char *path = area_path(name, &why);
    assert_non_null(path);
}

static void add(struct areas *s, const char *path, const char *words) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    struct area a = parse(path, words);
    if (areas_check(s, &a, &why) < 0)
        fail_msg("%s: %s", path, buf_str(&why));
    areas_put(s, &a);
}

static void cannot_add(struct areas *s, const char *path, const char *words, const char *says) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    CLEANUP_AREA struct area a = parse(path, words);
    assert_int_equal(areas_check(s, &a, &why), -EINVAL);
    if (!strstr(buf_str(&why), says))
        fail_msg("%s", buf_str(&why));
}

static void the_longest_path_counts(void **state) {
    (void)state;
    struct areas s = {0};
    assert_ptr_equal(areas_find(&s, "x"), area_default());
    add(&s, "public", "access=open");
    add(&s, "public/deep/er", "access=open");
    add(&s, "domains", "");
    assert_string_equal(areas_find(&s, "public/a.jpg")->path, "public");
    assert_string_equal(areas_find(&s, "public")->path, "public");
    assert_string_equal(areas_find(&s, "public/deep/a")->path, "public");
    assert_string_equal(areas_find(&s, "public/deep/er/a")->path, "public/deep/er");
    assert_string_equal(areas_find(&s, "public/deep/ernst")->path, "public");
    assert_ptr_equal(areas_find(&s, "publications/x"), area_default());
    assert_ptr_equal(areas_find(&s, "x/public/y"), area_default());
    add(&s, "", "access=open");
    assert_string_equal(areas_find(&s, "x")->path, "");
    assert_int_equal(areas_find(&s, "x")->access, AREA_OPEN);
    assert_int_equal(areas_find(&s, "domains/x")->access, AREA_SIGNED);
    assert_true(areas_below(&s, "public"));
    assert_true(areas_below(&s, "public/deep"));
    assert_false(areas_below(&s, "public/deep/er/x"));
    assert_false(areas_below(&s, "pub"));
    areas_remove(&s, "public");
    assert_null(areas_at(&s, "public"));
    assert_string_equal(areas_find(&s, "public/a")->path, "");
    areas_free(&s);
}

static void a_rule_replaces_the_one_of_its_path(void **state) {
    (void)state;
    struct areas s = {0};
    add(&s, "public", "access=open");
    add(&s, "public", "access=signed class=STANDARD_IA");
    assert_int_equal(s.n, 1);
    assert_string_equal(areas_at(&s, "public")->storage_class, "STANDARD_IA");
    areas_free(&s);
}

static void rooms_do_not_meet(void **state) {
    (void)state;
    struct areas s = {0};
    add(&s, "public", "access=open");
    cannot_add(&s, "public/secret", "access=signed", "public/secret is signed and the area around it, public, is open");
    add(&s, "public/secret", "access=signed key=secret/{sha256}{ext}");
    cannot_add(&s, "domains", "access=signed key=public/{sha256}{ext}", "would both begin with \"public/\"");
    cannot_add(&s, "domains", "access=signed key=public/x/{sha256}{ext}", "lie among those of the other");
    cannot_add(&s, "files", "access=signed", "would both begin with \"files/\"");
    cannot_add(&s, "img", "access=open key={sha256}{ext}", "lie among those of the other");
    cannot_add(&s, "img", "access=open key=files/img/{sha256}{ext}", "img is open and the volume as a whole is signed");
    add(&s, "img", "access=signed key=files/img/{sha256}{ext}");
    cannot_add(&s, "", "access=open", "img");
    areas_free(&s);
}

static void has_disposition(const char *words, const char *type, const char *want) {
    CLEANUP_AREA struct area a = parse("p", words);
    struct keep *k = area_keep(&a, type);
    if (want)
        assert_string_equal(k->content_disposition, want);
    else
        assert_null(k->content_disposition);
    keep_unref(k);
}

static void what_browsers_run_is_an_attachment_in_open_areas(void **state) {
    (void)state;
    has_disposition("access=open", "text/html", "attachment");
    has_disposition("access=open", "image/svg+xml", "attachment");
    has_disposition("access=open", "application/atom+xml", "attachment");
    has_disposition("access=open", "TEXT/HTML", "attachment");
    has_disposition("access=open", "image/png", NULL);
    has_disposition("access=open", NULL, NULL);
    has_disposition("access=open disposition=inline", "text/html", "attachment");
    has_disposition("access=open disposition=attachment;%20filename=x", "text/html", "attachment; filename=x");
    has_disposition("access=open active=inline", "text/html", NULL);
    has_disposition("access=open active=inline disposition=inline", "text/html", "inline");
    has_disposition("access=signed", "text/html", NULL);
    has_disposition("access=open disposition=inline", "image/png", "inline");
}

static void objects_are_kept_as_the_rule_says(void **state) {
    (void)state;
    CLEANUP_AREA struct area a = parse("p", "class=STANDARD_IA meta.a=1 tag.b=2 encryption=sse-kms kms-key=k bucket-key=yes"), b = parse("p", "encryption=sse-c");
    struct keep *k = area_keep(&a, "image/png");
    assert_string_equal(k->cache_control, AREA_CACHE_CONTROL);
    assert_string_equal(k->storage_class, "STANDARD_IA");
    assert_string_equal(k->metadata[0].name, "a");
    assert_string_equal(k->tags[0].value, "2");
    assert_int_equal(k->encryption, KEEP_SSE_KMS);
    assert_string_equal(k->kms_key, "k");
    assert_true(k->bucket_key);
    assert_null(k->customer_key);
    keep_unref(k);
    b.key_id = xstrdup("0123");
    k = area_keep(&b, NULL);
    assert_int_equal(k->encryption, KEEP_CUSTOMER);
    assert_string_equal(k->customer_key, "0123");
    assert_null(k->kms_key);
    keep_unref(k);
}

static void json_says_everything(void **state) {
    (void)state;
    CLEANUP_AREA struct area a = parse("pub\"lic", "access=open meta.a=1 tag.b=2");
    CLEANUP_BUF struct buf b = BUF_INIT(4096);
    area_json(&a, &b);
    assert_string_equal(buf_str(&b), "{\"path\":\"pub\\\"lic\",\"access\":\"open\",\"key\":\"{area}/{sha256}{ext}\",\"keys_begin\":\"pub\\\"lic/\",\"class\":null,"
                                     "\"cache_control\":\"public, max-age=31536000, immutable\",\"disposition\":null,\"active\":\"attachment\","
                                     "\"metadata\":{\"a\":\"1\"},\"tags\":{\"b\":\"2\"},\"encryption\":\"bucket\",\"key_id\":null,\"bucket_key\":false}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_survive_bytes_and_text),
        cmocka_unit_test(what_is_the_default_is_not_written),
        cmocka_unit_test(fields_of_later_versions_are_passed_over),
        cmocka_unit_test(an_access_that_is_not_known_is_not_open),
        cmocka_unit_test(other_bytes_are_no_rule),
        cmocka_unit_test(bad_words_are_refused_with_their_sentence),
        cmocka_unit_test(what_a_bucket_would_not_take_is_refused),
        cmocka_unit_test(sizes_have_limits),
        cmocka_unit_test(a_customer_key_must_be_here_and_the_right_one),
        cmocka_unit_test(paths_have_one_form),
        cmocka_unit_test(the_longest_path_counts),
        cmocka_unit_test(a_rule_replaces_the_one_of_its_path),
        cmocka_unit_test(rooms_do_not_meet),
        cmocka_unit_test(what_browsers_run_is_an_attachment_in_open_areas),
        cmocka_unit_test(objects_are_kept_as_the_rule_says),
        cmocka_unit_test(json_says_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
