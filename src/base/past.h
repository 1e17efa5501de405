/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which state of a volume a read-only mount shows (option at=): after a journal entry, at a time, or the newest at the time of mounting. Pure.
 */
#ifndef ASSETFS_PAST_H
#define ASSETFS_PAST_H

#include "base/buf.h"

enum past_kind { PAST_NONE, PAST_NOW, PAST_SEQUENCE, PAST_TIME };

struct past {
    enum past_kind kind; /* PAST_NONE: the live volume */
    uint64_t sequence;
    int64_t time;        /* ns since 1970 */
};

/* "now"; a number: after that journal entry; "@SECONDS" since 1970; a time as in RFC 3339 or as date(1) writes it with -I and --rfc-3339: 2026-11-22, 2026-11-22T09:30,
 * 2026-11-22 09:30:00.5, with Z, UTC or +01:00 behind it, UTC where nothing is; a day is its beginning. -EINVAL with a sentence. */
int past_parse(const char *, struct past *ret, struct buf *why) ATTR_WARN_UNUSED;

#endif
