/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/http_parts.h"

/* So long a stretch of unused allowance may be used up at once; it also bounds the debt's granularity. */
#define BURST_NS (50 * NS_PER_MS)
#define LONG_NS (86400 * NS_PER_S)

void http_limit_init(struct http_limit *l, uint64_t rate, int64_t now) {
    rate = MIN(rate, (uint64_t)1 << 40);
    *l = (struct http_limit){
        .rate = rate, .burst = MAX((int64_t)(rate / (NS_PER_S / BURST_NS)), 1), .at = now};
    l->tokens = l->burst;
}

/* Only whole tokens are added and the time they took: nothing is lost to rounding. */
static void fill(struct http_limit *l, int64_t now) {
    int64_t ns = now - l->at;
    if (ns <= 0)
        return;
    if (ns > LONG_NS) { /* nothing is owed any more */
        l->tokens = l->burst;
        l->at = now;
        return;
    }
    int64_t tokens = (int64_t)((unsigned __int128)ns * l->rate / NS_PER_S);
    if (tokens == 0)
        return;
    l->tokens += tokens;
    l->at += (int64_t)((unsigned __int128)tokens * NS_PER_S / l->rate);
    if (l->tokens > l->burst) {
        l->tokens = l->burst;
        l->at = now;
    }
}

bool http_limit_ready(struct http_limit *l, int64_t now) {
    if (l->rate == 0)
        return true;
    fill(l, now);
    return l->tokens > 0;
}

void http_limit_take(struct http_limit *l, uint64_t n) {
    if (l->rate > 0)
        l->tokens -= (int64_t)n;
}

int64_t http_limit_at(const struct http_limit *l) {
    int64_t missing = 1 - l->tokens;
    if (l->rate == 0 || missing <= 0)
        return l->at;
    return l->at + (int64_t)(((unsigned __int128)missing * NS_PER_S + l->rate - 1) / l->rate);
}
