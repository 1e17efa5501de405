/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/past.h"
#include "base/log.h"
#include "base/units.h"
#include "tree/object.h"
#include <inttypes.h>

/* When the newest entry from `seq` down to `above` + 1 was written, by its host's clock: 1; 0: all of them
 * are void, and change nothing. */
static int time_of(struct tree *t, uint64_t seq, uint64_t above, int64_t *ret, struct buf *why) {
    for (; seq > above; seq--) {
        CLEANUP_FREE char *key = entry_key(t->cfg.prefix, seq);
        CLEANUP_BUF struct buf data = BUF_INIT(ENTRY_MAX + 1);
        CLEANUP_ENTRY struct entry e = {0};
        int r = object_get(t->cfg.reader, key, &data, why);
        if (r < 0)
            return r;
        r = entry_open(data.data, data.len, t->cfg.keys, t->cfg.prefix, seq, &e);
        if (r == 0) {
            *ret = e.time;
            return 1;
        }
        if (r == -EPROTONOSUPPORT) {
            buf_printf(why, "journal entry %" PRIu64 " is of a newer format; install a newer assetfs", seq);
            return r;
        }
    }
    return 0;
}

/* Clocks may be wrong, and then times do not ascend; what is found is an entry that is not after `time` while
 * the next one is. */
static int find_time(struct tree *t, int64_t time, uint64_t head, uint64_t *ret, struct buf *why) {
    char text[UNITS_SIZE];
    int64_t at;
    uint64_t lo = 1, hi = head;
    int r = time_of(t, head, 0, &at, why);
    if (r < 0)
        return r;
    if (r == 0 || at <= time) {
        *ret = head;
        return 0;
    }
    r = time_of(t, 1, 0, &at, why);
    if (r == 1 && at > time) {
        buf_printf(why, "at=: the volume was made later, at %s", time_format(at, text));
        return -EINVAL;
    }
    while (r >= 0 && hi - lo > 1) {
        uint64_t mid = lo + (hi - lo) / 2;
        r = time_of(t, mid, lo, &at, why);
        if (r == 1 && at > time)
            hi = mid;
        else
            lo = mid;
    }
    *ret = lo;
    return r < 0 ? r : 0;
}

int past_find(struct tree *t, uint64_t head, uint64_t *ret, struct buf *why) {
    const struct past *p = &t->cfg.at;
    char text[UNITS_SIZE];
    int r = 0;
    *ret = head;
    if (p->kind == PAST_SEQUENCE && p->sequence > head) {
        buf_printf(why, "at=%" PRIu64 ": the newest journal entry is %" PRIu64, p->sequence, head);
        return -EINVAL;
    }
    if (p->kind == PAST_TIME && p->time > env_now(t->env)) {
        buf_printf(why, "at=: %s is in the future; at=now is the newest state", time_format(p->time, text));
        return -EINVAL;
    }
    if (p->kind == PAST_SEQUENCE)
        *ret = p->sequence;
    else if (p->kind == PAST_TIME)
        r = find_time(t, p->time, head, ret, why);
    if (r == 0)
        log_info("this mount shows the volume as it was after journal entry %" PRIu64 " of %" PRIu64, *ret,
                 head);
    return r;
}
