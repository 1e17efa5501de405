/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/http_parts.h"

#include <time.h>

/* A wait that ends so much later than it should: the process was stopped. */
#define LATE_NS (5 * NS_PER_S)
/* CLOCK_BOOTTIME runs on while the machine sleeps, CLOCK_MONOTONIC stands still. */
#define SLEPT_NS NS_PER_S
/* After a resume a transfer that gets no byte for so long is given up: its connection has died meanwhile,
 * more often than not. */
#define RESUME_STALL_NS (5 * NS_PER_S)
#define WAIT_MAX_NS (3600 * NS_PER_S)

static int64_t read_clock(clockid_t id) {
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t http_mono(void) {
    return read_clock(CLOCK_MONOTONIC);
}

/* New calls into their queues, cancelled ones out of wherever they are. False: the engine ends. */
static bool take_inbox(struct http *h) {
    struct http_call *c, *next, *inbox;
    pthread_mutex_lock(&h->mutex);
    h->waiting = false;
    inbox = h->inbox;
    h->inbox = NULL;
    bool go_on = !h->stopping;
    h->stopped = !go_on;
    DL_FOREACH_SAFE (inbox, c, next)
        http_host_queue(c);
    bool cancels = h->cancels;
    pthread_mutex_unlock(&h->mutex);
    while (cancels) {
        pthread_mutex_lock(&h->mutex);
        c = h->cancels;
        pthread_mutex_unlock(&h->mutex);
        if (!c)
            break;
        http_transfer_abort(c, -ECANCELED, http_why(c, "cancelled"));
    }
    return go_on;
}

/* Connections from before a sleep are dead, or about to be found so by a long timeout. */
static void note_clocks(struct http *h, int64_t now) {
    struct http_call *c, *next;
    struct http_host *host;
    int64_t slept = read_clock(CLOCK_BOOTTIME) - now;
    bool resumed = slept - h->slept_ns > SLEPT_NS || now - h->expected_by > LATE_NS;
    h->slept_ns = slept;
    h->expected_by = now;
    if (!resumed)
        return;
    h->next_check = 0;
    for (host = h->hosts; host; host = host->hh.next) {
        host->fresh = true;
        host->good_from = now;
    }
    DL_FOREACH_SAFE (h->running, c, next) {
        curl_easy_setopt(c->easy, CURLOPT_FORBID_REUSE, 1L);
        c->moved_at = now;
        c->stall_ns = MIN(h->stall_timeout_ns, RESUME_STALL_NS);
        if (c->two) /* a connection that others use goes on being used: so let nobody use it */
            http_transfer_again(c);
    }
}

static unsigned collect(struct http *h) {
    unsigned n = 0;
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(h->multi, &left));) {
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode result = m->data.result;
        struct http_call *c;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c);
        http_transfer_end(c, result);
        n++;
    }
    return n;
}

/* Bytes in either direction, as far as the kernel has taken or given them. */
static uint64_t moved(struct http_call *c) {
    curl_off_t up = 0, down = 0;
    long head = 0, request = 0;
    curl_easy_getinfo(c->easy, CURLINFO_SIZE_UPLOAD_T, &up);
    curl_easy_getinfo(c->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
    curl_easy_getinfo(c->easy, CURLINFO_HEADER_SIZE, &head);
    curl_easy_getinfo(c->easy, CURLINFO_REQUEST_SIZE, &request);
    return (uint64_t)up + (uint64_t)down + (uint64_t)head + (uint64_t)request;
}

static int64_t earlier(int64_t a, int64_t b) {
    return MIN(a, b);
}

static bool is_connecting_too_long(const struct http_call *c, int64_t now) {
    return c->two && now - c->started_at >= c->http->connect_timeout_ns && http_two_connects(c);
}

/* Returns when to look again. */
static int64_t check_running(struct http_call *c, int64_t now) {
    if (now >= c->deadline) {
        http_transfer_abort(c, -ETIMEDOUT,
                            http_why(c, "no complete answer within %.1f s", (double)c->req.timeout_ns / 1e9));
        return INT64_MAX;
    }
    if (is_connecting_too_long(c, now)) {
        http_transfer_abort(c, -ETIMEDOUT, http_why(c, "no connection within %.1f s", (double)c->http->connect_timeout_ns / 1e9));
        return INT64_MAX;
    }
    uint64_t m = moved(c);
    if (m != c->moved || c->send_paused || c->receive_paused) {
        c->moved = m;
        c->moved_at = now;
        c->stall_ns = c->http->stall_timeout_ns;
    }
    if (now - c->moved_at >= c->stall_ns) {
        c->host->good_from = now; /* the way there may be another one now: whoever waits on the other
                                     connections will not wait for each */
        http_two_doubt(c, now);
        http_transfer_abort(c, -ETIMEDOUT,
                            http_why(c, "nothing has moved for %.1f s", (double)c->stall_ns / 1e9));
        return now; /* once more through all of them, for http_two_is_doubted() */
    }
    if (http_two_is_doubted(c, now)) {
        curl_easy_setopt(c->easy, CURLOPT_FORBID_REUSE, 1L);
        http_transfer_again(c);
        return INT64_MAX;
    }
    /* When bytes last moved is only seen here: so look more often. */
    int64_t at = MIN(c->deadline, MIN(c->moved_at + c->stall_ns, now + c->stall_ns / 4));
    int64_t connected_by = c->started_at + c->http->connect_timeout_ns;
    return c->two && connected_by > now ? MIN(at, connected_by) : at;
}

static int64_t check_queue(struct http_call *queue, int64_t now) {
    struct http_call *c, *next;
    int64_t at = INT64_MAX;
    DL_FOREACH_SAFE (queue, c, next) {
        if (now < c->deadline) {
            at = MIN(at, c->deadline);
            continue;
        }
        bool paused = now < c->host->not_before;
        http_transfer_abort(
            c, -ETIMEDOUT,
            http_why(c, "not sent within %.1f s: %s", (double)c->req.timeout_ns / 1e9,
                     paused ? "the server has asked for a pause" : "all connections were busy"));
    }
    return at;
}

/* Every deadline there is was looked at when next_check was set, and may only have become later since, or
 * lowered it: so this is rarely more than one comparison. True: a place has become free. */
static bool check_times(struct http *h, int64_t now) {
    struct http_call *c, *next;
    struct http_host *host;
    if (now < h->next_check)
        return false;
    unsigned running = h->n_running, queued = h->n_queued;
    int64_t at = INT64_MAX;
    DL_FOREACH_SAFE (h->running, c, next)
        at = earlier(at, check_running(c, now));
    for (host = h->hosts; host; host = host->hh.next)
        at = earlier(at, earlier(check_queue(host->urgent, now), check_queue(host->waiting, now)));
    h->next_check = at;
    return h->n_running < running || h->n_queued < queued;
}

/* From now on whoever brings something wakes the thread. False: there is something already. */
static bool begin_waiting(struct http *h) {
    SCOPE_LOCK(&h->mutex);
    return h->waiting = !h->inbox && !h->cancels && !h->stopping;
}

static void wait_for_something(struct http *h) {
    int64_t now = http_mono();
    if (h->n_running + h->n_queued == 0)
        http_room_drop(h);
    if (!begin_waiting(h))
        return;
    int64_t at = earlier(h->next_check, http_host_next(h, now));
    if (h->n_send_paused > 0)
        at = earlier(at, http_limit_at(&h->up));
    if (h->n_receive_paused > 0)
        at = earlier(at, http_limit_at(&h->down));
    int64_t ns = MIN(MAX(at - now, 0), WAIT_MAX_NS);
    int64_t ms = (ns + NS_PER_MS - 1) / NS_PER_MS;
    h->expected_by = now + ms * NS_PER_MS;
    curl_multi_poll(h->multi, NULL, 0, (int)ms, NULL);
}

static void cancel_all(struct http *h) {
    struct http_call *c, *next;
    struct http_host *host;
    for (host = h->hosts; host; host = host->hh.next) {
        struct http_call **queues[] = {&host->urgent, &host->waiting};
        for (size_t i = 0; i < ARRAY_SIZE(queues); i++)
            DL_FOREACH_SAFE (*queues[i], c, next)
                http_transfer_abort(c, -ECANCELED, http_why(c, "the program is ending"));
    }
    DL_FOREACH_SAFE (h->running, c, next)
        http_transfer_abort(c, -ECANCELED, http_why(c, "the program is ending"));
}

void *http_thread(void *arg) {
    struct http *h = arg;
    pthread_setname_np(pthread_self(), "assetfs-http");
    int64_t now = http_mono();
    h->slept_ns = read_clock(CLOCK_BOOTTIME) - now;
    h->expected_by = now;
    while (take_inbox(h)) {
        int left;
        now = http_mono();
        note_clocks(h, now);
        http_transfer_unpause(h, now); /* may end some, and so free places */
        http_host_pump(h, now);
        curl_multi_perform(h->multi, &left);
        bool go_on = collect(h) > 0;
        go_on |= http_two_opened(h);
        go_on |= check_times(h, http_mono());
        if (!go_on) /* else places have become free */
            wait_for_something(h);
    }
    cancel_all(h);
    return NULL;
}
