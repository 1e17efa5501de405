/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cors.h"

#define THE_ORIGIN "https://www.example.com"

static bool is_allowed(const struct request *r, struct site *site) {
    const char *origin = request_header(r, "Origin");
    int rule = atomic_load(&site->cors);
    return origin && (rule == 1 || (rule == 2 && !strcmp(origin, THE_ORIGIN)));
}

void cors_decorate(struct request *r, struct site *site) {
    if (!is_allowed(r, site))
        return;
    answer_header(&r->answer, "Access-Control-Allow-Origin", "%s",
                  atomic_load(&site->cors) == 1 ? "*" : THE_ORIGIN);
    answer_header(&r->answer, "Access-Control-Allow-Methods", "GET, HEAD");
    answer_header(&r->answer, "Vary",
                  "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
}

void cors_answer(struct request *r, struct site *site) {
    const char *method = request_header(r, "Access-Control-Request-Method"),
               *headers = request_header(r, "Access-Control-Request-Headers");
    if (!is_allowed(r, site) || !method || (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)) {
        answer_text(&r->answer, 403, "application/xml",
                    xstrdup("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessForbidden</Code>"
                            "<Message>CORSResponse: This CORS request is not allowed.</Message></Error>"));
        answer_header(&r->answer, "x-amz-request-id", "%s", r->id);
        return;
    }
    answer_text(&r->answer, 200, "text/plain", xstrdup(""));
    cors_decorate(r, site);
    if (headers)
        answer_header(&r->answer, "Access-Control-Allow-Headers", "%s", headers);
}
