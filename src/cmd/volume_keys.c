/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/volume_keys.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/volume_key.h"
#include "cmd/command.h"
#include "store/open.h"
#include "tree/tree.h"
#include <openssl/crypto.h>

int volume_keys_peek(const struct options *opt, struct volume *ret, struct buf *why) {
    struct loop *loop = NULL;
    struct store_pair stores = {0};
    int r = loop_new(2, &loop);
    if (r == 0)
        r = store_open(loop_env(loop), NULL, opt, STORE_OPEN_EXISTING, &stores, why);
    if (r == 0)
        r = tree_peek(loop_env(loop), stores.reader, opt->prefix, &ret->plain, ret->key_id, why);
    store_pair_free(&stores);
    loop_free(loop);
    if (r == 0 || r == -EINVAL || r == -EMEDIUMTYPE)
        return r;
    return volume_recall(opt, ret) == 0 ? 0 : 1;
}

static int complain(const struct buf *why, int err) {
    log_error("%s", why->len ? buf_str((struct buf *)why) : strerror(-err));
    return STATUS_FAILED;
}

static int tell_one(const struct volume *v, const struct options *opt, void (*each)(void *arg, const char *code), void *arg, struct buf *why) {
    uint8_t key[SEAL_KEY_SIZE];
    char code[VOLUME_KEY_CODE_SIZE];
    int r = volume_load_key(v, opt, key, NULL, why);
    if (r == 0) {
        volume_key_code(key, code);
        each(arg, code);
    }
    OPENSSL_cleanse(key, sizeof key);
    OPENSSL_cleanse(code, sizeof code);
    return r;
}

int volume_keys_each(const struct options *opt, void (*each)(void *arg, const char *code), void *arg) {
    CLEANUP_BUF struct buf why = BUF_INIT(65536), ignored = BUF_INIT(65536);
    struct volume v = {0}, known;
    int r = volume_keys_peek(opt, &v, &why);
    if (r != 0)
        return complain(&why, r < 0 ? r : -EIO);
    if (v.plain)
        return STATUS_DONE;
    r = tell_one(&v, opt, each, arg, &why);
    if (r < 0)
        return complain(&why, r);
    if (volume_recall(opt, &known) == 0) { /* those of rotations, as far as this host has seen them */
        for (size_t i = 0; i < known.n_rotated; i++) {
            memcpy(v.key_id, known.rotated[i], sizeof v.key_id);
            (void)tell_one(&v, opt, each, arg, &ignored);
        }
        volume_free(&known);
    }
    return STATUS_DONE;
}
