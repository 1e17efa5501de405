/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cors.h"
#include "s3_state.h"

static void begin(struct request *r) {
    (void)r;
}

static void list_finish(struct request *r) {
    const char *prefix = request_parameter(r, "prefix"), *keys = request_parameter(r, "max-keys");
    uint64_t max = 1000;
    if (keys && (!text_number(keys, &max) || max > 1000)) {
        s3_refuse(r, "InvalidArgument");
        return;
    }
    answer_text(&r->answer, 200, "application/xml",
                site_listing(s3_site(r), prefix ? prefix : "", (unsigned)max));
    s3_decorate(r);
}

static void options_finish(struct request *r) {
    cors_answer(r, s3_site(r));
    s3_decorate(r);
}

const struct s3_operation s3_list_objects = {"ListObjects", OP_S3_OTHER, .more = MAY_LIST, .begin = begin,
                                             .finish = list_finish};
const struct s3_operation s3_options_object = {"Options", OP_S3_OTHER, .anybody = true, .begin = begin,
                                               .finish = options_finish};
