/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/xml.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct xml *parse(const char *text) {
    struct xml *x = NULL;
    assert_int_equal(xml_parse(text, strlen(text), &x), 0);
    assert_non_null(x);
    return x;
}

static void assert_refused(const char *text, size_t n) {
    struct xml *x = NULL;
    assert_int_equal(xml_parse(text, n, &x), -EBADMSG);
    assert_null(x);
}

/* The document has this at that path; want NULL: nothing. */
static void assert_text(const char *document, const char *path, const char *want) {
    struct xml *x = parse(document);
    CLEANUP_FREE char *text = xml_text(x, path);
    if (want)
        assert_string_equal(text ? text : "(none)", want);
    else
        assert_null(text);
    xml_free(x);
}

#define S3_ERROR                                                                                             \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"                                                           \
    "<Error><Code>AccessDenied</Code><Message>Access "                                                       \
    "Denied</Message><RequestId>4442587FB7D0A2F9</RequestId>"                                                \
    "<HostId>aBc=</HostId></Error>"

static void an_error_of_s3(void **state) {
    (void)state;
    struct xml *x = parse(S3_ERROR);
    assert_string_equal(xml_root(x), "Error");
    xml_free(x);
    assert_text(S3_ERROR, "Code", "AccessDenied");
    assert_text(S3_ERROR, "Message", "Access Denied");
    assert_text(S3_ERROR, "HostId", "aBc=");
}

static void what_is_not_there(void **state) {
    (void)state;
    assert_text(S3_ERROR, "Region", NULL);
    assert_text(S3_ERROR, "Error", NULL);
    assert_text(S3_ERROR, "Code/Code", NULL);
    assert_text(S3_ERROR, "Cod", NULL);
    assert_text(S3_ERROR, "Codes", NULL);
    assert_text(S3_ERROR, "/Code", NULL);
}

static void name_spaces_do_not_matter(void **state) {
    (void)state;
    assert_text("<InitiateMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                "<UploadId>VXBsb2Fk</UploadId></InitiateMultipartUploadResult>",
                "UploadId", "VXBsb2Fk");
    struct xml *x = parse("<a:Error xmlns:a='urn:a'><a:Code>No</a:Code></a:Error>");
    CLEANUP_FREE char *code = xml_text(x, "Code");
    assert_string_equal(xml_root(x), "Error");
    assert_string_equal(code, "No");
    xml_free(x);
}

#define STS                                                                                                  \
    "<AssumeRoleResponse><AssumeRoleResult><AssumedRoleUser><Arn>x</Arn></AssumedRoleUser><Credentials>\n"   \
    "  <AccessKeyId>ASIA</AccessKeyId>\n  <Expiration>\n 2019-07-15T23:28:33Z\t</Expiration>\n"              \
    "</Credentials></AssumeRoleResult></AssumeRoleResponse>"

static void a_path_of_several_elements(void **state) {
    (void)state;
    assert_text(STS, "AssumeRoleResult/Credentials/AccessKeyId", "ASIA");
    assert_text(STS, "Credentials/AccessKeyId", NULL);
}

static void white_space_around_text_is_taken_off(void **state) {
    (void)state;
    assert_text(STS, "AssumeRoleResult/Credentials/Expiration", "2019-07-15T23:28:33Z");
    assert_text("<a> b  c </a>", "", "b  c");
    assert_text("<a> \n\t\r </a>", "", "");
}

static void the_root_itself(void **state) {
    (void)state;
    assert_text("<LocationConstraint xmlns='urn:x'>eu-central-1</LocationConstraint>", "", "eu-central-1");
    assert_text("<a/>", "", "");
    assert_text("<a>one<b>two</b>three</a>", "", "onethree");
}

static void the_first_of_several(void **state) {
    (void)state;
    assert_text("<a><b>1</b><b>2</b></a>", "b", "1");
    assert_text("<a><b/><b><c>2</c></b><b><c>3</c></b></a>", "b/c", "2");
}

static void characters_that_were_escaped(void **state) {
    (void)state;
    assert_text("<a>&lt;&amp;&gt;&quot;&apos;&#65;&#x20AC;</a>", "", "<&>\"'A\u20ac");
    assert_text("<a><![CDATA[<b>&amp;</b>]]>!</a>", "", "<b>&amp;</b>!");
    assert_text("<a>1<!-- 2 -->3<?pi 4?>5</a>", "", "135");
}

static void a_byte_order_mark(void **state) {
    (void)state;
    assert_text("\xef\xbb\xbf<a>x</a>", "", "x");
}

/* What servers, proxies and captive portals send instead. */
static void what_is_not_xml(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "x",
                                      "Access Denied",
                                      "{\"Code\": \"AccessDenied\"}",
                                      "<",
                                      "<a",
                                      "<a>",
                                      "<a></b>",
                                      "<a/><b/>",
                                      "<a/>x",
                                      "<a>&nbsp;</a>",
                                      "<a>&#0;</a>",
                                      "<a>&</a>",
                                      "<a b=c/>",
                                      "<html><body><br></body></html>",
                                      "<!-- only a comment -->",
                                      "<?xml version=\"1.0\"?>",
                                      "<a>\xff</a>",
                                      "<a>\x01</a>",
                                      "<x:a>unknown prefix",
                                      "HTTP/1.1 200 OK\r\n\r\n<a/>"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_refused(bad[i], strlen(bad[i]));
    assert_refused("<a>\0</a>", 8);
    assert_refused("<a/>\0", 5);
}

static void every_beginning_of_a_document_is_refused(void **state) {
    (void)state;
    for (size_t n = 0; n < strlen(S3_ERROR); n++)
        assert_refused(S3_ERROR, n);
}

static void a_dtd_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "<!DOCTYPE html><html><body/></html>",
        "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>",
        "<!DOCTYPE a SYSTEM 'http://127.0.0.1:1/a.dtd'><a/>",
        "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>",
        "<!DOCTYPE a [<!ENTITY % p SYSTEM 'file:///etc/passwd'> %p;]><a/>",
        "<!DOCTYPE a [<!ENTITY a '1'><!ENTITY b '&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;'>]><a>&c;</a>",
        "<?xml version='1.0'?>\n<!-- x -->\n<!DOCTYPE a>\n<a/>"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_refused(bad[i], strlen(bad[i]));
}

/* n times <a>, text, n times </a> */
static char *nested(size_t n) {
    struct buf b = BUF_INIT(XML_MAX);
    for (size_t i = 0; i < n; i++)
        buf_append_str(&b, "<a>");
    buf_append_str(&b, "x");
    for (size_t i = 0; i < n; i++)
        buf_append_str(&b, "</a>");
    return (char *)buf_take(&b, NULL);
}

static void depth_is_limited(void **state) {
    (void)state;
    CLEANUP_FREE char *deep = nested(32), *deeper = nested(33), *deepest = nested(100000);
    struct xml *x = parse(deep);
    xml_free(x);
    assert_refused(deeper, strlen(deeper));
    assert_refused(deepest, strlen(deepest));
}

static void size_is_limited(void **state) {
    (void)state;
    CLEANUP_FREE char *text = xmalloc(XML_MAX + 1);
    memset(text, ' ', XML_MAX + 1);
    memcpy(text, "<a/>", 4);
    struct xml *x = NULL;
    assert_int_equal(xml_parse(text, XML_MAX, &x), 0);
    xml_free(x);
    assert_refused(text, XML_MAX + 1);
}

/* No converter runs because a document says so. */
static void other_encodings_are_refused(void **state) {
    (void)state;
    assert_refused("\xff\xfe<\0a\0/\0>\0", 10);
    assert_refused("\0<\0a\0/\0>", 8);
    const char *latin1 = "<?xml version='1.0' encoding='ISO-8859-1'?><a>\xfc</a>";
    assert_refused(latin1, strlen(latin1));
}

static void nothing_is_said_on_stderr(void **state) {
    (void)state;
    char path[] = "/tmp/xml-test-XXXXXX";
    int fd = mkstemp(path), saved = dup(STDERR_FILENO);
    assert_true(fd >= 0 && saved >= 0);
    unlink(path);
    fflush(stderr);
    dup2(fd, STDERR_FILENO);
    struct xml *x = NULL;
    int r = xml_parse("<a><b></a>&x;", 13, &x);
    dup2(saved, STDERR_FILENO);
    close(saved);
    assert_int_equal(r, -EBADMSG);
    assert_int_equal(lseek(fd, 0, SEEK_END), 0);
    close(fd);
}

static void free_takes_null(void **state) {
    (void)state;
    assert_null(xml_free(NULL));
}

static void assert_escaped(const char *text, const char *want) {
    CLEANUP_BUF struct buf b = BUF_INIT(4096);
    xml_escape(&b, text);
    assert_string_equal(buf_str(&b), want);
}

static void escaping(void **state) {
    (void)state;
    assert_escaped("", "");
    assert_escaped("\"d41d8cd9\"", "&quot;d41d8cd9&quot;");
    assert_escaped("<a href='x'>&amp;</a>", "&lt;a href=&apos;x&apos;&gt;&amp;amp;&lt;/a&gt;");
    assert_escaped("a\tb\r\n\x7f", "a&#9;b&#13;&#10;&#127;");
    assert_escaped("\u00fc\u20ac\U0001f600", "\u00fc\u20ac\U0001f600");
}

static void what_xml_cannot_carry_is_replaced(void **state) {
    (void)state;
    assert_escaped("a\x01"
                   "b\x1f",
                   "a\ufffdb\ufffd");
    assert_escaped("\xff\xc3", "\ufffd\ufffd");
    assert_escaped("\xef\xbf\xbf", "\ufffd");
}

static void what_was_escaped_reads_as_it_was(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(4096);
    char all[128];
    for (int c = 1; c < 128; c++)
        all[c - 1] = c >= 0x20 || strchr("\t\r\n", c) ? (char)c : 'x';
    all[127] = '\0';
    buf_append_str(&b, "<a>");
    xml_escape(&b, all);
    buf_append_str(&b, "</a>");
    assert_text(buf_str(&b), "", all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_of_s3),
        cmocka_unit_test(what_is_not_there),
        cmocka_unit_test(name_spaces_do_not_matter),
        cmocka_unit_test(a_path_of_several_elements),
        cmocka_unit_test(white_space_around_text_is_taken_off),
        cmocka_unit_test(the_root_itself),
        cmocka_unit_test(the_first_of_several),
        cmocka_unit_test(characters_that_were_escaped),
        cmocka_unit_test(a_byte_order_mark),
        cmocka_unit_test(what_is_not_xml),
        cmocka_unit_test(every_beginning_of_a_document_is_refused),
        cmocka_unit_test(a_dtd_is_refused),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(size_is_limited),
        cmocka_unit_test(other_encodings_are_refused),
        cmocka_unit_test(nothing_is_said_on_stderr),
        cmocka_unit_test(free_takes_null),
        cmocka_unit_test(escaping),
        cmocka_unit_test(what_xml_cannot_carry_is_replaced),
        cmocka_unit_test(what_was_escaped_reads_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
