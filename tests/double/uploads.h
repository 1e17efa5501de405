/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Multipart uploads under way: parts are files in the work directory, the rest is memory. Threads: any; a mutex for the table and one an upload. An
 * upload that was found stays until it is released, also when it is finished meanwhile.
 */
#ifndef DOUBLE_UPLOADS_H
#define DOUBLE_UPLOADS_H

#include "bucket.h"
#include "s3_error.h"

#define UPLOADS_PARTS_MAX 10000
#define UPLOADS_PART_MIN ((uint64_t)5 << 20)

struct uploads;
struct upload {
    char *id, *key;
    char *headers; /* for the object */
    bool sha256;   /* made with x-amz-checksum-algorithm: each part must have its checksum */
};

/* What CompleteMultipartUpload lists. */
struct listed_part {
    unsigned number;
    char etag[128];    /* without quotes */
    char checksum[64]; /* base64; "": none was given */
};

struct uploads *uploads_new(struct bucket *);
void uploads_free(struct uploads *);
/* Takes the malloc'd headers. The id is for as long as the upload is held. */
struct upload *uploads_create(struct uploads *, const char *key, char *headers, bool sha256);
/* NULL: there is none of that id for that key. */
struct upload *uploads_find(struct uploads *, const char *id, const char *key);
void uploads_release(struct uploads *, struct upload *); /* NULL-safe */
/* No longer to be found. */
void uploads_finish(struct uploads *, struct upload *);
/* Takes the draft, in place of an earlier one of that number. */
void uploads_put_part(struct uploads *, struct upload *, unsigned number, struct draft *, const unsigned char digest[BUCKET_DIGEST]);
/* The whole, as a draft, with the base64 of its composite checksum (malloc'd; "...-3"). NULL: the error is filled. */
struct draft *uploads_assemble(struct uploads *, struct upload *, const struct listed_part *, size_t n, bool small_parts, char **ret_checksum,
                               struct s3_error *);

#endif
