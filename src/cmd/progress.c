/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/progress.h"
#include "base/env.h"
#include "base/units.h"
#include "fs/control.h"
#include <inttypes.h>
#include <sys/ioctl.h>
#include <time.h>

#define BAR_MAX 30

struct progress {
    bool terminal, shown;
    int64_t start_ns;
    uint64_t first_done; /* what was durable when the wait began does not count for the rate */
};

static int64_t clock_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static unsigned terminal_width(void) {
    struct winsize w;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

/* " 12.0 MiB of 30.0 MiB, 5.0 MiB/s, 4s left, 3 files" */
static void append_numbers(struct buf *b, uint64_t files, uint64_t done, uint64_t total, int64_t elapsed_ns) {
    char text[UNITS_SIZE];
    buf_printf(b, "%s", size_format(done, text));
    buf_printf(b, " of %s", size_format(total, text));
    double rate = elapsed_ns > 0 ? (double)done * 1e9 / (double)elapsed_ns : 0;
    if (rate >= 1) {
        buf_printf(b, ", %s/s", size_format((uint64_t)rate, text));
        double left_s = (double)(total - done) / rate;
        if (done < total && left_s < 100 * 86400.0)
            buf_printf(b, ", %s left", duration_format(((int64_t)left_s + 1) * NS_PER_S, text));
    }
    buf_printf(b, ", %" PRIu64 " file%s", files, files == 1 ? "" : "s");
}

void progress_bar(struct buf *ret, uint64_t files, uint64_t done, uint64_t total, int64_t elapsed_ns,
                  unsigned width) {
    CLEANUP_BUF struct buf numbers = BUF_INIT(512);
    done = MIN(done, total);
    if (total == 0) {
        buf_append_str(ret, "waiting for the journal");
        return;
    }
    double share = (double)done / (double)total;
    append_numbers(&numbers, files, done, total, elapsed_ns);
    unsigned n = MIN(width / 3, (unsigned)BAR_MAX), full = (unsigned)(share * n);
    if (numbers.len + n + 10 < width) { /* "[] 100%  " and a free column */
        buf_append_byte(ret, '[');
        for (unsigned i = 0; i < n; i++)
            buf_append_byte(ret, i < full ? '#' : '.');
        buf_append_str(ret, "] ");
    }
    buf_printf(ret, "%3u%%  ", (unsigned)(share * 100));
    size_t room = width > 7 ? width - 7 : 0;
    buf_append(ret, numbers.data, MIN(numbers.len, room));
}

static void show(struct progress *p, uint64_t files, uint64_t done, uint64_t total) {
    int64_t now = clock_ns();
    if (!p->shown) {
        p->start_ns = now;
        p->first_done = done;
    }
    p->shown = true;
    CLEANUP_BUF struct buf line = BUF_INIT(1024);
    uint64_t base = MIN(p->first_done, MIN(done, total));
    progress_bar(&line, files, done - base, total - base, now - p->start_ns, terminal_width());
    fprintf(stderr, "\r%s\033[K", buf_str(&line));
    fflush(stderr);
}

static void on_line(void *arg, const char *line) {
    struct progress *p = arg;
    uint64_t files, done, total;
    if (p->terminal && sscanf(line, "progress %" SCNu64 " %" SCNu64 " %" SCNu64, &files, &done, &total) == 3)
        show(p, files, done, total);
}

static int parse_left(const char *answer, struct progress_left *ret) {
    struct progress_left left = {0};
    int n = 0;
    if (sscanf(answer, "left %" SCNu64 " %" SCNu64 " %n", &left.files, &left.bytes, &n) < 2)
        return -EPROTO;
    if (n > 0 && answer[n])
        left.sentence = xstrdup(answer + n);
    *ret = left;
    return 1;
}

int progress_wait(const char *socket, const char *request, int64_t timeout_ns, struct progress_left *ret,
                  struct buf *why) {
    CLEANUP_BUF struct buf answer = BUF_INIT(1 << 16);
    CLEANUP_FREE char *line = timeout_ns < 0 ? xasprintf("%s -", request)
                                             : xasprintf("%s %" PRId64, request, timeout_ns / NS_PER_MS);
    struct progress p = {.terminal = isatty(STDERR_FILENO)};
    int r = control_ask(socket, line, on_line, &p, &answer);
    if (p.shown)
        fprintf(stderr, "\r\033[K");
    if (r < 0)
        return r;
    const char *a = buf_str(&answer);
    if (strncmp(a, "done", 4) == 0)
        return 0;
    if (strncmp(a, "left", 4) == 0)
        return parse_left(a, ret);
    buf_append_str(why, strlen(a) > 6 ? a + 6 : "the daemon could not say what went wrong");
    return -EREMOTEIO;
}

char *progress_describe(const struct progress_left *left) {
    char size[UNITS_SIZE];
    size_format(left->bytes, size);
    const char *colon = left->sentence ? ": " : "", *sentence = left->sentence ? left->sentence : "";
    if (left->files == 0)
        return xasprintf("changes of names or attributes are not in the bucket yet%s%s", colon, sentence);
    return xasprintf("%" PRIu64 " file%s (%s) %s not in the bucket yet%s%s", left->files,
                     left->files == 1 ? "" : "s", size, left->files == 1 ? "is" : "are", colon, sentence);
}
