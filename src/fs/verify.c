/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/verify.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "data/scrub.h"
#include "fs/state_dir.h"
#include "fs/verify_list.h"
#include "fs/volume.h"
#include "tree/tree.h"
#include <errno.h>
#include <uthash.h>
#include <utlist.h>

#define WORKERS 4
#define PROGRESS_NS (200 * NS_PER_MS)
#define PARALLEL 8
#define WRONG_MAX 100000
#define CACHE_BYTES ((uint64_t)64 << 20) /* nothing is cached, but there has to be one */

struct verify {
    const struct verify_request *request;
    struct verify_result *result;
    struct buf *why;
    struct loop *loop;
    struct env *env;
    struct counters counters;
    struct store_pair stores;
    struct volume volume;
    struct state_dir state;
    struct block_cache *cache;
    struct reader *reader;
    struct spool *spool;
    struct tree *tree;

    /* Between the thread that runs and the one that shows how far it is. */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool started; /* the tree has, or has failed to */
    int start_err;
    struct one *ones; /* contents under way */
    unsigned n_ones;
    struct one *wrong; /* those of this run that are: told once, however many files have them */
};

void verify_result_free(struct verify_result *r) {
    free(r->journal_wrong);
    *r = (struct verify_result){0};
}

/* Waits for a change, at most until the next time to show something. Under the mutex. */
static void pause_a_while(struct verify *v) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    int64_t ns = at.tv_nsec + PROGRESS_NS;
    at.tv_sec += ns / NS_PER_S;
    at.tv_nsec = ns % NS_PER_S;
    pthread_cond_timedwait(&v->changed, &v->mutex, &at);
}

/* Opening */

static bool take_key(void *arg, const uint8_t id[SEAL_KEY_ID_SIZE]) {
    struct verify *v = arg;
    return volume_take_key(v->request->opt, id, v->volume.keys);
}

static int open_state(struct verify *v) {
    CLEANUP_FREE char *volume = NULL;
    int r = volume_state_path(&v->volume, v->request->opt, &volume, v->why);
    if (r < 0)
        return r;
    CLEANUP_FREE char *path = xasprintf("%s/verify", volume);
    r = file_make_dirs(volume, 0700);
    if (r == 0)
        r = state_dir_open(path, "assetfs verify", 0, &v->state, v->why);
    if (r == 0 && v->request->restart)
        r = verify_forget(path);
    if (r < 0 && !v->why->len)
        buf_printf(v->why, "%s cannot be used: %s", path, strerror(-r));
    return r;
}

static int open_data(struct verify *v) {
    const struct options *opt = v->request->opt;
    int r = block_cache_open(&(struct block_cache_config){.env = v->env, .counters = &v->counters, .dir = v->state.path, .limit = CACHE_BYTES}, &v->cache);
    if (r == 0)
        r = reader_new(&(struct reader_config){.env = v->env,
                                               .counters = &v->counters,
                                               .store = v->stores.reader,
                                               .cache = v->cache,
                                               .keys = v->volume.keys,
                                               .prefix = opt->prefix,
                                               .dir = v->state.path,
                                               .timeout_ns = opt->timeout},
                       &v->reader);
    if (r == 0)
        r = spool_open(&(struct spool_config){.env = v->env,
                                              .dir = v->state.path,
                                              .reader = v->reader,
                                              .cache = v->cache,
                                              .max_file_size = opt->max_file_size,
                                              .timeout_ns = opt->timeout},
                       &v->spool);
    if (r < 0)
        buf_printf(v->why, "%s cannot be used: %s", v->state.path, strerror(-r));
    return r;
}

static void ignore_entry(void *arg ATTR_UNUSED, uint64_t parent ATTR_UNUSED, const char *name ATTR_UNUSED, size_t n ATTR_UNUSED) {
}
static void ignore_inode(void *arg ATTR_UNUSED, uint64_t ino ATTR_UNUSED, bool data ATTR_UNUSED) {
}

static int open_tree(struct verify *v) {
    const struct options *opt = v->request->opt;
    struct tree_config config = {.env = v->env,
                                 .counters = &v->counters,
                                 .writer = v->stores.writer,
                                 .reader = v->stores.reader,
                                 .keys = v->volume.keys,
                                 .prefix = opt->prefix,
                                 .dir = v->state.path,
                                 .host_label = "verify",
                                 .user_label = "verify",
                                 .machine_id = v->state.machine_id,
                                 .block_reader = v->reader,
                                 .spool = v->spool,
                                 .durability = opt->durability,
                                 .settle_ns = opt->settle,
                                 .poll_ns = opt->poll,
                                 .timeout_ns = opt->timeout,
                                 .read_only = true,
                                 .at = {.kind = PAST_NOW},
                                 .from_entry_1 = true,
                                 .take_key = take_key,
                                 .key_arg = v,
                                 .hooks = {.inval_entry = ignore_entry, .inval_inode = ignore_inode}};
    return tree_open(&config, &v->tree, v->why);
}

static int open_all(struct verify *v) {
    int r = loop_new(WORKERS, &v->loop);
    if (r < 0)
        return r;
    v->env = loop_env(v->loop);
    r = store_open(v->env, &v->counters, v->request->opt, STORE_OPEN_EXISTING, &v->stores, v->why);
    if (r == 0)
        r = volume_find(v->env, v->stores.reader, v->request->opt, &v->volume, v->why);
    if (r == 0 && v->volume.remembered) {
        buf_printf(v->why, "%s does not answer", v->request->opt->url);
        r = -EIO;
    }
    if (r == 0)
        r = open_state(v);
    if (r == 0)
        r = open_data(v);
    return r < 0 ? r : open_tree(v);
}

static void close_all(struct verify *v) {
    store_pair_stop(&v->stores);
    if (v->tree)
        v->tree = tree_close(v->tree);
    if (v->reader)
        v->reader = reader_free(v->reader);
    if (v->spool)
        v->spool = spool_close(v->spool);
    v->cache = block_cache_close(v->cache);
    v->loop = loop_free(v->loop);
    store_pair_free(&v->stores);
    volume_free(&v->volume);
    if (v->state.path)
        state_dir_close(&v->state);
}

/* The journal */

static void *start_tree(void *arg) {
    struct verify *v = arg;
    int r = tree_start(v->tree, v->why);
    SCOPE_LOCK(&v->mutex);
    v->started = true;
    v->start_err = r;
    pthread_cond_signal(&v->changed);
    return NULL;
}

static void show_journal(struct verify *v) {
    struct tree_status st;
    tree_status(v->tree, &st);
    v->request->progress(v->request->arg, VERIFY_JOURNAL, st.sequence, st.head, counter_get(&v->counters, COUNTER_BYTES_FETCHED));
    tree_status_free(&st);
}

static int check_journal(struct verify *v) {
    struct verify_result *ret = v->result;
    struct tree_status st;
    pthread_t thread;
    int r = pthread_create(&thread, NULL, start_tree, v);
    if (r != 0)
        return -r;
    pthread_mutex_lock(&v->mutex);
    while (!v->started) {
        pause_a_while(v);
        pthread_mutex_unlock(&v->mutex);
        show_journal(v);
        pthread_mutex_lock(&v->mutex);
    }
    pthread_mutex_unlock(&v->mutex);
    pthread_join(thread, NULL);
    tree_status(v->tree, &st);
    ret->sequence = st.sequence;
    ret->head = st.head;
    ret->entries = counter_get(&v->counters, COUNTER_ENTRIES_APPLIED);
    ret->void_entries = counter_get(&v->counters, COUNTER_ENTRIES_VOID);
    ret->void_changes = counter_get(&v->counters, COUNTER_CHANGES_VOID);
    ret->damaged_entries = st.damaged_entries;
    ret->damaged_last = st.damaged_last;
    if (v->start_err < 0 && st.sequence == 0)
        r = v->start_err; /* not one entry: nothing has been checked */
    else if (v->start_err < 0 || st.reason)
        ret->journal_wrong = xstrdup(st.reason ? st.reason : v->why->len ? buf_str(v->why) : strerror(-v->start_err));
    tree_status_free(&st);
    if (ret->journal_wrong)
        v->request->wrong(v->request->arg, NULL, ret->journal_wrong);
    return r;
}

/* Contents */

struct one {
    struct one *prev, *next;
    struct verify *verify;
    struct verify_list *list;
    struct content *content;
    UT_hash_handle hh; /* in verify.wrong, by object key: a content may have several objects */
};

static void one_free(struct one *o) {
    content_unref(o->content);
    free(o);
}

static void note_result(struct verify *v, struct content *c, int err, const char *why) {
    struct verify_result *ret = v->result;
    if (err == -ENOENT)
        ret->missing++;
    else if (err == -EBADMSG)
        ret->damaged++;
    else if (err < 0)
        ret->unreadable++;
    ret->contents++;
    ret->bytes += c->size;
    if (err < 0)
        v->request->wrong(v->request->arg, c->key, err == -ENOENT ? "it is not in the bucket" : why ? why : strerror(-err));
}

/* Beyond that an object that several files have may be told more than once. */
static void note_wrong(struct verify *v, struct one *o) {
    if (HASH_COUNT(v->wrong) < WRONG_MAX)
        HASH_ADD_KEYPTR(hh, v->wrong, o->content->key, strlen(o->content->key), o);
    else
        one_free(o);
}

static void content_done(void *arg, int err, const char *why) {
    struct one *o = arg;
    struct verify *v = o->verify;
    SCOPE_LOCK(&v->mutex);
    note_result(v, o->content, err, why);
    DL_DELETE(v->ones, o);
    v->n_ones--;
    pthread_cond_signal(&v->changed);
    if (err < 0) {
        note_wrong(v, o);
        return;
    }
    verify_list_add(o->list, o->content);
    one_free(o);
}

static void forget_wrong(struct verify *v) {
    struct one *o, *next;
    HASH_ITER (hh, v->wrong, o, next) {
        HASH_DEL(v->wrong, o);
        one_free(o);
    }
}

/* Those that are below the share: by their digests, which are as good as random. */
static bool is_chosen(const struct verify *v, const struct content *c) {
    uint32_t first = (uint32_t)c->id[0] << 24 | (uint32_t)c->id[1] << 16 | (uint32_t)c->id[2] << 8 | c->id[3];
    return v->request->share >= 1 || first < v->request->share * 4294967296.0;
}

static bool is_same(const struct one *o, const struct content *c) {
    return o && content_same(o->content, c) && !strcmp(o->content->key, c->key);
}

/* Several files may have one object. */
static bool is_under_way(const struct verify *v, const struct content *c) {
    const struct one *o;
    DL_FOREACH (v->ones, o)
        if (is_same(o, c))
            return true;
    return false;
}

static bool is_wrong(const struct verify *v, const struct content *c) {
    struct one *o;
    HASH_FIND(hh, v->wrong, c->key, strlen(c->key), o);
    return is_same(o, c);
}

static void begin_one(struct verify *v, const struct scrub_config *config, struct verify_list *list, struct content *c) {
    struct one *o = xmalloc(sizeof *o);
    *o = (struct one){.verify = v, .list = list, .content = content_ref(c)};
    DL_APPEND(v->ones, o);
    v->n_ones++;
    scrub_content(config, c, content_done, o);
}

static void show_content(struct verify *v, uint64_t seen) {
    v->request->progress(v->request->arg, VERIFY_CONTENT, seen, v->result->inodes, v->result->bytes);
}

static int check_contents(struct verify *v) {
    struct scrub_config config = {
        .env = v->env, .store = v->stores.reader, .keys = v->volume.keys, .prefix = v->request->opt->prefix, .timeout_ns = v->request->opt->timeout};
    struct verify_list *list;
    struct content *c;
    uint64_t seen;
    int r = verify_list_open(v->state.path, &list, &v->result->inodes);
    if (r < 0) {
        buf_printf(v->why, "%s cannot be read: %s", v->state.path, strerror(-r));
        return r;
    }
    pthread_mutex_lock(&v->mutex);
    while ((r = verify_list_next(list, &c, &seen)) == 1) {
        if (is_chosen(v, c) && verify_list_has(list, c))
            v->result->contents_before++;
        else if (is_chosen(v, c) && !is_under_way(v, c) && !is_wrong(v, c))
            begin_one(v, &config, list, c);
        content_unref(c);
        while (v->n_ones >= PARALLEL)
            pause_a_while(v);
        show_content(v, seen);
    }
    while (v->n_ones > 0) {
        pause_a_while(v);
        show_content(v, seen);
    }
    forget_wrong(v);
    pthread_mutex_unlock(&v->mutex);
    if (r < 0)
        buf_printf(v->why, "%s cannot be read: %s", v->state.path, strerror(-r));
    verify_list_close(list);
    return r;
}

int verify_run(const struct verify_request *request, struct verify_result *ret, struct buf *why) {
    struct verify v = {.request = request, .result = ret, .why = why};
    *ret = (struct verify_result){0};
    pthread_mutex_init(&v.mutex, NULL);
    pthread_cond_init(&v.changed, NULL);
    int r = open_all(&v);
    if (r == 0)
        r = check_journal(&v);
    if (r == 0 && request->content)
        r = check_contents(&v);
    close_all(&v);
    pthread_cond_destroy(&v.changed);
    pthread_mutex_destroy(&v.mutex);
    return r;
}
