/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "site.h"
#include "text.h"

static void one(void *arg, const char *key) {
    FILE *f = arg;
    fputs("<Contents><Key>", f);
    text_xml(f, key);
    fputs("</Key></Contents>", f);
}

char *site_listing(struct site *site, const char *prefix, unsigned max) {
    char *text;
    size_t n;
    FILE *f = xmemstream(&text, &n);
    fprintf(f,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
            "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>%s</Name><Prefix>",
            site->bucket_name);
    text_xml(f, prefix);
    fprintf(f, "</Prefix><MaxKeys>%u</MaxKeys>", max);
    bucket_list(site->bucket, prefix, max, one, f);
    fputs("</ListBucketResult>", f);
    fclose(f);
    return text;
}
