/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/mount.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mime.h"
#include "base/units.h"
#include "data/block_cache.h"
#include "data/reader.h"
#include "data/spool.h"
#include "fs/control.h"
#include "fs/daemon.h"
#include "fs/drain.h"
#include "fs/mountpoint.h"
#include "fs/serve.h"
#include "fs/session.h"
#include "fs/state_dir.h"
#include "fs/volume.h"
#include "tree/area_set.h"
#include "tree/name_kind.h"
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <syslog.h>

/* Threads for what may block: hashing, fsync, the directory bucket. */
#define WORKERS 8
/* Over drain_timeout, what an earlier daemon of this volume may take to end. */
#define HANDOVER_NS (10 * NS_PER_S)
#define TRIM_LOG_NS (60 * NS_PER_S)

/* In the order in which they are made; taken apart in reverse. */
struct mount {
    const struct mount_request *request;
    const struct options *opt;
    struct buf why;
    char *at;
    int ready_fd; /* -1: in the foreground */
    struct counters counters;
    struct loop *loop;
    struct env *env;
    struct store_pair stores;
    struct volume volume;
    struct past past;
    struct state_dir state;
    int log_fd;
    struct env_timer trim_log;
    struct block_cache *cache;
    struct reader *reader;
    struct spool *spool;
    char *control_path;
    struct session *session;
    struct name_rules *names;
    struct mime *mime;
    struct ahead *ahead;
    struct tree *tree;
    struct serve serve;
    struct control *control;
    _Atomic bool failed; /* the mount did not answer */
};

/* Signals end the loop of the session, in its thread: every other thread is made while they are blocked. */
static void block_signals(bool block) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(block ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

static int fail(struct mount *m, int err, const char *what) {
    const char *why = m->why.len ? buf_str(&m->why) : NULL;
    if (why)
        log_error("%s", why);
    else
        log_errno(err, "%s", what);
    return err;
}

static int open_stores(struct mount *m) {
    int r = loop_new(WORKERS, &m->loop);
    if (r < 0)
        return fail(m, r, "threads cannot be made");
    m->env = loop_env(m->loop);
    r = store_open(m->env, &m->counters, m->opt, STORE_OPEN_EXISTING, &m->stores, &m->why);
    if (r < 0 && r != -EINVAL && volume_recall(m->opt, &m->volume) == 0) {
        buf_reset(&m->why);
        r = store_open(m->env, &m->counters, m->opt, STORE_OPEN_LATER, &m->stores, &m->why);
    }
    return r < 0 ? fail(m, r, "the bucket cannot be opened") : 0;
}

static int open_state(struct mount *m) {
    CLEANUP_FREE char *path = NULL;
    int r = volume_find(m->env, m->stores.reader, m->opt, &m->volume, &m->why);
    if (r == 0)
        r = volume_state_path(&m->volume, m->opt, &path, &m->why);
    if (r == 0 && m->opt->at)
        r = past_parse(m->opt->at, &m->past, &m->why);
    if (r == 0 && m->opt->at)
        r = state_dir_open_past(path, m->at, &m->state, &m->why);
    else if (r == 0)
        r = state_dir_open(path, m->at, m->opt->drain_timeout + HANDOVER_NS, &m->state, &m->why);
    if (r < 0)
        return fail(m, r, "the volume cannot be opened");
    if (!m->volume.remembered)
        volume_remember(&m->volume, m->opt, m->state.shared);
    m->control_path = xasprintf("%s/control", m->state.path);
    return 0;
}

static void trim_log(void *arg) {
    struct mount *m = arg;
    state_dir_trim_log(m->log_fd);
    env_timer_set(m->env, &m->trim_log, env_mono(m->env) + TRIM_LOG_NS);
}

static void open_log(struct mount *m) {
    m->log_fd = state_dir_open_log(&m->state);
    if (m->log_fd < 0) {
        log_errno(m->log_fd, "%s/log cannot be written", m->state.path);
        return;
    }
    log_to_fd(m->log_fd);
    m->trim_log = (struct env_timer){.fn = trim_log, .arg = m};
    env_timer_set(m->env, &m->trim_log, env_mono(m->env) + TRIM_LOG_NS);
}

static bool can_drain(void *arg) {
    struct mount *m = arg;
    return m->tree && tree_can_drain(m->tree);
}

static int open_data(struct mount *m) {
    const struct options *opt = m->opt;
    int r = block_cache_open(&(struct block_cache_config){.env = m->env,
                                                          .counters = &m->counters,
                                                          .dir = m->state.shared,
                                                          .limit = opt->cache_size,
                                                          .min_free = opt->min_free},
                             &m->cache);
    if (r < 0)
        return fail(m, r, "the block cache cannot be opened");
    r = reader_new(&(struct reader_config){.env = m->env,
                                           .counters = &m->counters,
                                           .store = m->stores.reader,
                                           .cache = m->cache,
                                           .keys = m->volume.keys,
                                           .prefix = opt->prefix,
                                           .dir = m->state.shared,
                                           .max_ahead = opt->read_ahead,
                                           .timeout_ns = opt->timeout},
                   &m->reader);
    if (r < 0)
        return fail(m, r, "the reader cannot be made");
    r = spool_open(&(struct spool_config){.env = m->env,
                                          .dir = m->state.path,
                                          .reader = m->reader,
                                          .cache = m->cache,
                                          .min_free = opt->min_free,
                                          .max_file_size = opt->max_file_size,
                                          .timeout_ns = opt->timeout,
                                          .parts_from = m->stores.writer->parts_from,
                                          .part_size = m->stores.writer->part_size,
                                          .can_drain = can_drain,
                                          .arg = m},
                   &m->spool);
    return r < 0 ? fail(m, r, "the spool cannot be opened") : 0;
}

static const char *user_label(char *room, size_t size) {
    struct passwd pw, *found = NULL;
    char text[4096];
    if (getpwuid_r(getuid(), &pw, text, sizeof text, &found) == 0 && found)
        snprintf(room, size, "%s", found->pw_name);
    else
        snprintf(room, size, "%u", (unsigned)getuid());
    return room;
}

static bool take_key(void *arg, const uint8_t id[SEAL_KEY_ID_SIZE]) {
    struct mount *m = arg;
    if (!volume_take_key(m->opt, id, m->volume.keys))
        return false;
    volume_add_rotated(&m->volume, id);
    volume_remember(&m->volume, m->opt, m->state.path);
    return true;
}

static bool has_key(void *arg, const uint8_t id[SEAL_KEY_ID_SIZE]) {
    struct mount *m = arg;
    return volume_take_key(m->opt, id, NULL);
}

static int open_tree(struct mount *m) {
    const struct options *opt = m->opt;
    char host[HOST_NAME_MAX + 1] = "", user[256];
    gethostname(host, sizeof host - 1);
    int r = session_new(m->env, &m->counters, opt, m->stores.links, m->at, m->control_path, &m->session);
    if (r < 0)
        return fail(m, r, "threads cannot be made");
    m->names = name_rules_new(opt->temporary, opt->local_only);
    m->mime = mime_load();
    if (!mime_count(m->mime))
        log_warning("this system has no MIME database (shared-mime-info or media-types): objects get no Content-Type");
    struct tree_config config = {.env = m->env,
                                 .counters = &m->counters,
                                 .writer = m->stores.writer,
                                 .reader = m->stores.reader,
                                 .keys = m->volume.keys,
                                 .prefix = opt->prefix,
                                 .dir = m->state.path,
                                 .host_label = opt->host_label ? opt->host_label : host,
                                 .user_label = user_label(user, sizeof user),
                                 .machine_id = m->state.machine_id,
                                 .block_reader = m->reader,
                                 .spool = m->spool,
                                 .durability = opt->durability,
                                 .settle_ns = opt->settle,
                                 .poll_ns = opt->poll,
                                 .fsync_timeout_ns = opt->fsync_timeout,
                                 .timeout_ns = opt->timeout,
                                 .read_only = options_read_only(opt),
                                 .min_free = opt->min_free,
                                 .checkpoint_entries = (uint64_t)opt->checkpoint_entries,
                                 .checkpoint_changes = (uint64_t)opt->checkpoint_changes,
                                 .at = m->past,
                                 .names = m->names,
                                 .mime = m->mime,
                                 .take_key = take_key,
                                 .has_key = has_key,
                                 .key_arg = m,
                                 .hooks = session_hooks(m->session)};
    block_signals(false); /* the next two may take a while */
    r = tree_open(&config, &m->tree, &m->why);
    if (r == 0)
        r = tree_start(m->tree, &m->why);
    if (r == 0)
        r = tree_area_check(m->tree, &m->why);
    block_signals(true);
    m->session->tree = m->tree;
    m->session->ahead = m->ahead = ahead_new(m->tree, m->reader, opt->read_ahead);
    return r < 0 ? fail(m, r, "the volume cannot be opened") : 0;
}

static int open_control(struct mount *m) {
    m->serve = (struct serve){.session = m->session, .cache = m->cache, .spool = m->spool};
    int r = control_listen(m->control_path, serve_request, &m->serve, &m->control);
    return r < 0 ? fail(m, r, "the control socket cannot be made") : 0;
}

/* The mount answers: the daemon lets go of the terminal. In syslog only what somebody must look at; the rest
 * is in DIR/log. */
static void on_ready(void *arg, int err) {
    struct mount *m = arg;
    if (err < 0) {
        log_errno(err, "%s does not answer", m->at);
        m->failed = true;
        kill(getpid(), SIGTERM);
        return;
    }
    if (m->ready_fd >= 0) {
        setlogmask(LOG_UPTO(LOG_ERR));
        log_to_syslog("assetfs");
        daemon_ready(steal_fd(&m->ready_fd), 0);
    }
    log_info("%s is mounted on %s%s", m->opt->url, m->at, options_read_only(m->opt) ? " read-only" : "");
}

static int start(struct mount *m) {
    block_signals(true);
    int r = open_stores(m);
    block_signals(false);
    if (r == 0)
        r = open_state(m);
    if (r < 0)
        return r;
    open_log(m);
    block_signals(true);
    r = open_data(m);
    if (r == 0)
        r = open_tree(m);
    if (r == 0)
        r = open_control(m);
    if (r < 0)
        return r;
    m->session->ready = on_ready;
    m->session->ready_arg = m;
    r = session_mount(m->session, &m->why);
    return r < 0 ? fail(m, r, "cannot be mounted") : 0;
}

/* 0, or 3 when something is still queued here. After `assetfs umount`, which has waited as long as its user
 * wanted, there is no more waiting. */
static int drain(struct mount *m) {
    char size[UNITS_SIZE];
    struct tree_status st;
    int64_t timeout = session_refuses(m->session) ? 0 : m->opt->drain_timeout;
    if (options_read_only(m->opt) || drain_wait(m->tree, m->env, timeout, NULL, NULL) == 0)
        return 0;
    tree_status(m->tree, &st);
    log_warning("unmounted with %" PRIu64 " file%s (%s) and %" PRIu64
                " change%s still queued; the next mount goes on%s%s",
                st.local_files + st.uploading_files, st.local_files + st.uploading_files == 1 ? "" : "s",
                size_format(st.local_bytes + st.uploading_bytes, size), st.pending_changes,
                st.pending_changes == 1 ? "" : "s", st.stuck_reason || st.reason ? ": " : "",
                st.stuck_reason ? st.stuck_reason
                : st.reason     ? st.reason
                                : "");
    tree_status_free(&st);
    return 3;
}

static void cancel_trim(void *arg) {
    struct mount *m = arg;
    env_timer_cancel(m->env, &m->trim_log);
}

/* Completions run until the loop is gone: the stores and the session, which they use, go after it. What is on its way to the bucket is broken off: whoever wanted to wait for it has done so. */
static void stop(struct mount *m) {
    m->control = control_free(m->control);
    store_pair_stop(&m->stores);
    if (m->session)
        session_close_files(m->session);
    m->ahead = ahead_free(m->ahead);
    if (m->tree)
        m->tree = tree_close(m->tree);
    m->names = name_rules_free(m->names);
    m->mime = mime_free(m->mime);
    if (m->reader)
        m->reader = reader_free(m->reader);
    if (m->spool)
        m->spool = spool_close(m->spool);
    m->cache = block_cache_close(m->cache);
    if (m->trim_log.fn)
        env_post(m->env, cancel_trim, m);
    m->loop = loop_free(m->loop);
    store_pair_free(&m->stores);
    m->session = session_free(m->session);
    log_to_fd(-1);
    if (m->log_fd >= 0)
        close(m->log_fd);
    volume_free(&m->volume);
    state_dir_close(&m->state);
    free(m->control_path);
    free(m->at);
    buf_free(&m->why);
}

static int serve(struct mount *m) {
    int r = session_loop(m->session);
    if (r < 0)
        log_errno(r, "the FUSE loop ended");
    session_unmount(m->session);
    log_info("%s is unmounted", m->at);
    int left = drain(m);
    return m->failed ? 1 : left;
}

int mount_run(const struct mount_request *request) {
    struct mount m = {.request = request,
                      .opt = request->opt,
                      .why = BUF_INIT(65536),
                      .ready_fd = -1,
                      .log_fd = -1,
                      .state.lock_fd = -1};
    signal(SIGPIPE, SIG_IGN);
    int r = mountpoint_check_fuse(&m.why);
    if (r == 0)
        r = mountpoint_check(request->mountpoint, &m.at, &m.why);
    if (r == 0 && !request->foreground)
        r = m.ready_fd = daemon_fork();
    if (r < 0) {
        fail(&m, r, "cannot be mounted");
        stop(&m);
        return 1;
    }
    int status = start(&m) == 0 ? serve(&m) : 1;
    stop(&m);
    return status;
}
