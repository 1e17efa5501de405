/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is printed as a whole is looked at by tests/sh/policy.sh; here is what depends on the volume.
 */
#include "store/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct policy_area areas[] = {
    {.room = (char *)"files/"},
    {.room = (char *)"public/", .open = true},
    {.room = (char *)"public/more/", .open = true},
    {.room = (char *)"cv/", .tags = true, .kms = true, .kms_key = (char *)"arn:aws:kms:eu-west-1:1:key/abc"},
    {.room = (char *)"vault/", .kms = true, .kms_key = (char *)"0123-abcd"},
    {.room = (char *)"other/", .kms = true, .kms_key = (char *)"arn:aws:kms:eu-west-1:1:key/abc"},
};
static struct policy volume;
static struct buf out;
static struct policy_area open_files[] = {{.room = (char *)"files/", .open = true}};

static int setup(void **state) {
    (void)state;
    volume = (struct policy){.volume = "v",
                             .bucket = "my-assets",
                             .place = "team/",
                             .journal = ".assetfs",
                             .region = "eu-west-1",
                             .cdn_path = "",
                             .amazon = true,
                             .knows_areas = true,
                             .areas = open_files,
                             .n_areas = 1};
    out = BUF_INIT(1 << 20);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    buf_free(&out);
    return 0;
}

static void says(const char *part) {
    if (!strstr(buf_str(&out), part))
        fail_msg("\"%s\" is not in: %s", part, buf_str(&out));
}

static void says_not(const char *part) {
    if (strstr(buf_str(&out), part))
        fail_msg("\"%s\" is in: %s", part, buf_str(&out));
}

static size_t count(const char *part) {
    size_t n = 0;
    for (const char *p = buf_str(&out); (p = strstr(p, part)); p++)
        n++;
    return n;
}

static void prefixes_are_the_volumes_own(void **state) {
    (void)state;
    policy_json(&volume, &out);
    says("\"arn:aws:s3:::my-assets/team/.assetfs/*\"");
    says("\"arn:aws:s3:::my-assets/team/files/*\"");
    says_not("my-assets/*\"");
    says_not("s3:PutObjectTagging");
    says_not("AssetfsEncrypt");
    says_not("KEY_GROUP_ID");
}

static void what_lies_below_another_prefix_is_not_said_twice(void **state) {
    (void)state;
    volume.areas = areas;
    volume.n_areas = 3;
    policy_json(&volume, &out);
    says("my-assets/team/public/*\"");
    says_not("my-assets/team/public/more/*\"");
}

static void tags_and_keys_only_where_they_are_used(void **state) {
    (void)state;
    volume.areas = areas;
    volume.n_areas = ARRAY_SIZE(areas);
    policy_json(&volume, &out);
    says("\"Action\": \"s3:PutObjectTagging\",\n        \"Resource\": [\n          "
         "\"arn:aws:s3:::my-assets/team/cv/*\"\n        ]");
    assert_int_equal(count("arn:aws:kms:eu-west-1:1:key/abc"), 1);
    says("\"arn:aws:kms:eu-west-1:ACCOUNT_ID:key/0123-abcd\"");
}

static void an_open_area_of_a_signed_volume_has_a_behaviour_without_signers(void **state) {
    (void)state;
    volume.areas = areas;
    volume.signs = true;
    volume.n_areas = 2;
    policy_json(&volume, &out);
    says("\"PathPattern\": \"/team/public/*\"");
    says_not("\"PathPattern\": \"/team/files/*\"");
    assert_int_equal(count("\"TrustedKeyGroups\": [\"KEY_GROUP_ID\"]"), 2); /* journal, default */
    assert_int_equal(count("\"TrustedKeyGroups\": []"), 1);
}

/* A pattern has no such characters, and "?" and "*" stand for others: nobody's signed files may become open by that. */
static void an_open_area_that_no_pattern_can_name_stays_signed_and_it_is_said(void **state) {
    (void)state;
    static struct policy_area odd[] = {{.room = (char *)"files/"}, {.room = (char *)"a?/", .open = true}, {.room = (char *)"\xc3\xbc b/", .open = true}, {.room = (char *)"web/", .open = true}};
    volume.areas = odd;
    volume.n_areas = ARRAY_SIZE(odd);
    volume.signs = true;
    policy_json(&volume, &out);
    says("\"PathPattern\": \"/team/web/*\"");
    assert_int_equal(count("\"PathPattern\""), 3); /* journal, web, default */
    says("begin with team/a?/, and CloudFront has no pattern");
    says("begin with team/\xc3\xbc b/, and CloudFront has no pattern");
    buf_reset(&out);
    policy_terraform(&volume, &out);
    assert_int_equal(count("path_pattern"), 2);
    assert_int_equal(count("# The keys of an open area begin with "), 2);
}

static void a_signed_area_that_no_pattern_can_name_has_a_wider_one(void **state) {
    (void)state;
    static struct policy_area odd[] = {{.room = (char *)"files/", .open = true}, {.room = (char *)"\xc3\xbc b/?/"}};
    volume.areas = odd;
    volume.n_areas = ARRAY_SIZE(odd);
    policy_json(&volume, &out);
    says("\"PathPattern\": \"/team/*b/*/*\"");
    says_not("CloudFront has no pattern");
}

static void the_path_of_the_cdn_stands_before_keys(void **state) {
    (void)state;
    volume.cdn_path = "/static";
    policy_json(&volume, &out);
    says("\"PathPattern\": \"/static/team/.assetfs/journal/*\"");
}

static void without_a_cdn_the_writer_reads(void **state) {
    (void)state;
    volume.cdn_path = NULL;
    policy_json(&volume, &out);
    says("\"s3:GetObject\"");
    says_not("cloudfront");
    buf_reset(&out);
    policy_terraform(&volume, &out);
    says_not("cloudfront");
}

static void partitions_follow_the_region(void **state) {
    (void)state;
    volume.region = "cn-north-1";
    policy_json(&volume, &out);
    says("arn:aws-cn:s3:::my-assets/");
    says("arn:aws-cn:cloudfront::ACCOUNT_ID:");
    says_not("arn:aws:");
}

static void what_policies_read_otherwise_is_escaped(void **state) {
    (void)state;
    volume.place = "a*b?c${d}%{e}\"/";
    policy_json(&volume, &out);
    says("my-assets/a${*}b${?}c${$}{d}%{e}\\\"/.assetfs/*");
    buf_reset(&out);
    policy_terraform(&volume, &out);
    says("/a$${*}b$${?}c$${$}{d}%%{e}\\\"/.assetfs/*");
    says("prefix = \"a*b?c$${d}%%{e}\\\"/.assetfs/\"");
    says("value = \"s3://${local.bucket}/a*b?c$${d}%%{e}\\\"\"");
}

static void what_is_not_known_is_said(void **state) {
    (void)state;
    volume.knows_areas = volume.amazon = false;
    policy_json(&volume, &out);
    says("not mounted here");
    says("another server than Amazon's");
    buf_reset(&out);
    policy_terraform(&volume, &out);
    says("not mounted here");
}

static void terraform_has_a_key_group_only_with_signers(void **state) {
    (void)state;
    policy_terraform(&volume, &out);
    says_not("aws_cloudfront_key_group");
    buf_reset(&out);
    volume.signs = true;
    policy_terraform(&volume, &out);
    assert_int_equal(count("trusted_key_groups"), 2);
    says("resource \"aws_cloudfront_key_group\" \"assets\"");
    says_not("kms_key_arn");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(prefixes_are_the_volumes_own),
        T(what_lies_below_another_prefix_is_not_said_twice),
        T(tags_and_keys_only_where_they_are_used),
        T(an_open_area_of_a_signed_volume_has_a_behaviour_without_signers),
        T(an_open_area_that_no_pattern_can_name_stays_signed_and_it_is_said),
        T(a_signed_area_that_no_pattern_can_name_has_a_wider_one),
        T(the_path_of_the_cdn_stands_before_keys),
        T(without_a_cdn_the_writer_reads),
        T(partitions_follow_the_region),
        T(what_policies_read_otherwise_is_escaped),
        T(what_is_not_known_is_said),
        T(terraform_has_a_key_group_only_with_signers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
