/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/session.h"
#include "base/log.h"
#include "fs/park.h"
#include "fs/reply.h"
#include "fs/wire.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <utlist.h>

/* The largest request Linux has (256 pages). */
#define MAX_REQUEST (1u << 20)
/* Reads ahead of the kernel are background requests; its default of 12 would bound a whole mount. */
#define MAX_BACKGROUND 128
/* No thread ever waits for anything but the local disk. */
#define MAX_THREADS 4
#define READ_AHEAD_KB 1024
/* Announcements waiting to be sent; about 100 bytes each. */
#define NOTIFY_MAX 262144
/* How long the thread that sends them may take to come back out of the kernel. */
#define NOTIFY_STOP_NS (2 * NS_PER_S)

struct session *session_begin(fuse_req_t req, enum fs_op op) {
    struct session *s = fuse_req_userdata(req);
    counter_add(s->counters, COUNTER_FUSE_REQUESTS, 1);
    atomic_fetch_add_explicit(&s->ops[op], 1, memory_order_relaxed);
    tree_used(s->tree);
    return s;
}

struct session *session_begin_change(fuse_req_t req, enum fs_op op) {
    struct session *s = session_begin(req, op);
    if (!session_refuses(s))
        return s;
    reply_err(req, -EROFS);
    return NULL;
}

void session_refuse_changes(struct session *s, int64_t ns) {
    atomic_store(&s->refuse_until, ns > 0 ? env_mono(s->env) + ns : 0);
}

bool session_refuses(struct session *s) {
    int64_t until = atomic_load_explicit(&s->refuse_until, memory_order_relaxed);
    return until && env_mono(s->env) < until;
}

/* The tree's hooks: on the loop or on a thread of a request. */

static void hook_entry(void *arg, uint64_t parent, const char *name, size_t n) {
    struct session *s = arg;
    atomic_fetch_add(&s->changes, 1);
    notify_entry(s->notify, parent, name, n);
}

static void hook_inode(void *arg, uint64_t ino, bool data) {
    struct session *s = arg;
    atomic_fetch_add(&s->changes, 1);
    notify_inode(s->notify, ino, data);
}

struct tree_hooks session_hooks(struct session *s) {
    return (struct tree_hooks){.inval_entry = hook_entry, .inval_inode = hook_inode, .arg = s};
}

/* Without suid, and without sgid where the group may execute. */
static uint32_t without_privs(uint32_t mode) {
    mode &= ~(uint32_t)S_ISUID;
    return mode & S_IXGRP ? mode & ~(uint32_t)S_ISGID : mode;
}

void session_drop_privs(struct session *s, uint64_t ino) {
    struct attr a;
    if (names_getattr(s->tree, ino, &a) < 0 || S_ISDIR(a.mode) || without_privs(a.mode) == a.mode)
        return;
    struct setattr sa = {.what = SET_MODE, .mode = without_privs(a.mode) & 07777};
    if (names_setattr(s->tree, ino, &sa, &a) == 0)
        hook_inode(s, ino, false); /* the kernel did not ask for the mode to change */
}

void session_add_handle(struct session *s, struct handle *h) {
    SCOPE_LOCK(&s->mutex);
    DL_APPEND(s->handles, h);
}

void session_drop_handle(struct session *s, struct handle *h) {
    SCOPE_LOCK(&s->mutex);
    DL_DELETE(s->handles, h);
}

/* The target of the notifications: on the notify thread. */

static int send_entry(void *arg, uint64_t parent, const char *name, size_t n) {
    struct session *s = arg;
    return fuse_lowlevel_notify_inval_entry(s->fuse, parent, name, n);
}

static int send_inode(void *arg, uint64_t ino, bool data) {
    struct session *s = arg;
    return fuse_lowlevel_notify_inval_inode(s->fuse, ino, data ? 0 : -1, 0);
}

static bool is_known(void *arg, uint64_t ino) {
    struct session *s = arg;
    return atomic_load(&s->live) && lookups_has(s->lookups, ino);
}

static bool collect_name(void *arg, const struct names_entry *e) {
    struct buf *names = arg;
    buf_append(names, e->name, e->n);
    buf_append_byte(names, '\0');
    return true;
}

/* Too much has changed to say what. A name that is gone stays with the kernel, but its inode is asked for
 * again and is then stale, upon which the kernel looks the name up. */
static void send_everything(void *arg) {
    struct session *s = arg;
    CLEANUP_FREE uint64_t *inos = NULL;
    size_t n = lookups_list(s->lookups, &inos);
    for (size_t i = 0; i < n; i++) {
        CLEANUP_BUF struct buf names = BUF_INIT((size_t)1 << 30);
        uint64_t parent;
        if (names_are_here(s->tree, inos[i]) && names_list(s->tree, inos[i], collect_name, &names, &parent) == 0)
            for (size_t at = 0; at < names.len; at += strlen((char *)names.data + at) + 1)
                send_entry(s, inos[i], (char *)names.data + at, strlen((char *)names.data + at));
        send_inode(s, inos[i], true);
    }
}

/* Also keeps the device number: it can be asked for only while requests are answered. */
static void raise_read_ahead(struct session *s) {
    struct stat st;
    if (stat(s->mountpoint, &st) < 0)
        return;
    atomic_store(&s->dev, st.st_dev);
    CLEANUP_FREE char *path =
        xasprintf("/sys/class/bdi/%u:%u/read_ahead_kb", major(st.st_dev), minor(st.st_dev));
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && dprintf(fd, "%d\n", READ_AHEAD_KB) < 0)
        log_debug("%s cannot be written", path);
}

/* The kernel queues requests until it has the answer to INIT: this call returns when the mount answers. */
static void *tell_ready(void *arg) {
    struct session *s = arg;
    struct statvfs st;
    int r = statvfs(s->mountpoint, &st) < 0 ? -errno : 0;
    if (r == 0)
        raise_read_ahead(s);
    s->ready(s->ready_arg, r);
    return NULL;
}

static void want(struct fuse_conn_info *conn, unsigned caps) {
    conn->want |= conn->capable & caps;
}

static void op_init(void *userdata, struct fuse_conn_info *conn) {
    struct session *s = userdata;
    conn->max_write = conn->max_read = MAX_REQUEST;
    conn->max_background = MAX_BACKGROUND;
    conn->congestion_threshold = MAX_BACKGROUND * 3 / 4;
    conn->time_gran = 1;
    conn->want &= ~(unsigned)(FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_READDIRPLUS_AUTO |
                              FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
                              FUSE_CAP_SPLICE_MOVE | FUSE_CAP_HANDLE_KILLPRIV);
    atomic_store(&s->live, true);
    want(conn, FUSE_CAP_READDIRPLUS | FUSE_CAP_EXPLICIT_INVAL_DATA | FUSE_CAP_PARALLEL_DIROPS |
                   FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_EXPORT_SUPPORT |
                   FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO);
    s->ready_started = pthread_create(&s->ready_thread, NULL, tell_ready, s) == 0;
    if (!s->ready_started)
        s->ready(s->ready_arg, -EAGAIN);
}

int session_new(struct env *env, struct counters *counters, const struct options *opt, struct links *links,
                const char *mountpoint, const char *control_path, struct session **ret) {
    struct session *s = xcalloc(1, sizeof *s);
    struct notify_target target = {send_entry, send_inode, is_known, send_everything, s};
    s->env = env;
    s->counters = counters;
    s->opt = opt;
    s->links = links;
    s->mountpoint = mountpoint;
    s->control_path = control_path;
    s->lookups = lookups_new();
    s->parking = parking_new(s);
    pthread_mutex_init(&s->mutex, NULL);
    int r = notify_new(&target, NOTIFY_MAX, &s->notify);
    if (r < 0)
        s = session_free(s);
    *ret = s;
    return r;
}

/* A comma would begin the next option, a backslash would escape. */
static char *escaped(const char *value) {
    char *ret = xmalloc(2 * strlen(value) + 1), *out = ret;
    for (; *value; value++) {
        if (*value == ',' || *value == '\\')
            *out++ = '\\';
        *out++ = *value;
    }
    *out = '\0';
    return ret;
}

/* default_permissions makes the kernel check modes, for which it asks for a directory's attributes again
 * after every change in it. Where nobody but root gets in that is for nothing: root passes every check. */
static char *mount_options(const struct session *s) {
    CLEANUP_FREE char *name = escaped(s->opt->url);
    bool check = geteuid() != 0 || s->opt->allow_other;
    return xasprintf("fsname=%s,subtype=assetfs,nosuid,nodev,max_read=%u%s%s%s%s", name, MAX_REQUEST,
                     check ? ",default_permissions" : "", s->opt->allow_other ? ",allow_other" : s->opt->allow_root ? ",allow_root" : "",
                     options_read_only(s->opt) ? ",ro" : "", s->opt->noexec ? ",noexec" : "");
}

ATTR_PRINTF(2, 0) static void log_libfuse(enum fuse_log_level level, const char *fmt, va_list ap) {
    char line[512];
    vsnprintf(line, sizeof line, fmt, ap);
    line[strcspn(line, "\n")] = '\0';
    if (level <= FUSE_LOG_ERR)
        log_error("%s", line);
    else if (level == FUSE_LOG_WARNING)
        log_warning("%s", line);
    else
        log_debug("%s", line);
}

int session_mount(struct session *s, struct buf *why) {
    fuse_set_log_func(log_libfuse);
    CLEANUP_FREE char *options = mount_options(s);
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    fuse_opt_add_arg(&args, "assetfs");
    fuse_opt_add_arg(&args, "-o");
    fuse_opt_add_arg(&args, options);
    struct fuse_lowlevel_ops ops = {.init = op_init};
    ops_names_fill(&ops);
    ops_files_fill(&ops);
    ops_dir_fill(&ops);
    ops_xattr_fill(&ops);
    park_fill(&ops);
    s->fuse = fuse_session_new(&args, &ops, sizeof ops, s);
    fuse_opt_free_args(&args);
    if (!s->fuse || fuse_session_mount(s->fuse, s->mountpoint) != 0) {
        buf_printf(why, "%s cannot be mounted: the message above says why", s->mountpoint);
        return -EIO;
    }
    return wire_attach(s->fuse);
}

static struct fuse_session *signalled; /* one session a process */

static void on_signal(int sig ATTR_UNUSED) {
    fuse_session_exit(signalled);
}

/* In this thread only: libfuse's loop waits here, and a signal must interrupt that. */
static void take_signals(struct session *s) {
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction sa = {.sa_handler = on_signal};
    sigset_t set;
    sigemptyset(&set);
    signalled = s->fuse;
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        sigaction(ends[i], &sa, NULL);
        sigaddset(&set, ends[i]);
    }
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int session_loop(struct session *s) {
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    fuse_loop_cfg_set_max_threads(config, MAX_THREADS);
    fuse_loop_cfg_set_idle_threads(config, MAX_THREADS);
    fuse_loop_cfg_set_clone_fd(config, 0);
    take_signals(s);
    int r = fuse_session_loop_mt(s->fuse, config);
    fuse_loop_cfg_destroy(config);
    return r < 0 ? r : 0;
}

/* Ends every request the kernel has with us, whoever waits for them: the last resort against a thread that is
 * stuck in the kernel behind a program that waits for an answer we shall not give any more. */
static void abort_connection(struct session *s) {
    char path[64];
    snprintf(path, sizeof path, "/sys/fs/fuse/connections/%u/abort", minor(atomic_load(&s->dev)));
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, "1", 1) < 0)
        log_debug("%s cannot be written", path);
}

void session_unmount(struct session *s) {
    atomic_store(&s->live, false);
    if (notify_stop(s->notify, NOTIFY_STOP_NS) < 0) {
        abort_connection(s);
        if (notify_stop(s->notify, NOTIFY_STOP_NS) < 0)
            log_warning("the kernel does not answer a notification");
    }
    if (s->fuse)
        fuse_session_unmount(s->fuse);
    parking_end(s->parking);
    if (s->ready_started)
        pthread_join(s->ready_thread, NULL);
    s->ready_started = false;
}

void session_close_files(struct session *s) {
    for (struct handle *h = s->handles; h; h = h->next) {
        if (h->file)
            file_close(h->file, h->flags);
        h->file = NULL;
    }
}

struct session *session_free(struct session *s) {
    if (!s)
        return NULL;
    struct handle *h, *next;
    DL_FOREACH_SAFE (s->handles, h, next)
        free(h);
    if (s->notify && notify_stop(s->notify, 0) == 0)
        notify_free(s->notify);
    if (s->fuse)
        fuse_session_destroy(s->fuse);
    lookups_free(s->lookups);
    parking_free(s->parking);
    pthread_mutex_destroy(&s->mutex);
    free(s);
    return NULL;
}
