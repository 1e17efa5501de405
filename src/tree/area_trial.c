/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/area_trial.h"
#include "base/digest.h"
#include "tree/area_set.h"
#include "tree/state.h"

#define TEXT "assetfs probes here\n"
#define EXTENSION ".txt"
#define TYPE "text/plain"

struct trial {
    struct store_put put;
    char *key;
    struct keep *keep;
    store_put_done done;
    void *arg;
};

static void put_done(void *arg, int err, const char *why) {
    struct trial *x = arg;
    bool there = err == -EEXIST;
    x->done(x->arg, there ? 0 : err, there ? NULL : why);
    keep_unref(x->keep);
    free(x->key);
    free(x);
}

int tree_area_try(struct tree *t, const char *text, store_put_done done, void *arg) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    CLEANUP_FREE char *path = area_path(text, &why);
    if (!path)
        return -EINVAL;
    struct trial *x = xcalloc(1, sizeof *x);
    *x = (struct trial){.put = {.bytes = TEXT, .fd = -1, .size = strlen(TEXT), .content_type = TYPE}, .done = done, .arg = arg};
    digest_of(TEXT, strlen(TEXT), x->put.sha256);
    tree_lock(t);
    bool stop = t->closing;
    const struct area *a = areas_find(area_set(t), path);
    x->put.key = x->key = area_key_make(area_template(a), a->path, x->put.sha256, EXTENSION, env_now(t->env));
    x->put.keep = x->keep = area_keep(a, TYPE);
    tree_unlock(t);
    if (!stop) {
        store_put_if_absent(t->cfg.writer, &x->put, put_done, x);
        return 0;
    }
    keep_unref(x->keep);
    free(x->key);
    free(x);
    return -ECANCELED;
}
