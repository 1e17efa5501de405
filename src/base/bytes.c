/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/bytes.h"

static void copy_free(struct bytes *b) {
    free(b);
}

struct bytes *bytes_copy(const void *data, size_t len) {
    struct bytes *b = xmalloc(sizeof *b + len);
    if (len)
        memcpy(b + 1, data, len);
    *b = (struct bytes){.data = b + 1, .len = len, .free = copy_free};
    return b;
}
