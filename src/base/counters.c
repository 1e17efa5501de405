/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/counters.h"
#include <inttypes.h>

static const char *const NAMES[COUNTER_COUNT] = {
#define X(sym, name, help) [COUNTER_##sym] = name,
    COUNTERS(X)
#undef X
};

const char *counter_name(enum counter k) {
    return NAMES[k];
}

void counters_json(const struct counters *c, struct buf *b) {
    for (unsigned k = 0; k < COUNTER_COUNT; k++)
        buf_printf(b, "%s\"%s\":%" PRIu64, k ? "," : "", NAMES[k], counter_get(c, (enum counter)k));
}
