/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store_fault.h"
#include "base/digest.h"

#include <uthash.h>
#include <utlist.h>

struct rule {
    struct rule *prev, *next;
    struct fault_rule is; /* prefix and why are ours */
    unsigned id, seen, hits;
};

struct key_count {
    UT_hash_handle hh;
    size_t puts, gets;
    char key[];
};

struct fault_store {
    struct store base;
    struct store *inner;
    pthread_mutex_t lock;
    pthread_cond_t held_more;
    /* guarded by lock */
    struct rule *rules;
    unsigned last_id;
    struct key_count *counts;
    struct op *held;
    size_t n_held;
    unsigned n_pages; /* the loop's */
};

/* What the rules that hit an operation do to it, together. */
struct plan {
    uint64_t delay_ms, late_ms, cut, corrupt;
    int fail, lose;
    char *why;
    bool has_cut, has_corrupt, squat, hold, hold_answer, cached, page, page_changes;
};

/* One operation: begin -> [held] -> [delay] -> run (the inner store) -> finish -> [held] -> [late] -> answer.
 */
struct op {
    struct op *prev, *next; /* in held */
    struct fault_store *f;
    struct plan plan;
    struct env_timer timer;
    env_fn go_on; /* what a held operation does when let go */
    const struct store_put *put;
    struct store_put garbage; /* what squats */
    store_put_done put_done;
    char *key;
    uint64_t off, len;
    unsigned flags;
    store_get_done get_done;
    void *arg;
    /* the answer */
    int err;
    char *why;
    unsigned char *data;
    size_t data_len;
    uint64_t total;
};

static struct fault_store *fault_store(struct store *s) {
    return container_of(s, struct fault_store, base);
}

/* ---- rules ---- */

static bool rule_sees(const struct rule *r, unsigned what, const char *key) {
    if (!(r->is.ops & what))
        return false;
    if (!r->is.prefix)
        return true;
    return r->is.whole_key ? !strcmp(key, r->is.prefix) : !strncmp(key, r->is.prefix, strlen(r->is.prefix));
}

static bool rule_hits(struct rule *r) {
    r->seen++;
    if (r->seen < r->is.nth || (r->is.count && r->seen >= r->is.nth + r->is.count))
        return false;
    r->hits++;
    return true;
}

static void plan_error(struct plan *p, int *which, const struct fault_rule *r) {
    if (p->fail || p->lose)
        return;
    *which = r->err;
    p->why = xstrdup(r->why ? r->why : "the store was told to fail by a test");
}

static void plan_add(struct plan *p, const struct fault_rule *r) {
    switch (r->kind) {
    case FAULT_DELAY:
        p->delay_ms += r->value;
        break;
    case FAULT_LATE:
        p->late_ms += r->value;
        break;
    case FAULT_FAIL:
        plan_error(p, &p->fail, r);
        break;
    case FAULT_LOSE:
        plan_error(p, &p->lose, r);
        break;
    case FAULT_CUT:
        p->has_cut = true;
        p->cut = r->value;
        break;
    case FAULT_CORRUPT:
        p->has_corrupt = true;
        p->corrupt = r->value;
        break;
    case FAULT_SQUAT:
        p->squat = true;
        break;
    case FAULT_HOLD:
        p->hold = true;
        break;
    case FAULT_HOLD_ANSWER:
        p->hold_answer = true;
        break;
    case FAULT_CACHED:
        p->cached = true;
        break;
    case FAULT_PAGE:
        p->page = true;
        p->page_changes |= r->value != 0;
        break;
    }
}

static void count_key(struct fault_store *f, unsigned what, const char *key) {
    struct key_count *c;
    HASH_FIND_STR(f->counts, key, c);
    if (!c) {
        c = xcalloc(1, sizeof *c + strlen(key) + 1);
        strcpy(c->key, key);
        HASH_ADD_STR(f->counts, key, c);
    }
    c->puts += what == FAULT_PUT;
    c->gets += what == FAULT_GET;
}

static struct plan make_plan(struct fault_store *f, unsigned what, const char *key) {
    struct plan p = {0};
    SCOPE_LOCK(&f->lock);
    if (what != FAULT_LIST)
        count_key(f, what, key);
    struct rule *r;
    DL_FOREACH (f->rules, r) {
        if (rule_sees(r, what, key) && rule_hits(r))
            plan_add(&p, &r->is);
    }
    return p;
}

unsigned store_fault_add(struct store *s, const struct fault_rule *is) {
    struct fault_store *f = fault_store(s);
    struct rule *r = xcalloc(1, sizeof *r);
    r->is = *is;
    r->is.prefix = is->prefix ? xstrdup(is->prefix) : NULL;
    r->is.why = is->why ? xstrdup(is->why) : NULL;
    r->is.ops = is->ops ? is->ops : FAULT_ANY;
    r->is.nth = MAX(1u, is->nth);
    r->is.err = is->err ? is->err : -EIO;
    SCOPE_LOCK(&f->lock);
    r->id = ++f->last_id;
    DL_APPEND(f->rules, r);
    return r->id;
}

static void rule_drop(struct fault_store *f, struct rule *r) {
    DL_DELETE(f->rules, r);
    free((char *)r->is.prefix);
    free((char *)r->is.why);
    free(r);
}

void store_fault_remove(struct store *s, unsigned id) {
    struct fault_store *f = fault_store(s);
    SCOPE_LOCK(&f->lock);
    struct rule *r, *next;
    DL_FOREACH_SAFE (f->rules, r, next) {
        if (r->id == id)
            rule_drop(f, r);
    }
}

void store_fault_clear(struct store *s) {
    struct fault_store *f = fault_store(s);
    SCOPE_LOCK(&f->lock);
    struct rule *r, *next;
    DL_FOREACH_SAFE (f->rules, r, next) {
        rule_drop(f, r);
    }
}

unsigned store_fault_hits(struct store *s, unsigned id) {
    struct fault_store *f = fault_store(s);
    SCOPE_LOCK(&f->lock);
    struct rule *r;
    DL_FOREACH (f->rules, r) {
        if (r->id == id)
            return r->hits;
    }
    return 0;
}

/* ---- operations ---- */

static void op_free(struct op *op) {
    free(op->plan.why);
    free(op->key);
    free(op->why);
    free(op->data);
    free(op);
}

static void op_hold(struct op *op, env_fn go_on) {
    struct fault_store *f = op->f;
    SCOPE_LOCK(&f->lock);
    op->go_on = go_on;
    DL_APPEND(f->held, op);
    f->n_held++;
    pthread_cond_broadcast(&f->held_more);
}

static void op_later(struct op *op, env_fn fn, uint64_t ms) {
    op->timer.fn = fn;
    op->timer.arg = op;
    env_timer_set(op->f->base.env, &op->timer, env_mono(op->f->base.env) + (int64_t)ms * NS_PER_MS);
}

static void op_answer(void *arg) {
    struct op *op = arg;
    if (op->put) {
        op->put_done(op->arg, op->err, op->why);
    } else {
        struct store_got got = {.err = op->err, .why = op->why};
        if (op->err == 0) {
            got.data = op->data;
            got.len = op->data_len;
            got.total = op->total;
            got.cached = op->plan.cached;
        }
        op->get_done(op->arg, &got);
    }
    op_free(op);
}

static void op_answer_late(void *arg) {
    struct op *op = arg;
    if (op->plan.late_ms)
        op_later(op, op_answer, op->plan.late_ms);
    else
        op_answer(op);
}

static void op_set_error(struct op *op, int err, const char *why) {
    free(op->why);
    op->err = err;
    op->why = why ? xstrdup(why) : NULL;
}

/* On the loop: the inner store has answered, or was not asked. */
static void op_finish(void *arg) {
    struct op *op = arg;
    const struct plan *p = &op->plan;
    if (p->lose)
        op_set_error(op, p->lose, p->why);
    if (p->has_cut)
        op->data_len = MIN(op->data_len, p->cut);
    if (p->has_corrupt && op->data_len)
        op->data[p->corrupt % op->data_len] ^= 1;
    if (p->hold_answer)
        op_hold(op, op_answer_late);
    else
        op_answer_late(op);
}

static void inner_put_done(void *arg, int err, const char *why) {
    struct op *op = arg;
    op_set_error(op, err, why);
    op_finish(op);
}

static void show_page(struct op *op) {
    CLEANUP_FREE char *page = op->plan.page_changes ? xasprintf("%srequest %u\n", FAULT_PAGE_TEXT, ++op->f->n_pages)
                                                    : xstrdup(FAULT_PAGE_TEXT);
    op->total = strlen(page);
    op->data_len = (size_t)(op->len ? MIN(op->len, op->total) : op->total);
    op->data = xmemdup(page, op->data_len);
    op_finish(op);
}

static void inner_get_done(void *arg, const struct store_got *got) {
    struct op *op = arg;
    if (got->err == -ENOENT && op->plan.page) {
        show_page(op);
        return;
    }
    op_set_error(op, got->err, got->why);
    if (got->err == 0) {
        op->data_len = got->len;
        op->total = got->total;
        op->data = xmalloc(got->len + 1);
        if (got->len)
            memcpy(op->data, got->data, got->len);
    }
    op_finish(op);
}

static void squat_done(void *arg, int err ATTR_UNUSED, const char *why ATTR_UNUSED) {
    struct op *op = arg;
    store_put_if_absent(op->f->inner, op->put, inner_put_done, op);
}

static void squat(struct op *op) {
    static const char garbage[] = FAULT_GARBAGE;
    op->garbage = (struct store_put){.key = op->key, .bytes = garbage, .size = strlen(garbage), .fd = -1};
    digest_of(garbage, strlen(garbage), op->garbage.sha256);
    store_put_if_absent(op->f->inner, &op->garbage, squat_done, op);
}

static void op_run(void *arg) {
    struct op *op = arg;
    if (op->plan.fail) {
        op_set_error(op, op->plan.fail, op->plan.why);
        env_post(op->f->base.env, op_finish, op);
    } else if (!op->put) {
        store_get_range(op->f->inner, op->key, op->off, op->len, op->flags, inner_get_done, op);
    } else if (op->plan.squat) {
        squat(op);
    } else {
        store_put_if_absent(op->f->inner, op->put, inner_put_done, op);
    }
}

static void op_delay(void *arg) {
    struct op *op = arg;
    if (op->plan.delay_ms)
        op_later(op, op_run, op->plan.delay_ms);
    else
        op_run(op);
}

static struct op *op_new(struct store *s, unsigned what, const char *key, void *arg) {
    struct op *op = xcalloc(1, sizeof *op);
    op->f = fault_store(s);
    op->key = xstrdup(key);
    op->arg = arg;
    op->plan = make_plan(op->f, what, key);
    return op;
}

static void op_begin(struct op *op) {
    if (op->plan.hold)
        op_hold(op, op_delay);
    else
        op_delay(op);
}

static void fault_put_if_absent(struct store *s, const struct store_put *put, store_put_done done,
                                void *arg) {
    struct op *op = op_new(s, FAULT_PUT, put->key, arg);
    op->put = put;
    op->put_done = done;
    op_begin(op);
}

static void fault_get_range(struct store *s, const char *key, uint64_t off, uint64_t len, unsigned flags,
                            store_get_done done, void *arg) {
    struct op *op = op_new(s, FAULT_GET, key, arg);
    op->off = off;
    op->len = len;
    op->flags = flags;
    op->get_done = done;
    op_begin(op);
}

struct failed_list {
    store_list_each each;
    void *arg;
    int err;
};

static void list_fail(void *arg) {
    struct failed_list *l = arg;
    l->each(l->arg, NULL, 0, l->err);
    free(l);
}

static void fault_list(struct store *s, const char *prefix, store_list_each each, void *arg) {
    struct fault_store *f = fault_store(s);
    struct plan p = make_plan(f, FAULT_LIST, prefix);
    free(p.why);
    if (!p.fail) {
        f->inner->ops->list(f->inner, prefix, each, arg);
        return;
    }
    struct failed_list *l = xcalloc(1, sizeof *l);
    *l = (struct failed_list){each, arg, p.fail};
    env_post(s->env, list_fail, l);
}

static char *fault_url(struct store *s, const char *key) {
    return store_url(fault_store(s)->inner, key);
}

static void fault_free(struct store *s) {
    struct fault_store *f = fault_store(s);
    struct key_count *c, *next;
    store_fault_clear(s);
    HASH_ITER (hh, f->counts, c, next) {
        HASH_DEL(f->counts, c);
        free(c);
    }
    store_free(f->inner);
    pthread_cond_destroy(&f->held_more);
    pthread_mutex_destroy(&f->lock);
    free(f->base.address);
    free(f);
}

static const struct store_ops fault_ops = {
    .put_if_absent = fault_put_if_absent,
    .get_range = fault_get_range,
    .list = fault_list,
    .url = fault_url,
    .free = fault_free,
};

static const struct store_ops fault_ops_no_list = {
    .put_if_absent = fault_put_if_absent,
    .get_range = fault_get_range,
    .url = fault_url,
    .free = fault_free,
};

struct store *store_fault_new(struct store *inner) {
    struct fault_store *f = xcalloc(1, sizeof *f);
    f->inner = inner;
    f->base = *inner;
    f->base.ops = inner->ops->list ? &fault_ops : &fault_ops_no_list;
    f->base.address = xstrdup(inner->address);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->held_more, NULL);
    return &f->base;
}

/* ---- the common ones in short ---- */

unsigned store_fault_delay(struct store *s, unsigned ops, const char *prefix, unsigned ms) {
    return store_fault_add(
        s, &(struct fault_rule){.kind = FAULT_DELAY, .ops = ops, .prefix = prefix, .value = ms});
}

unsigned store_fault_fail(struct store *s, unsigned ops, const char *prefix, unsigned nth, unsigned count,
                          int err) {
    return store_fault_add(
        s, &(struct fault_rule){
               .kind = FAULT_FAIL, .ops = ops, .prefix = prefix, .nth = nth, .count = count, .err = err});
}

static unsigned add(struct store *s, enum fault_kind kind, unsigned ops, const char *prefix, unsigned nth,
                    unsigned count, uint64_t value) {
    return store_fault_add(
        s, &(struct fault_rule){
               .kind = kind, .ops = ops, .prefix = prefix, .nth = nth, .count = count, .value = value});
}

unsigned store_fault_lose_answer(struct store *s, const char *prefix, unsigned nth, unsigned count) {
    return add(s, FAULT_LOSE, FAULT_PUT, prefix, nth, count, 0);
}

unsigned store_fault_cut(struct store *s, const char *prefix, unsigned nth, unsigned count, uint64_t left) {
    return add(s, FAULT_CUT, FAULT_GET, prefix, nth, count, left);
}

unsigned store_fault_corrupt(struct store *s, const char *prefix, unsigned nth, unsigned count) {
    return add(s, FAULT_CORRUPT, FAULT_GET, prefix, nth, count, 0);
}

unsigned store_fault_squat(struct store *s, const char *prefix, unsigned nth, unsigned count) {
    return add(s, FAULT_SQUAT, FAULT_PUT, prefix, nth, count, 0);
}

static const char refused[] = "the bucket refuses this (told so by a test)";
static const char vanished[] = "the bucket is not there (told so by a test)";

unsigned store_fault_refuse_puts(struct store *s) {
    return store_fault_add(
        s, &(struct fault_rule){.kind = FAULT_FAIL, .ops = FAULT_PUT, .err = -EACCES, .why = refused});
}

unsigned store_fault_refuse_gets(struct store *s) {
    return store_fault_add(
        s, &(struct fault_rule){.kind = FAULT_FAIL, .ops = FAULT_GET, .err = -EACCES, .why = refused});
}

unsigned store_fault_vanish(struct store *s) {
    return store_fault_add(s, &(struct fault_rule){.kind = FAULT_FAIL, .err = -EIO, .why = vanished});
}

unsigned store_fault_hide(struct store *s, const char *key) {
    return store_fault_add(
        s, &(struct fault_rule){
               .kind = FAULT_FAIL, .ops = FAULT_GET, .prefix = key, .whole_key = true, .err = -ENOENT});
}

unsigned store_fault_hold(struct store *s, unsigned ops, const char *prefix) {
    return add(s, FAULT_HOLD, ops, prefix, 1, 0, 0);
}

/* ---- held operations, counts ---- */

size_t store_fault_held(struct store *s) {
    struct fault_store *f = fault_store(s);
    SCOPE_LOCK(&f->lock);
    return f->n_held;
}

void store_fault_wait_held(struct store *s, size_t n) {
    struct fault_store *f = fault_store(s);
    SCOPE_LOCK(&f->lock);
    while (f->n_held < n)
        pthread_cond_wait(&f->held_more, &f->lock);
}

void store_fault_release(struct store *s) {
    struct fault_store *f = fault_store(s);
    SCOPE_LOCK(&f->lock);
    struct rule *r, *next_rule;
    DL_FOREACH_SAFE (f->rules, r, next_rule) {
        if (r->is.kind == FAULT_HOLD || r->is.kind == FAULT_HOLD_ANSWER)
            rule_drop(f, r);
    }
    struct op *op, *next;
    DL_FOREACH_SAFE (f->held, op, next) {
        DL_DELETE(f->held, op);
        env_post(s->env, op->go_on, op);
    }
    f->n_held = 0;
}

static size_t sum(struct store *s, const char *prefix, bool puts) {
    struct fault_store *f = fault_store(s);
    SCOPE_LOCK(&f->lock);
    size_t n = 0;
    for (struct key_count *c = f->counts; c; c = c->hh.next)
        if (!prefix || !strncmp(c->key, prefix, strlen(prefix)))
            n += puts ? c->puts : c->gets;
    return n;
}

size_t store_fault_puts(struct store *s, const char *prefix) {
    return sum(s, prefix, true);
}

size_t store_fault_gets(struct store *s, const char *prefix) {
    return sum(s, prefix, false);
}

/* ---- rules from text ---- */

static const struct {
    const char *name;
    int err;
} errors[] = {
    {"EIO", -EIO},       {"EACCES", -EACCES}, {"ENOSPC", -ENOSPC}, {"EEXIST", -EEXIST},
    {"ENOENT", -ENOENT}, {"EINVAL", -EINVAL}, {"ERANGE", -ERANGE}, {"ETIMEDOUT", -ETIMEDOUT},
};

enum value { NO_VALUE, NUMBER, MAYBE_NUMBER, MAYBE_ERRNO };

static const struct {
    const char *name;
    enum value value;
    struct fault_rule rule;
} kinds[] = {
    {"delay", NUMBER, {.kind = FAULT_DELAY}},
    {"late", NUMBER, {.kind = FAULT_LATE}},
    {"fail", MAYBE_ERRNO, {.kind = FAULT_FAIL}},
    {"lose", MAYBE_ERRNO, {.kind = FAULT_LOSE}},
    {"cut", NUMBER, {.kind = FAULT_CUT}},
    {"corrupt", MAYBE_NUMBER, {.kind = FAULT_CORRUPT}},
    {"squat", NO_VALUE, {.kind = FAULT_SQUAT}},
    {"refuse", NO_VALUE, {.kind = FAULT_FAIL, .err = -EACCES, .why = refused}},
    {"vanish", NO_VALUE, {.kind = FAULT_FAIL, .err = -EIO, .why = vanished}},
    {"hide", NO_VALUE, {.kind = FAULT_FAIL, .err = -ENOENT}},
};

static bool parse_number(const char *s, uint64_t *ret) {
    char *end;
    errno = 0;
    *ret = strtoull(s, &end, 10);
    return s[0] >= '0' && s[0] <= '9' && !*end && !errno;
}

static bool parse_ops(const char *s, unsigned *ret) {
    static const char *const names[] = {
        [FAULT_PUT] = "put", [FAULT_GET] = "get", [FAULT_LIST] = "list", [FAULT_ANY] = "any"};
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        if (names[i] && !strcmp(s, names[i])) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static bool parse_errno(const char *s, int *ret) {
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        if (!strcmp(s, errors[i].name)) {
            *ret = errors[i].err;
            return true;
        }
    }
    return false;
}

static bool parse_kind(const char *name, const char *value, struct fault_rule *r) {
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (strcmp(name, kinds[i].name))
            continue;
        *r = kinds[i].rule;
        switch (kinds[i].value) {
        case NO_VALUE:
            return !value;
        case NUMBER:
            return value && parse_number(value, &r->value);
        case MAYBE_NUMBER:
            return !value || parse_number(value, &r->value);
        case MAYBE_ERRNO:
            return !value || parse_errno(value, &r->err);
        }
    }
    return false;
}

static bool parse_name(const char *name, const char *value, struct fault_rule *r) {
    uint64_t n;
    if (!value)
        return false;
    if (!strcmp(name, "prefix") || !strcmp(name, "key")) {
        r->prefix = value;
        r->whole_key = name[0] == 'k';
        return true;
    }
    if (!parse_number(value, &n) || n > UINT32_MAX / 2)
        return false;
    if (!strcmp(name, "nth"))
        r->nth = (unsigned)n;
    else if (!strcmp(name, "count"))
        r->count = (unsigned)n;
    else
        return false;
    return true;
}

/* Changes text; the rule points into it. */
static bool parse_rule(char *text, struct fault_rule *ret) {
    unsigned ops;
    char *ops_text = strsep(&text, ":");
    if (!text || !parse_ops(ops_text, &ops))
        return false;
    bool first = true;
    for (char *name; (name = strsep(&text, ",")); first = false) {
        char *value = strchr(name, '=');
        if (value)
            *value++ = '\0';
        if (!(first ? parse_kind(name, value, ret) : parse_name(name, value, ret)))
            return false;
    }
    ret->ops = ops;
    return true;
}

int store_fault_parse(struct store *s, const char *spec) {
    CLEANUP_FREE char *text = xstrdup(spec);
    CLEANUP_FREE struct fault_rule *rules = xcalloc(strlen(spec) + 1, sizeof *rules);
    size_t n = 0;
    char *rest = text;
    for (char *rule; (rule = strsep(&rest, ";"));) {
        if (!*rule)
            continue;
        if (!parse_rule(rule, &rules[n++]))
            return -EINVAL;
    }
    for (size_t i = 0; i < n; i++)
        store_fault_add(s, &rules[i]);
    return 0;
}
