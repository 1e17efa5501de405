/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"
#include "base/units.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syslog.h>
#include <time.h>

/* Where messages go. The mutex is held while a line is written, so that lines stay whole and in order and
 * log_to_fd(-1) returns only when nobody uses the old descriptor any more. */
static struct {
    pthread_mutex_t mutex;
    const char *program; /* guarded by mutex */
    bool syslog;         /* guarded by mutex */
    int fd;              /* guarded by mutex; -1: none */
} sink = {.mutex = PTHREAD_MUTEX_INITIALIZER, .program = "assetfs", .fd = -1};

static _Atomic int max_level = LOG_LEVEL_INFO;

#define LINE_SIZE 4096

void log_set_level(enum log_level level) {
    atomic_store(&max_level, (int)level);
}

void log_to_syslog(const char *ident) {
    SCOPE_LOCK(&sink.mutex);
    openlog(ident, LOG_PID, LOG_DAEMON);
    sink.syslog = true;
}

void log_to_fd(int fd) {
    SCOPE_LOCK(&sink.mutex);
    sink.fd = fd;
}

void log_set_program(const char *name) {
    SCOPE_LOCK(&sink.mutex);
    sink.program = name;
}

/* systemd names the stream it reads by device and inode; a stderr redirected elsewhere is not it. */
static bool stderr_is_journal(void) {
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long dev, ino;
    struct stat st;
    return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
           st.st_dev == dev && st.st_ino == ino;
}

static const char *level_name(int level) {
    switch (level) {
    case LOG_LEVEL_ERROR:
        return "error";
    case LOG_LEVEL_WARNING:
        return "warning";
    case LOG_LEVEL_DEBUG:
        return "debug";
    default:
        return "info";
    }
}

static void write_line(int fd, const char *line, int n) {
    size_t left = (size_t)MIN(n, LINE_SIZE + 255);
    while (left > 0) {
        ssize_t r = write(fd, line, left);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return; /* a log that cannot be written has nobody to tell */
        line += r;
        left -= (size_t)r;
    }
}

static void emit_stderr(int level, const char *message) {
    char line[LINE_SIZE + 256], prefix[8] = "";
    if (stderr_is_journal())
        snprintf(prefix, sizeof prefix, "<%d>", level);
    write_line(STDERR_FILENO, line,
               snprintf(line, sizeof line, "%s%.64s: %s%s\n", prefix, sink.program,
                        level == LOG_LEVEL_WARNING ? "warning: " : "", message));
}

static void emit_fd(int level, const char *message) {
    char line[LINE_SIZE + 256], when[UNITS_SIZE];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    time_format((int64_t)now.tv_sec * 1000000000 + now.tv_nsec, when);
    write_line(sink.fd, line, snprintf(line, sizeof line, "%s %s: %s\n", when, level_name(level), message));
}

/* Names come from other hosts: a line feed or an escape sequence in one must not forge a line or drive the
 * terminal. A message that was cut says so. */
static void make_one_line(char *message, int n) {
    if (n >= LINE_SIZE)
        strcpy(message + LINE_SIZE - 4, "...");
    for (char *c = message; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
}

static void emit(int level, char *message, int n) {
    if (n < 0)
        return;
    make_one_line(message, n);
    int saved = errno;
    SCOPE_LOCK(&sink.mutex);
    if (sink.syslog)
        syslog(level, "%s", message);
    else
        emit_stderr(level, message);
    if (sink.fd >= 0)
        emit_fd(level, message);
    errno = saved;
}

#define LOG_VA(level)                                                                                        \
    do {                                                                                                     \
        if ((int)(level) > atomic_load(&max_level))                                                          \
            return;                                                                                          \
        char message[LINE_SIZE];                                                                             \
        va_list ap;                                                                                          \
        va_start(ap, fmt);                                                                                   \
        int n = vsnprintf(message, sizeof message, fmt, ap);                                                 \
        va_end(ap);                                                                                          \
        emit((int)(level), message, n);                                                                      \
    } while (0)

void log_error(const char *fmt, ...) {
    LOG_VA(LOG_LEVEL_ERROR);
}

void log_warning(const char *fmt, ...) {
    LOG_VA(LOG_LEVEL_WARNING);
}

void log_info(const char *fmt, ...) {
    LOG_VA(LOG_LEVEL_INFO);
}

void log_debug(const char *fmt, ...) {
    LOG_VA(LOG_LEVEL_DEBUG);
}

int log_errno(int err, const char *fmt, ...) {
    char message[LINE_SIZE];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    const char *reason = strerrordesc_np(-err);
    if (n >= 0)
        log_error("%s: %s", message, reason ? reason : "unknown error");
    return err;
}
