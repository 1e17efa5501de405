/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An S3 store over a fake engine (fake_http.h) in virtual time (fake_env.h), for its unit tests. Credentials
 * come from the environment, or from a file that the test replaces.
 *
 *     static struct s3_box box;
 *     s3_box_open(&box, &(struct s3_config){.multipart_from = 100});
 *     fake_http_say(box.http, &(struct fake_answer){.status = 200, .headers = {"ETag: \"1\""}});
 *     call_put(&c, box.store, "files/x", "hello", 5);
 *     fake_env_run(box.fake);
 */
#ifndef ASSETFS_TESTS_S3_BOX_H
#define ASSETFS_TESTS_S3_BOX_H

#include "fake_env.h"
#include "fake_http.h"
#include "store/s3.h"
#include "store_call.h"

struct s3_box {
    struct fake_env *fake;
    struct http *http;
    struct credentials *credentials;
    struct customer_keys *customer_keys;
    struct store *store;
    struct counters counters;
};

/* bucket "assets" at http://127.0.0.1:9000, prefix "", timeout 60 s, where the configuration is silent; keys
 * AKIDEXAMPLE, or those of $AWS_SHARED_CREDENTIALS_FILE if that is set. */
void s3_box_open(struct s3_box *, const struct s3_config *, fake_http_handler, void *arg);
/* With the customer keys of that file; NULL: none. */
void s3_box_open_with_keys(struct s3_box *, const struct s3_config *, const char *key_file, fake_http_handler, void *arg);
void s3_box_close(struct s3_box *);

/* An answer of S3 with an <Error>; `more` is put into it ("<Region>x</Region>"), or "". Valid until 16 more
 * were made. */
const struct fake_answer *s3_error(int status, const char *code, const char *more);

#endif
