/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A directory bucket: whoever may write to the directory may do everything to it, so there is less to look
 * at.
 */
#include "store/probe_parts.h"
#include <sys/stat.h>
#include <sys/statvfs.h>

#define ROOM_MIN ((uint64_t)1 << 30)

struct wait {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool done; /* guarded by mutex, as the rest */
    int err;
    bool same; /* a get: the bytes are those that were put */
    char *why;
};

static void end(struct wait *w, int err, const char *why) {
    SCOPE_LOCK(&w->mutex);
    w->done = true;
    w->err = err;
    w->why = why ? xstrdup(why) : NULL;
    pthread_cond_signal(&w->changed);
}

static void put_done(void *arg, int err, const char *why) {
    end(arg, err, why);
}

static void got(void *arg, const struct store_got *g) {
    struct wait *w = arg;
    w->same = g->err == 0 && g->len == strlen(PROBE_TEXT) && !memcmp(g->data, PROBE_TEXT, g->len);
    end(w, g->err, g->why);
}

static void wait_for(struct wait *w) {
    pthread_mutex_lock(&w->mutex);
    while (!w->done)
        pthread_cond_wait(&w->changed, &w->mutex);
    pthread_mutex_unlock(&w->mutex);
}

#define WAIT_INIT                                                                                            \
    { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER }

/* Malloc'd: what was wrong; NULL: nothing. */
static int put(struct store *s, const char *key, char **ret_why) {
    struct wait w = WAIT_INIT;
    struct store_put what = {.key = key, .bytes = PROBE_TEXT, .fd = -1, .size = strlen(PROBE_TEXT)};
    digest_of(PROBE_TEXT, what.size, what.sha256);
    store_put_if_absent(s, &what, put_done, &w);
    wait_for(&w);
    *ret_why = w.why;
    return w.err;
}

static const char *words(const char *why, int err) {
    return why ? why : err ? strerror(-err) : "done";
}

static bool check_put(struct store *s, const char *key, struct report *r) {
    CLEANUP_FREE char *why = NULL;
    int err = put(s, key, &why);
    if (err == 0 || err == -EEXIST)
        report_add(r, "put", FINDING_OK, "this user may put objects there", NULL, "%s%s", key,
                   err ? " is there already" : " was put");
    else
        report_add(
            r, "put", FINDING_BROKEN, "this user cannot write to the bucket",
            "look at owner and mode of the directory, at its file system, and at the room that is left", "%s",
            words(why, err));
    return err == 0 || err == -EEXIST;
}

static void check_condition(struct store *s, const char *key, struct report *r) {
    CLEANUP_FREE char *why = NULL;
    int err = put(s, key, &why);
    if (err == -EEXIST)
        report_add(r, "condition", FINDING_OK, "of several hosts that put the same key, one wins", NULL,
                   "a second put finds the first");
    else
        report_add(r, "condition", FINDING_BROKEN,
                   "the file system does not keep a file from being put twice: it cannot hold a volume",
                   "use a file system with hard links, on all hosts the same", "%s", words(why, err));
}

static void check_get(struct store *s, const char *key, struct report *r) {
    struct wait w = WAIT_INIT;
    store_get_range(s, key, 0, 0, STORE_FRESH, got, &w);
    wait_for(&w);
    CLEANUP_FREE char *why = w.why;
    if (w.err == 0 && w.same)
        report_add(r, "get", FINDING_OK, "what was put can be read", NULL, "%s", key);
    else
        report_add(r, "get", FINDING_BROKEN, "what was put cannot be read as it was",
                   "look at the directory's file system, and at its mode", "%s",
                   w.err ? words(why, w.err) : "other bytes");
}

static void check_mode(const char *path, struct report *r) {
    struct stat st;
    if (stat(path, &st) < 0)
        return;
    if (st.st_mode & S_IWOTH)
        report_add(r, "mode", FINDING_WARNING, "every user of this machine can replace and delete objects",
                   "chmod o-w the directory", "mode %04o", (unsigned)st.st_mode & 07777);
    else
        report_add(r, "mode", FINDING_OK, "not every user of this machine can write to the bucket", NULL,
                   "mode %04o", (unsigned)st.st_mode & 07777);
}

static void check_room(const char *path, struct report *r) {
    struct statvfs v;
    if (statvfs(path, &v) < 0)
        return;
    uint64_t room = (uint64_t)v.f_bavail * v.f_frsize;
    report_add(r, "room", room < ROOM_MIN ? FINDING_WARNING : FINDING_OK,
               room < ROOM_MIN ? "uploads will wait for room soon" : "there is room for what is written",
               room < ROOM_MIN ? "make room there" : NULL, "%llu MiB are free",
               (unsigned long long)(room >> 20));
}

int probe_directory(const struct probe_config *c, struct report *report, struct buf *why) {
    struct store_pair pair = {0};
    int r = store_open(c->env, NULL, c->opt, STORE_OPEN_EXISTING, &pair, why);
    if (r == -EINVAL)
        return r;
    if (r < 0) {
        report_add(report, "directory", FINDING_BROKEN, "the bucket cannot be used from here",
                   "see what it says; assetfs init makes a new bucket", "%s",
                   why->len ? buf_str(why) : strerror(-r));
        return 0;
    }
    CLEANUP_FREE char *key = xasprintf("%s/check", c->opt->prefix),
                      *path = url_decode(c->opt->url + strlen("file://"));
    report_add(report, "directory", FINDING_OK, "it is a bucket", NULL, "%s", pair.writer->address);
    if (check_put(pair.writer, key, report)) {
        check_condition(pair.writer, key, report);
        check_get(pair.writer, key, report);
    }
    if (path) {
        check_mode(path, report);
        check_room(path, report);
    }
    store_pair_free(&pair);
    return 0;
}
