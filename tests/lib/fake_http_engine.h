/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The functions of net/http.h, by the fake engine (fake_http.h). One .c file of a test program includes this; the linker then has no need of the real ones. All of them are here,
 * for one that is missing would bring the real engine, and each name twice.
 */
#ifndef ASSETFS_TESTS_FAKE_HTTP_ENGINE_H
#define ASSETFS_TESTS_FAKE_HTTP_ENGINE_H

#include "fake_http.h"

/* A pair that opens an engine by itself gets one that nobody answers. */
int http_new(const struct http_config *config, struct http **ret, struct buf *why) {
    (void)why;
    *ret = fake_http_new(config->env, NULL, NULL);
    return 0;
}
struct http *http_free(struct http *h) {
    return fake_http_free(h);
}
struct http_call *http_submit(struct http *h, const struct http_request *request, http_done done, void *arg) {
    return fake_http_submit(h, request, done, arg);
}
void http_cancel(struct http *h, struct http_call *call) {
    fake_http_cancel(h, call);
}
size_t http_active(struct http *h) {
    return fake_http_active(h);
}
const char *http_header(const struct http_response *r, const char *name) {
    return fake_http_header(r, name);
}
struct bytes *http_keep_body(const struct http_response *r) {
    return fake_http_keep_body(r);
}
int64_t http_date(const char *value) {
    return fake_http_date(value);
}

#endif
