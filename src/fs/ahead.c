/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/ahead.h"
#include "tree/walk.h"

/* Programs at once; the one that has been quiet longest is forgotten first. */
#define RUNS 8
/* Of one file: what is behind that is for the read-ahead within it. */
#define FILE_MAX ((uint64_t)8 << 20)
/* Looked at before anything is fetched. */
#define FIRST_GUESS 4

struct guess {
    struct walk_file file;
    bool fetched;
};

/* One program's way through the tree. */
struct run {
    uint64_t used; /* by `clock` */
    unsigned length;
    bool changes_dirs;    /* it has gone from one directory to the next */
    struct walk last, at; /* the file read last; where the prediction ends */
    bool end;
    struct guess next[AHEAD_FILES];
    size_t n;
    uint64_t ahead; /* bytes of those fetched */
};

struct ahead {
    struct tree *tree;
    struct reader *reader;
    uint64_t bytes;
    pthread_mutex_t lock; /* guards what follows */
    uint64_t clock;
    struct run runs[RUNS];
};

/* What is to be fetched when the lock is released. */
struct order {
    struct content *list[AHEAD_FILES];
    size_t n;
};

static uint64_t fetch_size(const struct guess *g) {
    return g->file.content ? MIN(g->file.content->size, FILE_MAX) : 0;
}

/* Forgets the first n of the list. */
static void drop(struct run *r, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (r->next[i].fetched)
            r->ahead -= fetch_size(&r->next[i]);
        content_unref(r->next[i].file.content);
    }
    memmove(r->next, r->next + n, (r->n - n) * sizeof r->next[0]);
    r->n -= n;
}

/* Makes the list as long as the run deserves. */
static void extend(struct ahead *a, struct run *r) {
    struct walk_file files[AHEAD_FILES];
    size_t want = r->length == 0 ? FIRST_GUESS : r->length < 5 ? (size_t)FIRST_GUESS << r->length : AHEAD_FILES;
    if (r->end || r->n >= want)
        return;
    size_t n = walk_next(a->tree, &r->at, files, want - r->n, &r->end);
    for (size_t i = 0; i < n; i++)
        r->next[r->n++] = (struct guess){.file = files[i]};
}

static void order_what_follows(struct ahead *a, struct run *r, struct order *o) {
    for (size_t i = 0; i < r->n && r->length > 0; i++) {
        struct guess *g = &r->next[i];
        if (g->fetched || fetch_size(g) == 0)
            continue;
        if (g->file.parent != r->last.parent && !r->changes_dirs)
            continue;
        if (r->ahead + fetch_size(g) > a->bytes)
            break;
        g->fetched = true;
        r->ahead += fetch_size(g);
        o->list[o->n++] = content_ref(g->file.content);
    }
}

static struct run *find_guessed(struct ahead *a, uint64_t ino, size_t *ret_at) {
    for (struct run *r = a->runs; r < a->runs + RUNS; r++)
        for (*ret_at = 0; *ret_at < r->n; ++*ret_at)
            if (r->next[*ret_at].file.ino == ino)
                return r;
    return NULL;
}

static bool is_after(const struct walk *a, const struct walk *b) {
    int d = memcmp(a->name, b->name, MIN(a->n, b->n));
    return a->parent == b->parent && (d > 0 || (d == 0 && a->n > b->n));
}

/* A program that goes on in its directory, past more than the list held: it leaves subdirectories for later. */
static struct run *find_passed(struct ahead *a, const struct walk *w) {
    for (struct run *r = a->runs; r < a->runs + RUNS; r++)
        if (r->used && !r->last.files_first && r->n && r->next[0].file.parent != w->parent && is_after(w, &r->last))
            return r;
    return NULL;
}

static struct run *begin_run(struct ahead *a) {
    struct run *oldest = a->runs;
    for (struct run *r = a->runs; r < a->runs + RUNS; r++)
        if (r->used < oldest->used)
            oldest = r;
    drop(oldest, oldest->n);
    *oldest = (struct run){0};
    return oldest;
}

/* The program is at `now`, which the list has not foreseen. */
static void look_from(struct run *r, const struct walk *now, bool files_first) {
    drop(r, r->n);
    r->last = r->at = *now;
    r->last.files_first = r->at.files_first = files_first;
    r->end = false;
}

static void note_read(struct ahead *a, uint64_t ino, struct order *o) {
    size_t at;
    struct walk now;
    struct run *r = find_guessed(a, ino, &at);
    if (r) {
        uint64_t parent = r->next[at].file.parent;
        r->changes_dirs |= parent != r->last.parent;
        r->length++;
        drop(r, at + 1);
        bool files_first = r->last.files_first;
        if (walk_to(a->tree, ino, &r->last) < 0)
            r->last.parent = parent;
        r->last.files_first = files_first;
    } else if (walk_to(a->tree, ino, &now) < 0) {
        return;
    } else if ((r = find_passed(a, &now))) {
        r->length++;
        look_from(r, &now, true);
    } else {
        r = begin_run(a);
        look_from(r, &now, false);
    }
    r->used = ++a->clock;
    extend(a, r);
    order_what_follows(a, r, o);
}

void ahead_reads(struct ahead *a, uint64_t ino) {
    struct order o = {.n = 0};
    if (a->bytes == 0)
        return;
    pthread_mutex_lock(&a->lock);
    note_read(a, ino, &o);
    pthread_mutex_unlock(&a->lock);
    for (size_t i = 0; i < o.n; i++) {
        reader_ahead(a->reader, o.list[i], FILE_MAX);
        content_unref(o.list[i]);
    }
}

struct ahead *ahead_new(struct tree *t, struct reader *reader, uint64_t bytes) {
    struct ahead *a = xcalloc(1, sizeof *a);
    a->tree = t;
    a->reader = reader;
    a->bytes = bytes;
    pthread_mutex_init(&a->lock, NULL);
    return a;
}

struct ahead *ahead_free(struct ahead *a) {
    if (!a)
        return NULL;
    for (struct run *r = a->runs; r < a->runs + RUNS; r++)
        drop(r, r->n);
    pthread_mutex_destroy(&a->lock);
    free(a);
    return NULL;
}
