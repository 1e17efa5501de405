/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/url.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* text is a URL with these parts, and reads as `again` when it is written. */
static void assert_url(const char *text, bool https, const char *host, unsigned port, const char *authority,
                       const char *path, const char *again) {
    struct url u;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    if (url_parse(text, &u, &why) < 0)
        fail_msg("%s", buf_str(&why));
    CLEANUP_FREE char *back = url_text(&u);
    assert_int_equal(u.https, https);
    assert_string_equal(u.host, host);
    assert_int_equal(u.port, port);
    assert_string_equal(u.authority, authority);
    assert_string_equal(u.path, path);
    assert_string_equal(back, again);
    assert_int_equal(why.len, 0);
    url_free(&u);
    assert_null(u.host);
}

/* It is none, and the sentence has this. */
static void assert_no_url(const char *text, const char *part) {
    struct url u = {0};
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    assert_int_equal(url_parse(text, &u, &why), -EINVAL);
    assert_null(u.host);
    if (!strstr(buf_str(&why), part))
        fail_msg("\"%s\" does not say \"%s\"", buf_str(&why), part);
}

static void an_https_url(void **state) {
    (void)state;
    assert_url("https://d111.cloudfront.net", true, "d111.cloudfront.net", 443, "d111.cloudfront.net", "",
               "https://d111.cloudfront.net");
}

static void a_url_with_port_and_path(void **state) {
    (void)state;
    assert_url("https://d111.cloudfront.net:8443/some/base", true, "d111.cloudfront.net", 8443,
               "d111.cloudfront.net:8443", "/some/base", "https://d111.cloudfront.net:8443/some/base");
}

static void the_schemes_own_port_is_not_in_the_authority(void **state) {
    (void)state;
    assert_url("http://h:80", false, "h", 80, "h", "", "http://h");
    assert_url("https://h:443/", true, "h", 443, "h", "", "https://h");
    assert_url("http://h:443", false, "h", 443, "h:443", "", "http://h:443");
    assert_url("https://h:", true, "h", 443, "h", "", "https://h");
}

static void scheme_and_host_are_lower_case(void **state) {
    (void)state;
    assert_url("HTTP://S3.Example.COM/Base", false, "s3.example.com", 80, "s3.example.com", "/Base",
               "http://s3.example.com/Base");
}

static void slashes_at_the_end_are_dropped(void **state) {
    (void)state;
    assert_url("http://h/", false, "h", 80, "h", "", "http://h");
    assert_url("http://h/a//", false, "h", 80, "h", "/a", "http://h/a");
}

static void the_path_stays_as_it_is(void **state) {
    (void)state;
    assert_url("http://h/a/../b/./%7e%2F(c)//d", false, "h", 80, "h", "/a/../b/./%7e%2F(c)//d",
               "http://h/a/../b/./%7e%2F(c)//d");
}

static void an_ipv6_address(void **state) {
    (void)state;
    assert_url("http://[2001:db8::A]:9000/x", false, "2001:db8::a", 9000, "[2001:db8::a]:9000", "/x",
               "http://[2001:db8::a]:9000/x");
    assert_url("https://[::1]", true, "::1", 443, "[::1]", "", "https://[::1]");
}

/* libcurl connects to 127.0.0.1, so that is what is checked. */
static void other_notations_of_an_ipv4_address(void **state) {
    (void)state;
    assert_url("http://127.1:9000", false, "127.0.0.1", 9000, "127.0.0.1:9000", "", "http://127.0.0.1:9000");
    assert_url("http://0x7f000001", false, "127.0.0.1", 80, "127.0.0.1", "", "http://127.0.0.1");
}

static void only_http(void **state) {
    (void)state;
    assert_no_url("s3.example.com", "must begin with https:// or http://");
    assert_no_url("ftp://h/", "must begin with");
    assert_no_url("http:/h", "must begin with");
    assert_no_url(" http://h", "must begin with");
    assert_no_url("", "\"\": a URL must begin with");
}

static void no_host(void **state) {
    (void)state;
    assert_no_url("http://", "has no host name");
    assert_no_url("http:///path", "has no host name");
    assert_no_url("http://:80/", "has no host name");
}

static void bad_hosts(void **state) {
    (void)state;
    assert_no_url("http://a b/", "\"http://a b/\": the host name has a character");
    assert_no_url("http://a%41/", "a character that cannot be in one");
    assert_no_url("http://a\\b/", "a character that cannot be in one");
    assert_no_url("http://b\u00fccher.example/", "xn--");
    assert_no_url("http://[::1/", "the host name cannot be one");
    assert_no_url("http://[::g]/", "the host name cannot be one");
    assert_no_url("http://[fe80::1%25eth0]/", "a character that cannot be in one");
    assert_no_url("http://a]b/", "the host name");
    assert_no_url("http://a[b/", "the host name");
    assert_no_url("http://[::1]x/", "");
}

static void bad_ports(void **state) {
    (void)state;
    assert_no_url("http://h:0", "from 1 to 65535");
    assert_no_url("http://h:65536", "from 1 to 65535");
    assert_no_url("http://h:99999999999999999999", "from 1 to 65535");
    assert_no_url("http://h:x", "from 1 to 65535");
    assert_no_url("http://h:80:80", "");
}

static void no_query_and_no_fragment(void **state) {
    (void)state;
    assert_no_url("http://h/?a", "query or a fragment");
    assert_no_url("http://h?", "query or a fragment");
    assert_no_url("http://h/a#b", "query or a fragment");
}

static void bad_paths(void **state) {
    (void)state;
    assert_no_url("http://h/a b", "the byte 0x20 in the path must be written as %20");
    assert_no_url("http://h/\xc3\xbc", "0xc3");
    assert_no_url("http://h/100%", "two hexadecimal digits");
    assert_no_url("http://h/%4", "two hexadecimal digits");
    assert_no_url("http://h/%zz", "two hexadecimal digits");
}

/* What may be a secret is left out, and no line can be forged. */
static void sentences_do_not_tell_secrets(void **state) {
    (void)state;
    static const char *texts[] = {"http://me:hush@host/x", "http://hush@x@host/", "https://host/x?sig=hush",
                                  "http://host/#hush", "ftp://me:hush@host/a@b"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct url u;
        CLEANUP_BUF struct buf why = BUF_INIT(4096);
        assert_int_equal(url_parse(texts[i], &u, &why), -EINVAL);
        assert_null(strstr(buf_str(&why), "hush"));
        assert_non_null(strstr(buf_str(&why), "host"));
    }
    assert_no_url("http://h/a\nb", "\"http://h/a?b\"");
    assert_no_url("http://me:hush@host/x", "\"http://...@host/x\": a URL with a user name");
}

static bool loopback(const char *text) {
    struct url u;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    assert_int_equal(url_parse(text, &u, &why), 0);
    bool ret = url_is_loopback(&u);
    url_free(&u);
    return ret;
}

static void this_machine(void **state) {
    (void)state;
    assert_true(loopback("http://localhost:9000"));
    assert_true(loopback("http://LOCALHOST"));
    assert_true(loopback("http://127.0.0.1"));
    assert_true(loopback("http://127.255.1.2/x"));
    assert_true(loopback("http://[::1]:80"));
    assert_true(loopback("http://[0:0:0:0:0:0:0:1]"));
}

static void other_machines(void **state) {
    (void)state;
    assert_false(loopback("http://localhost.example.com"));
    assert_false(loopback("http://127.0.0.1.example.com"));
    assert_false(loopback("http://128.0.0.1"));
    assert_false(loopback("http://0.0.0.0"));
    assert_false(loopback("http://[::2]"));
    assert_false(loopback("http://[::]"));
}

static char *encoded(const void *p, size_t n, bool keep_slash) {
    struct buf b = BUF_INIT(4096);
    url_encode(&b, p, n, keep_slash);
    return (char *)buf_take(&b, NULL);
}

static void unreserved_bytes_stay(void **state) {
    (void)state;
    const char *all = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
    CLEANUP_FREE char *e = encoded(all, strlen(all), false);
    assert_string_equal(e, all);
}

static void every_other_byte_is_encoded(void **state) {
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        char want[4];
        unsigned char byte = (unsigned char)c;
        CLEANUP_FREE char *e = encoded(&byte, 1, false);
        snprintf(want, sizeof want, "%%%02X", c);
        bool stays = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
                     c == '.' || c == '_' || c == '~';
        assert_string_equal(e, stays ? ((char[2]){(char)c, '\0'}) : want);
    }
}

static void slashes_stay_if_wanted(void **state) {
    (void)state;
    CLEANUP_FREE char *yes = encoded("a/b c", 5, true), *no = encoded("a/b c", 5, false);
    assert_string_equal(yes, "a/b%20c");
    assert_string_equal(no, "a%2Fb%20c");
}

static void every_byte_but_nul_comes_back(void **state) {
    (void)state;
    unsigned char all[256];
    for (unsigned c = 1; c < 256; c++)
        all[c - 1] = (unsigned char)c;
    all[255] = '\0';
    CLEANUP_FREE char *e = encoded(all, 255, true);
    CLEANUP_FREE char *back = url_decode(e);
    assert_string_equal(back, (const char *)all);
}

static void decoding(void **state) {
    (void)state;
    CLEANUP_FREE char *d = url_decode("a+b%2f%2F \xc3\xbc"), *empty = url_decode("");
    assert_string_equal(d, "a+b// \xc3\xbc");
    assert_string_equal(empty, "");
}

static void what_cannot_be_decoded(void **state) {
    (void)state;
    static const char *bad[] = {"%", "a%4", "%zz", "%4g", "%%41", "%00", "a%00b", "% 1", "%+1"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_null(url_decode(bad[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_https_url),
        cmocka_unit_test(a_url_with_port_and_path),
        cmocka_unit_test(the_schemes_own_port_is_not_in_the_authority),
        cmocka_unit_test(scheme_and_host_are_lower_case),
        cmocka_unit_test(slashes_at_the_end_are_dropped),
        cmocka_unit_test(the_path_stays_as_it_is),
        cmocka_unit_test(an_ipv6_address),
        cmocka_unit_test(other_notations_of_an_ipv4_address),
        cmocka_unit_test(only_http),
        cmocka_unit_test(no_host),
        cmocka_unit_test(bad_hosts),
        cmocka_unit_test(bad_ports),
        cmocka_unit_test(no_query_and_no_fragment),
        cmocka_unit_test(bad_paths),
        cmocka_unit_test(sentences_do_not_tell_secrets),
        cmocka_unit_test(this_machine),
        cmocka_unit_test(other_machines),
        cmocka_unit_test(unreserved_bytes_stay),
        cmocka_unit_test(every_other_byte_is_encoded),
        cmocka_unit_test(slashes_stay_if_wanted),
        cmocka_unit_test(every_byte_but_nul_comes_back),
        cmocka_unit_test(decoding),
        cmocka_unit_test(what_cannot_be_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
