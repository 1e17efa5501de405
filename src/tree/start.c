/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A volume's beginning, and a mount's: entry 1, finding the head of the journal, catching up with it.
 */
#include "base/log.h"
#include "net/retry.h"
#include "tree/apply.h"
#include "tree/area.h"
#include "tree/batch.h"
#include "tree/checkpoint.h"
#include "tree/compare.h"
#include "tree/fault.h"
#include "tree/news.h"
#include "tree/object.h"
#include "tree/past.h"
#include <inttypes.h>

/* Entries fetched at once while catching up. */
#define WINDOW 16
#define WINDOW_BYTES ((size_t)16 << 20)
/* Probes at once while looking for the head. */
#define PROBES 8
/* No journal is that long: whoever says that its entry is there says so of everything. */
#define SEQUENCE_MAX ((uint64_t)1 << 39)
/* How long entry 1 is asked for again after trouble. */
#define FIRST_NS (5 * NS_PER_S)
/* Over what caches remember, the time for an entry that proves the head to get through. */
#define PROOF_NS (5 * NS_PER_S)

/* Getting */

static bool is_trouble(int err) {
    return err < 0 && err != -ENOENT && retry_classify(err) == RETRY_SOON;
}

/* Asks again for those of n that were in trouble. */
static size_t again(struct store *s, struct object_get *f, size_t n, bool probe, bool (*wanted)(int err)) {
    struct object_get *some = xcalloc(n, sizeof *some);
    size_t *where = xcalloc(n, sizeof *where), n_some = 0;
    for (size_t i = 0; i < n; i++) {
        if (!wanted(f[i].err))
            continue;
        where[n_some] = i;
        some[n_some++].key = xstrdup(f[i].key);
    }
    if (n_some)
        object_get_all(s, some, n_some, probe);
    for (size_t i = 0; i < n_some; i++) {
        object_gets_free(&f[where[i]], 1);
        f[where[i]] = some[i];
    }
    free(some);
    free(where);
    return n_some;
}

/* object_get_all(), again and again until nothing is `wanted` any more or the time is over. A directory's troubles are its disk's: nothing to wait for. */
static void get_all(struct store *s, struct object_get *f, size_t n, bool probe, int64_t for_ns, bool (*wanted)(int err)) {
    int64_t until = env_mono(s->env) + for_ns;
    object_get_all(s, f, n, probe);
    for (unsigned tries = 1; s->absence_ns && env_mono(s->env) < until; tries++) {
        uint64_t random;
        bool any = false;
        for (size_t i = 0; i < n; i++)
            any |= wanted(f[i].err);
        if (!any)
            return;
        env_random(s->env, &random, sizeof random);
        object_wait(s->env, retry_wait(&retry_fetch, -EIO, tries, random));
        again(s, f, n, probe, wanted);
    }
}

/* Of an entry that is known to exist. */
static bool is_any_error(int err) {
    return err == -ENOENT || err == -EACCES || is_trouble(err);
}

/* Entry 1 */

int tree_init(struct env *env, struct store *writer, const struct keyring *keys, const char *prefix,
              const uint8_t volume_id[16], const char *host_label, const char *user_label, uint32_t root_uid,
              uint32_t root_gid, bool open, struct buf *why) {
    CLEANUP_BUF struct buf rule = BUF_INIT(1024);
    const struct area everybody = {.path = (char *)"", .access = AREA_OPEN};
    struct set_digest empty = {0};
    uint8_t salt[SEAL_SALT_SIZE];
    struct entry e = {.sequence = 1, .session = 1, .has_volume = true};
    int64_t now = env_now(env);
    e.host = (char *)host_label;
    e.user = (char *)user_label;
    e.time = now;
    memcpy(e.volume_id, volume_id, VOLUME_ID_SIZE);
    e.root = (struct record){
        .mode = S_IFDIR | 0755, .uid = root_uid, .gid = root_gid, .atime = now, .mtime = now, .ctime = now, .btime = now};
    set_digest_value(&empty, e.tree);
    env_random(env, e.nonce, NONCE_SIZE);
    env_random(env, salt, sizeof salt);
    area_encode(&everybody, &rule);
    struct state_edit edit = {.key = (char *)AREA_STATE, .now = rule.data, .now_len = rule.len};
    struct change change = {.states = &edit, .n_states = 1};
    if (open) {
        e.changes = &change;
        e.n_changes = 1;
        e.ro_compat = FEATURE_AREAS;
    }
    CLEANUP_BUF struct buf sealed = BUF_INIT(ENTRY_MAX);
    CLEANUP_FREE char *key = entry_key(prefix, 1);
    int r = entry_seal(&e, keys, prefix, salt, &sealed);
    if (r == 0)
        r = object_put(writer, key, sealed.data, sealed.len, why);
    if (r == -EEXIST) {
        buf_reset(why);
        buf_printf(why, "%s holds a volume already (%s is there): mount it, or choose another place or prefix=", writer->address, key);
    }
    return r;
}

/* Over a network an absence may be a refusal: then what was said of it helps. */
static void explain_first(int err, const struct store *reader, const struct object_get *f, struct buf *why) {
    if (err != -ENOENT)
        buf_printf(why, "%s cannot be read: %s", reader->address, f->why ? f->why : strerror(-err));
    else
        buf_printf(why, "there is no volume at %s (%s is not there): make one with `assetfs init`, or check the address and prefix=%s%s%s",
                   reader->address, f->key, reader->absence_ns && f->why ? " (" : "", reader->absence_ns && f->why ? f->why : "",
                   reader->absence_ns && f->why ? ")" : "");
}

/* Entry 1 as it is in the bucket. */
static int read_first(struct store *reader, const char *prefix, struct buf *ret, struct buf *why) {
    struct object_get f = {.key = entry_key(prefix, 1)};
    get_all(reader, &f, 1, false, FIRST_NS, is_trouble);
    int r = f.err;
    if (r < 0)
        explain_first(r, reader, &f, why);
    else
        r = buf_append(ret, f.data.data, f.data.len);
    object_gets_free(&f, 1);
    return r;
}

int tree_peek(struct env *env, struct store *reader, const char *prefix, bool *ret_plain,
              uint8_t ret_key_id[SEAL_KEY_ID_SIZE], struct buf *why) {
    CLEANUP_BUF struct buf first = BUF_INIT(ENTRY_MAX + 1);
    int format;
    (void)env;
    int r = read_first(reader, prefix, &first, why);
    if (r < 0)
        return r;
    r = seal_peek(first.data, first.len, &format, ret_key_id);
    if (r < 0) {
        buf_printf(why, "%s/journal/0000000000000001 at %s is not of assetfs, or of a newer version", prefix, reader->address);
        return -EMEDIUMTYPE;
    }
    *ret_plain = format == SEAL_FORMAT_PLAIN;
    return 0;
}

static int explain_open(int r, const char *prefix, const char *address, struct buf *why) {
    if (r == -ENOKEY)
        buf_printf(why, "the volume at %s is sealed under another key than the one given: find the recovery code that `assetfs init` printed, and "
                        "`assetfs key import`",
                   address);
    else if (r == -EPROTONOSUPPORT)
        buf_printf(why, "the volume at %s is of a newer format: install a newer assetfs", address);
    else
        buf_printf(why, "%s/journal/0000000000000001 at %s cannot be opened with this key, or is damaged", prefix, address);
    return r == -EBADMSG || r == -EPROTONOSUPPORT ? -EMEDIUMTYPE : r;
}

int tree_identify(struct env *env, struct store *reader, const struct keyring *keys, const char *prefix,
                  uint8_t ret_volume_id[16], struct buf *why) {
    CLEANUP_BUF struct buf first = BUF_INIT(ENTRY_MAX + 1);
    CLEANUP_ENTRY struct entry e = {0};
    (void)env;
    int r = read_first(reader, prefix, &first, why);
    if (r < 0)
        return r;
    r = entry_open(first.data, first.len, keys, prefix, 1, &e);
    if (r < 0)
        return explain_open(r, prefix, reader->address, why);
    memcpy(ret_volume_id, e.volume_id, VOLUME_ID_SIZE);
    return 0;
}

/* Finding the head */

/* Which of n numbers are in the bucket. *proven becomes true when one of them came from there, and not out of a cache. */
static int probe(struct tree *t, const uint64_t *numbers, size_t n, bool *there, bool *proven, struct buf *why) {
    struct object_get f[PROBES] = {0};
    int r = 0;
    for (size_t i = 0; i < n; i++)
        f[i].key = entry_key(t->cfg.prefix, numbers[i]);
    get_all(t->cfg.reader, f, n, true, t->cfg.timeout_ns, is_trouble);
    for (size_t i = 0; i < n; i++) {
        there[i] = f[i].err == 0;
        *proven |= there[i] && !f[i].cached;
        if (f[i].err < 0 && f[i].err != -ENOENT && r == 0) {
            r = f[i].err;
            buf_append_str(why, f[i].why ? f[i].why : strerror(-r));
        }
    }
    object_gets_free(f, n);
    return r;
}

/* Over a network: does an absent number read as absent? */
static int check_control(struct tree *t, struct buf *why) {
    if (!t->cfg.reader->absence_ns)
        return 0;
    struct object_get f = {.key = follow_control_key(t)};
    get_all(t->cfg.reader, &f, 1, true, t->cfg.timeout_ns, is_trouble);
    int r = f.err == 0 ? -EIO : f.err == -ENOENT ? 0 : f.err;
    if (r < 0)
        buf_append_str(why, f.err == 0 ? follow_rewrites : f.why ? f.why : strerror(-r));
    object_gets_free(&f, 1);
    return r;
}

/* lo is there, hi is not; numbers are contiguous. */
static int bisect(struct tree *t, uint64_t lo, uint64_t hi, uint64_t *ret, bool *proven, struct buf *why) {
    while (hi - lo > 1) {
        uint64_t numbers[PROBES];
        bool there[PROBES];
        size_t n = 0;
        uint64_t step = MAX(1, (hi - lo) / (PROBES + 1));
        for (uint64_t at = lo + step; at < hi && n < PROBES; at += step)
            numbers[n++] = at;
        int r = probe(t, numbers, n, there, proven, why);
        if (r < 0)
            return r;
        for (size_t i = 0; i < n; i++) {
            if (there[i])
                lo = MAX(lo, numbers[i]);
            else
                hi = MIN(hi, numbers[i]);
        }
    }
    *ret = lo;
    return 0;
}

static int find_head(struct tree *t, uint64_t from, uint64_t *ret, bool *proven, struct buf *why) {
    uint64_t lo = from, reach = 1;
    int r = check_control(t, why);
    while (r == 0 && reach < SEQUENCE_MAX) {
        uint64_t numbers[PROBES];
        bool there[PROBES];
        for (size_t i = 0; i < PROBES; i++, reach *= 2)
            numbers[i] = from + reach;
        r = probe(t, numbers, PROBES, there, proven, why);
        for (size_t i = 0; i < PROBES && r == 0; i++) {
            if (!there[i])
                return bisect(t, lo, numbers[i], ret, proven, why);
            lo = numbers[i];
        }
    }
    if (r == 0)
        buf_append_str(why, follow_rewrites);
    return r < 0 ? r : -EIO;
}

/* Proving it */

/* Known entries at random, all at once: is there one that a cache does not hold? */
static bool find_uncached(struct tree *t, uint64_t head) {
    uint64_t numbers[PROBES];
    bool there[PROBES], proven = false;
    CLEANUP_BUF struct buf why = BUF_INIT(65536);
    size_t n = (size_t)MIN(head, PROBES);
    for (size_t i = 0; i < n; i++) {
        uint64_t random;
        env_random(t->env, &random, sizeof random);
        numbers[i] = 1 + random % head;
    }
    return probe(t, numbers, n, there, &proven, &why) == 0 && proven;
}

static void explain_unproven(struct tree *t, const char *what, struct buf *why) {
    buf_printf(why, "%s: let the CDN at %s pass requests for %s/journal/ to the bucket without caching answers (CloudFront: a behaviour with the policy CachingDisabled)",
               what, t->cfg.reader->address, t->cfg.prefix);
}

/* The proof that needs no cache: an entry without changes at the next number. If it is taken, the head was elsewhere: what stands there is read and applied, and the next number tried,
 * until the time is over. A session is wanted anyway. Not on the loop. */
static int prove_by_writing(struct tree *t, struct buf *why) {
    int64_t until = env_mono(t->env) + t->cfg.reader->absence_ns + PROOF_NS;
    tree_lock(t);
    while (!t->session && !t->read_only && !t->session_failed_at && env_mono(t->env) < until) {
        t->session_wanted = true;
        commit_kick(t);
        tree_unlock(t);
        object_wait(t->env, NS_PER_S / 10);
        tree_lock(t);
    }
    bool proven = t->session != 0;
    CLEANUP_FREE char *reason = t->reason ? xstrdup(t->reason) : NULL;
    tree_unlock(t);
    if (proven)
        return 0;
    if (reason)
        buf_printf(why, "whether the journal that can be read is all of it cannot be told, and an entry that would show it cannot be written: %s", reason);
    else
        explain_unproven(t, "journal entries that are in the bucket cannot be read, and older ones come out of a cache", why);
    return -EIO;
}

/* Catching up */

/* The next entry that opens tells what was the last one before it: if that is ours, what stands between is void. */
static bool later_says_void(struct tree *t, uint64_t seq, const struct object_get *later, size_t n) {
    for (size_t i = 0; i < n; i++) {
        CLEANUP_ENTRY struct entry e = {0};
        if (later[i].err == 0 && entry_open(later[i].data.data, later[i].data.len, t->cfg.keys, t->cfg.prefix, seq + 1 + i, &e) == 0)
            return e.has_previous && !memcmp(e.previous, t->head_hash, DIGEST_SIZE);
    }
    return false;
}

static bool same_bytes(const struct object_get *a, const struct object_get *b) {
    return a->err == 0 && b->err == 0 && a->data.len == b->data.len && !memcmp(a->data.data, b->data.data, a->data.len);
}

/* Over a network: a number that nobody has reads as absent, and after that the doubtful one as before. */
static int check_void(struct tree *t, const struct object_get *f, struct buf *why) {
    struct object_get again = {.key = xstrdup(f->key)};
    int r = check_control(t, why);
    if (r == 0 && t->cfg.reader->absence_ns) {
        get_all(t->cfg.reader, &again, 1, false, t->cfg.timeout_ns, is_any_error);
        r = same_bytes(f, &again) ? 0 : -EIO;
        if (r < 0)
            buf_printf(why, "%s reads differently each time", f->key);
    }
    object_gets_free(&again, 1);
    return r;
}

/* follow_take(), with the rows it needs: fetched, if this host began from a checkpoint. */
static int take_entry(struct tree *t, uint64_t seq, const void *p, size_t n, struct buf *why) {
    for (;;) {
        tree_lock(t);
        int r = follow_take(t, seq, p, n);
        tree_unlock(t);
        if (r != -EINPROGRESS)
            return r;
        tree_lock(t);
        bool batch = batch_is_wanted(t), bytes = compare_is_wanted(t);
        tree_unlock(t);
        r = batch ? batch_fetch_here(t, why) : bytes ? compare_here(t) : fault_wait_here(t);
        if (r < 0 && batch)
            return r;
        if (r < 0) {
            buf_printf(why, "the checkpoint this host began from cannot be read: %s", strerror(-r));
            return r;
        }
    }
}

/* It opened under no key. Once more past the caches, over a network later than they remember errors and beside a number that must be absent (follow.c); then it is void. */
static int look_again(struct tree *t, uint64_t seq, const struct object_get *f, struct buf *why) {
    int64_t absence = t->cfg.reader->absence_ns;
    struct object_get second = {.key = xstrdup(f->key)};
    if (absence)
        object_wait(t->env, absence);
    get_all(t->cfg.reader, &second, 1, false, t->cfg.timeout_ns, is_any_error);
    int r = second.err;
    if (r < 0)
        buf_append_str(why, second.why ? second.why : strerror(-r));
    if (r == 0)
        r = take_entry(t, seq, second.data.data, second.data.len, why);
    if (r == -EBADMSG && absence && !same_bytes(f, &second)) {
        buf_printf(why, "%s reads differently each time", f->key);
        r = -EIO;
    } else if (r == -EBADMSG) {
        r = check_void(t, &second, why);
        tree_lock(t);
        if (r == 0)
            r = follow_void(t, seq);
        tree_unlock(t);
    }
    object_gets_free(&second, 1);
    return r;
}

/* n: f and what was read of the numbers after it. */
static int take_number(struct tree *t, uint64_t seq, struct object_get *f, size_t n, struct buf *why) {
    if (f->err < 0) {
        buf_printf(why, "journal entry %" PRIu64 " cannot be read: %s", seq, f->why ? f->why : strerror(-f->err));
        return f->err;
    }
    int r = take_entry(t, seq, f->data.data, f->data.len, why);
    tree_lock(t);
    bool is_void = r == -EBADMSG && t->cfg.reader->absence_ns && later_says_void(t, seq, f + 1, n - 1);
    if (is_void)
        r = follow_void(t, seq);
    tree_unlock(t);
    return r == -EBADMSG ? look_again(t, seq, f, why) : r;
}

/* Of entries like these so many at once: small ones for the sake of the way there and back, large ones for that of memory. */
static size_t window_after(const struct object_get *f, size_t n) {
    size_t bytes = 1;
    for (size_t i = 0; i < n; i++)
        bytes += f[i].data.len;
    return MAX(MIN(WINDOW_BYTES / (bytes / n + 1), (size_t)WINDOW), (size_t)4);
}

static int catch_up(struct tree *t, uint64_t head, struct buf *why) {
    size_t window = WINDOW / 2;
    int r = 0;
    while (t->seq < head && r == 0 && !t->stopped) {
        struct object_get f[WINDOW] = {0};
        uint64_t first = t->seq + 1;
        size_t n = (size_t)MIN(window, head - t->seq);
        for (size_t i = 0; i < n; i++)
            f[i].key = entry_key(t->cfg.prefix, first + i);
        get_all(t->cfg.reader, f, n, false, t->cfg.timeout_ns, is_any_error);
        window = window_after(f, n);
        for (size_t i = 0; i < n && r == 0; i++) {
            r = take_number(t, first + i, &f[i], n - i, why);
            buf_free(&f[i].data);
        }
        object_gets_free(f, n);
    }
    return r;
}

/* With local state: is the newest entry we know still there, and the same? 0, -ESTALE (backwards, said so), or trouble. */
static int check_known(struct tree *t, bool *proven, struct buf *why) {
    struct object_get f = {.key = entry_key(t->cfg.prefix, t->seq)};
    uint8_t volume[VOLUME_ID_SIZE];
    object_get_all(t->cfg.reader, &f, 1, false);
    int r = f.err;
    *proven = r == 0 && !f.cached;
    if (r < 0)
        buf_append_str(why, f.why ? f.why : strerror(-r));
    object_gets_free(&f, 1);
    if (r != -ENOENT)
        return r;
    if (t->cfg.reader->absence_ns)
        return -EIO; /* a cache's memory, or a refusal: follow.c finds out */
    buf_reset(why);
    r = tree_identify(t->env, t->cfg.reader, t->cfg.keys, t->cfg.prefix, volume, why);
    if (r == -ENOENT)
        return -EIO;
    if (r < 0)
        return r;
    tree_lock(t);
    tree_stop(t, "the bucket went backwards: journal entry %" PRIu64 " was there and is gone. This host keeps what it has and writes nothing; restore the "
                 "bucket, or move %s away to see the bucket as it is",
              t->seq, t->cfg.dir);
    tree_unlock(t);
    return -ESTALE;
}

static int begin_volume(struct tree *t, bool *proven, struct buf *why) {
    struct object_get f = {.key = entry_key(t->cfg.prefix, 1)};
    get_all(t->cfg.reader, &f, 1, false, t->cfg.timeout_ns, is_trouble);
    int r = f.err;
    *proven = r == 0 && !f.cached;
    if (r < 0) {
        explain_first(r, t->cfg.reader, &f, why);
    } else {
        tree_lock(t);
        r = follow_take(t, 1, f.data.data, f.data.len);
        tree_unlock(t);
        if (r < 0)
            r = explain_open(r, t->cfg.prefix, t->cfg.reader->address, why);
    }
    object_gets_free(&f, 1);
    return r;
}

static void started_on_loop(void *arg) {
    struct tree *t = arg;
    tree_lock(t);
    if (!t->closing && !t->stopped)
        env_timer_set(t->env, &t->poll_timer, env_mono(t->env) + (t->offline ? 0 : t->cfg.poll_ns));
    if (!t->closing && !t->read_only && t->inflight.active) {
        t->commit_armed = true;
        t->commit_at = env_mono(t->env);
        env_timer_set(t->env, &t->commit_timer, t->commit_at);
    }
    settle_kick(t);
    commit_kick(t);
    tree_release(t);
    tree_unlock(t);
}

static void note_started(struct tree *t, int r, const char *why) {
    tree_lock(t);
    if (r == 0) {
        t->witness_at = env_mono(t->env);
        t->head_seen = env_now(t->env);
    } else if (r != -ESTALE) {
        tree_offline(t, true, why);
    }
    news_start(t);
    t->started = true;
    tree_hold(t);
    env_post(t->env, started_on_loop, t);
    tree_unlock(t);
    settle_hand_over(t);
}

/* Without a proof of the head, nobody can tell how much of the tree is missing. What is known here is shown all the same; a mount that knows nothing begins only with a proof.
 * *by_writing: it is to come when the tree has started. */
static int prove(struct tree *t, bool local, uint64_t head, bool *by_writing, struct buf *why) {
    if (!t->cfg.reader->absence_ns || find_uncached(t, head))
        return 0;
    *by_writing = !local && !t->cfg.read_only;
    if (local) {
        tree_lock(t);
        follow_unproven(t);
        tree_unlock(t);
    } else if (t->cfg.read_only) {
        explain_unproven(t, "the journal comes out of a cache, so that nobody can tell whether what can be read is all of it", why);
        return -EIO;
    }
    return 0;
}

/* Where the next entry is there as well, it needs no other proof. */
static int begin_past(struct tree *t, uint64_t *head, bool *proven, struct buf *why) {
    uint64_t last;
    int r = past_find(t, *head, &last, why);
    if (r < 0)
        return r;
    *proven |= last < *head;
    *head = last;
    return 0;
}

/* A past state that met an entry of a damaged writer, and did not begin at entry 1: nothing is pending in it, so it begins there. */
static int start_anew(struct tree *t, uint64_t head, struct buf *why) {
    bool proven;
    t->dispute.begin_anew = false;
    int r = checkpoint_forget(t);
    t->made_here = true;
    if (r == 0)
        r = begin_volume(t, &proven, why);
    return r < 0 ? r : catch_up(t, head, why);
}

int tree_start(struct tree *t, struct buf *why) {
    CLEANUP_BUF struct buf said = BUF_INIT(65536);
    bool local = t->seq > 0, proven = false, by_writing = false;
    t->made_here = !local;
    uint64_t head = 0;
    int r = local ? checkpoint_attach(t, why) : 0;
    if (r < 0)
        return r;
    r = local ? check_known(t, &proven, &said) : begin_volume(t, &proven, why);
    if (r < 0 && !local)
        return r;
    if (r == 0)
        r = find_head(t, t->seq, &head, &proven, &said);
    if (r == 0 && t->cfg.at.kind != PAST_NONE)
        r = begin_past(t, &head, &proven, &said);
    if (r == 0 && !proven)
        r = prove(t, local, head, &by_writing, &said);
    if (r == 0) {
        t->head = head;
        if (!t->cfg.from_entry_1)
            r = checkpoint_start(t, head);
        if (!fault_is_lazy(t) || t->checkpoint.base)
            checkpoint_base_remove_others(t);
        local = local && t->seq > 0; /* what was here may have been given up */
        t->made_here &= !fault_is_lazy(t);
    }
    if (r == 0)
        r = catch_up(t, head, &said);
    if (r < 0 && t->dispute.begin_anew)
        r = start_anew(t, head, &said);
    if (t->stopped || t->rebuild) /* with its reason: read-only, with what there is; or it looks at itself first */
        r = -ESTALE;
    if (r < 0 && r != -ESTALE && !local) {
        buf_append(why, said.data, said.len);
        return r;
    }
    note_started(t, r, said.len ? buf_str(&said) : strerror(-r));
    return by_writing && r == 0 ? prove_by_writing(t, why) : 0;
}

/* The log */

static const char *const was_names[] = {"new", "back", "plain", "content", "foreign"};

static void log_change(struct buf *b, const struct change *c) {
    buf_append_str(b, "{\"names\":[");
    for (size_t i = 0; i < c->n_names; i++) {
        const struct name_edit *n = &c->names[i];
        buf_printf(b, "%s{\"parent\":%" PRIu64 ",\"name\":", i ? "," : "", n->parent);
        buf_append_json(b, n->name, n->n);
        buf_printf(b, ",\"was\":%" PRIu64 ",\"now\":%" PRIu64 "}", n->was, n->now);
    }
    buf_append_str(b, "],\"inodes\":[");
    for (size_t i = 0; i < c->n_inodes; i++) {
        const struct inode_edit *e = &c->inodes[i];
        buf_printf(b, "%s{\"ino\":%" PRIu64 ",\"was\":\"%s\",\"mode\":%u,\"size\":%" PRIu64, i ? "," : "", e->ino, was_names[e->was],
                   e->rec.mode, e->rec.size);
        if (e->rec.content) {
            buf_append_str(b, ",\"key\":");
            buf_append_json(b, e->rec.content->key, strlen(e->rec.content->key));
        }
        buf_append_byte(b, '}');
    }
    buf_append_str(b, "]}");
}

/* with_changes: else there are too many to be told. */
static void log_entry(struct buf *b, const struct entry *e, size_t bytes, int batch, bool with_changes) {
    buf_printf(b, "{\"sequence\":%" PRIu64 ",\"time\":%" PRId64 ",\"session\":%" PRIu64 ",\"bytes\":%zu,\"host\":", e->sequence, e->time,
               e->session ? e->session : e->sequence, bytes);
    buf_append_json(b, e->host, strlen(e->host));
    buf_append_str(b, ",\"user\":");
    buf_append_json(b, e->user, strlen(e->user));
    if (e->batch.size)
        buf_printf(b, ",\"batch_bytes\":%" PRIu64, e->batch.size);
    if (batch < 0 || !with_changes) {
        buf_append_str(b, ",\"left_out\":");
        const char *why = batch == -ENOENT ? "the batch of its changes is not in the bucket" : batch < 0 ? "the batch of its changes cannot be read" : "it has too many changes";
        buf_append_json(b, why, strlen(why));
    }
    buf_printf(b, ",\"claims\":%s,\"volume\":%s,\"changes\":[", e->session ? "false" : "true", e->has_volume ? "true" : "false");
    for (size_t i = 0; with_changes && i < e->n_changes; i++) {
        if (i)
            buf_append_byte(b, ',');
        log_change(b, &e->changes[i]);
    }
    buf_append_str(b, "]}");
}

static void log_whole(struct tree *t, struct buf *line, struct entry *e, size_t bytes) {
    int batch = batch_read(t, e);
    log_entry(line, e, bytes, batch, true);
    if (line->err) {
        buf_free(line);
        *line = (struct buf)BUF_INIT(ENTRY_MAX);
        log_entry(line, e, bytes, batch, false);
    }
}

int tree_log(struct tree *t, unsigned n, void (*each)(void *arg, const char *json), void *arg) {
    tree_lock(t);
    uint64_t seq = t->seq;
    tree_unlock(t);
    for (unsigned i = 0; i < n && seq > i; i++) {
        CLEANUP_BUF struct buf data = BUF_INIT(ENTRY_MAX + 1), line = BUF_INIT(8 * ENTRY_MAX);
        CLEANUP_FREE char *key = entry_key(t->cfg.prefix, seq - i);
        CLEANUP_ENTRY struct entry e = {0};
        int r = object_get(t->cfg.reader, key, &data, NULL);
        if (r < 0)
            return r;
        if (entry_open(data.data, data.len, t->cfg.keys, t->cfg.prefix, seq - i, &e) == 0)
            log_whole(t, &line, &e, data.len);
        else
            buf_printf(&line, "{\"sequence\":%" PRIu64 ",\"void\":true,\"bytes\":%zu}", seq - i, data.len);
        each(arg, buf_str(&line));
    }
    return 0;
}
