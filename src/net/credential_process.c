/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/credential_process.h"
#include "base/env.h"
#include "base/secret.h"
#include "base/units.h"
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>

#define LINE_SIZE_MAX ((size_t)64 << 10)
#define WHITE " \t\r\n"

/* ---- the line */

struct words {
    char **word;
    size_t n;
    struct buf text; /* of the word that is being read */
    bool in_word;
};

static void end_word(struct words *w) {
    if (!w->in_word)
        return;
    w->word = xrealloc(w->word, (w->n + 2) * sizeof *w->word);
    w->word[w->n++] = w->text.len > 0 ? xstrndup((char *)w->text.data, w->text.len) : xstrdup("");
    w->word[w->n] = NULL;
    w->in_word = false;
    buf_reset(&w->text);
}

/* From behind the quote to the one that ends it; NULL: there is none. Within "" a backslash counts before
 * itself and a quote only. */
static const char *take_quoted(struct words *w, const char *p, char quote) {
    for (; *p && *p != quote; p++) {
        if (quote == '"' && *p == '\\' && (p[1] == '"' || p[1] == '\\'))
            p++;
        buf_append_byte(&w->text, (unsigned char)*p);
    }
    return *p ? p + 1 : NULL;
}

/* NULL with a clause, or what is behind the character, the escaped one or the quotation. */
static const char *take_char(struct words *w, const char *p, struct buf *why) {
    if (strchr(WHITE, *p)) {
        end_word(w);
        return p + 1;
    }
    w->in_word = true;
    if (*p == '\'' || *p == '"') {
        const char *end = take_quoted(w, p + 1, *p);
        if (!end)
            buf_printf(why, "a %s quote in it does not end", *p == '"' ? "double" : "single");
        return end;
    }
    if (*p == '\\' && *++p == '\0') {
        buf_append_str(why, "it ends with a backslash");
        return NULL;
    }
    buf_append_byte(&w->text, (unsigned char)*p);
    return p + 1;
}

int credential_words_of(const char *line, char ***ret, struct buf *why) {
    struct words w = {.text = BUF_SECRET(LINE_SIZE_MAX)};
    const char *p = line;
    if (strlen(line) > LINE_SIZE_MAX) {
        buf_append_str(why, "it is too long");
        return -EINVAL;
    }
    while (p && *p)
        p = take_char(&w, p, why);
    if (p)
        end_word(&w);
    if (p && (w.n == 0 || !*w.word[0])) {
        buf_append_str(why, "it names no program");
        p = NULL;
    }
    buf_wipe(&w.text);
    if (!p)
        w.word = credential_words_free(w.word);
    *ret = w.word;
    return p ? 0 : -EINVAL;
}

char **credential_words_free(char **words) {
    for (size_t i = 0; words && words[i]; i++)
        secret_free(words[i]);
    free(words);
    return NULL;
}

/* ---- the program */

struct output {
    int fd;
    char *text; /* of `max` bytes */
    size_t len, max;
    bool too_much;
};

struct run {
    pid_t pid;
    struct output out, err;
};

static void output_free(struct output *o) {
    if (o->fd >= 0)
        close(o->fd);
    secret_release(o->text);
}

static int output_new(struct output *o, size_t max, int *ret_write) {
    int fd[2];
    *o = (struct output){.fd = -1, .max = max};
    if (pipe2(fd, O_CLOEXEC) < 0)
        return -errno;
    o->fd = fd[0];
    o->text = xmalloc(max);
    *ret_write = fd[1];
    return 0;
}

/* With no signal blocked or ignored, and nothing open but the three. */
static int spawn(char *const *words, int out, int err, pid_t *ret) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out, 1);
    posix_spawn_file_actions_adddup2(&files, err, 2);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    int r = posix_spawnp(ret, words[0], &files, &attr, words, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return -r;
}

/* What is beyond the room is read, and forgotten: of standard error that is the beginning. */
static void take_output(struct output *o, bool last) {
    char rest[4096];
    bool full = o->len == o->max;
    if (full && last) {
        memmove(o->text, o->text + o->max / 2, o->max - o->max / 2);
        o->len -= o->max / 2;
        full = false;
    }
    ssize_t n = full ? read(o->fd, rest, sizeof rest) : read(o->fd, o->text + o->len, o->max - o->len);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        close(o->fd);
        o->fd = -1;
    } else if (full) {
        o->too_much = true;
        explicit_bzero(rest, sizeof rest);
    } else {
        o->len += (size_t)n;
    }
}

static int64_t mono(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* Until both are closed. */
static int collect(struct run *run, int64_t deadline, int stop_fd) {
    while (run->out.fd >= 0 || run->err.fd >= 0) {
        struct pollfd p[] = {{.fd = run->out.fd, .events = POLLIN},
                             {.fd = run->err.fd, .events = POLLIN},
                             {.fd = stop_fd, .events = POLLIN}};
        int64_t left = deadline - mono();
        if (left <= 0)
            return -ETIMEDOUT;
        int r = poll(p, ARRAY_SIZE(p), (int)MIN(left / NS_PER_MS + 1, INT_MAX));
        if (r < 0 && errno != EINTR)
            return -errno;
        if (r <= 0)
            continue;
        if (p[2].revents)
            return -ECANCELED;
        if (p[0].revents)
            take_output(&run->out, false);
        if (p[1].revents)
            take_output(&run->err, true);
    }
    return 0;
}

/* A program may close its output and go on. */
static int reap(pid_t pid, int64_t deadline, int stop_fd, int *ret_status) {
    for (;;) {
        pid_t r = waitpid(pid, ret_status, WNOHANG);
        if (r == pid)
            return 0;
        if (r < 0 && errno != EINTR)
            return -errno;
        if (mono() >= deadline)
            return -ETIMEDOUT;
        struct pollfd p = {.fd = stop_fd, .events = POLLIN};
        if (poll(&p, 1, 5) > 0)
            return -ECANCELED;
    }
}

static void kill_all(pid_t pid) {
    int status;
    kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
}

/* What it said at last: one line of it. */
static void append_last_words(const struct output *o, struct buf *why) {
    size_t end = o->len, begin;
    while (end > 0 && strchr(WHITE, o->text[end - 1]))
        end--;
    for (begin = end; begin > 0 && o->text[begin - 1] != '\n';)
        begin--;
    CLEANUP_FREE char *words = credential_words(o->text + begin, end - begin);
    if (words && *words)
        buf_printf(why, " (\"%s\")", words);
}

static int judge(const char *name, const struct run *run, int status, struct credential *ret,
                 struct buf *why) {
    CLEANUP_BUF struct buf clause = BUF_INIT(4096);
    bool failed = WIFSIGNALED(status) || WEXITSTATUS(status) != 0;
    if (WIFSIGNALED(status)) {
        buf_printf(why, "%s was ended by signal %d", name, WTERMSIG(status));
    } else if (WEXITSTATUS(status) != 0) {
        buf_printf(why, "%s failed with exit status %d", name, WEXITSTATUS(status));
        append_last_words(&run->err, why);
        buf_append_str(why, ": run it by hand");
    } else if (run->out.len == 0) {
        buf_printf(why, "%s printed nothing: it has to print keys as JSON", name);
    } else if (run->out.too_much) {
        buf_printf(why, "%s printed more than a set of keys", name);
    } else if (credential_parse(CREDENTIAL_PROCESS, run->out.text, run->out.len, ret, &clause) < 0) {
        buf_printf(why,
                   "what %s printed cannot be used: %s; it has to print {\"Version\": 1, \"AccessKeyId\": "
                   "..., \"SecretAccessKey\": ...}",
                   name, buf_str(&clause));
    } else {
        return 0;
    }
    return failed ? -EIO : -EACCES;
}

static int run_words(char *const *words, int64_t timeout_ns, int stop_fd, struct credential *ret,
                     struct buf *why) {
    struct run run = {.out = {.fd = -1}, .err = {.fd = -1}};
    int64_t deadline = mono() + timeout_ns;
    int out = -1, err = -1, status = 0;
    char took[UNITS_SIZE];
    int r = output_new(&run.out, CREDENTIAL_JSON_MAX, &out);
    if (r == 0)
        r = output_new(&run.err, 4096, &err);
    if (r == 0)
        r = spawn(words, out, err, &run.pid);
    if (out >= 0)
        close(out);
    if (err >= 0)
        close(err);
    if (r < 0) {
        buf_printf(why, "%s cannot be run: %s%s", words[0], strerror(-r),
                   r == -ENOENT ? ", give its absolute path" : "");
        r = -EACCES;
    } else {
        r = collect(&run, deadline, stop_fd);
        if (r == 0)
            r = reap(run.pid, deadline, stop_fd, &status);
        if (r < 0)
            kill_all(run.pid);
        if (r == -ETIMEDOUT)
            buf_printf(why, "%s had not ended after %s: it must not ask anybody anything", words[0],
                       duration_format(timeout_ns, took));
        else if (r < 0)
            buf_printf(why, "%s was ended: %s", words[0], strerror(-r));
        else
            r = judge(words[0], &run, status, ret, why);
    }
    output_free(&run.out);
    output_free(&run.err);
    return r;
}

int credential_process_run(const char *line, int64_t timeout_ns, int stop_fd, struct credential *ret,
                           struct buf *why) {
    CLEANUP_BUF struct buf clause = BUF_INIT(4096);
    char **words;
    *ret = (struct credential){0};
    if (credential_words_of(line, &words, &clause) < 0) {
        buf_printf(why, "credential_process cannot be understood: %s", buf_str(&clause));
        return -EACCES;
    }
    int r = run_words(words, timeout_ns, stop_fd, ret, why);
    credential_words_free(words);
    return r;
}
