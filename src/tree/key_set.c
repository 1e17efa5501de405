/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/key_set.h"
#include "base/cbor.h"
#include "base/digest.h"
#include "base/log.h"
#include "tree/area_set.h"
#include "tree/rows.h"
#include "tree/volume_state.h"

#define KEY_STATE "key/" /* what the keys of the volume state begin with; the value is which rotation it was, from 1 */
#define ID_HEX_SIZE (2 * SEAL_KEY_ID_SIZE + 1)

static bool take(struct tree *t, const uint8_t id[SEAL_KEY_ID_SIZE]) {
    return t->cfg.take_key ? t->cfg.take_key(t->cfg.key_arg, id) : keyring_has(t->cfg.keys, id);
}

void key_set_missing(struct tree *t, const uint8_t id[SEAL_KEY_ID_SIZE]) {
    char hex[ID_HEX_SIZE];
    hex_encode(id, SEAL_KEY_ID_SIZE, hex);
    memcpy(t->key_missing, id, SEAL_KEY_ID_SIZE);
    t->key_is_missing = t->key_is_missing || !t->read_only; /* what has another reason does not end with the key */
    tree_freeze(t, "the volume key was rotated: this host needs key %s, and is read-only until it has it. Give it the recovery code that `assetfs key rotate` printed: "
                   "assetfs key import --new, or a further line in the file of key_file=",
                hex);
}

void key_set_retry(struct tree *t) {
    if (!t->key_is_missing || !take(t, t->key_missing))
        return;
    log_info("the new volume key is here: going on");
    t->key_is_missing = t->read_only = false;
    free(t->reason);
    t->reason = NULL;
    commit_kick(t);
    settle_kick(t);
}

static void use(struct tree *t, const uint8_t id[SEAL_KEY_ID_SIZE]) {
    char hex[ID_HEX_SIZE];
    hex_encode(id, SEAL_KEY_ID_SIZE, hex);
    if (keyring_empty(t->cfg.keys))
        return;
    if (take(t, id))
        log_info("the volume key is %s from now on", hex);
    else
        key_set_missing(t, id);
}

static bool id_of(const char *key, uint8_t ret[SEAL_KEY_ID_SIZE]) {
    return !strncmp(key, KEY_STATE, strlen(KEY_STATE)) && hex_decode(key + strlen(KEY_STATE), ret, SEAL_KEY_ID_SIZE) == 0;
}

void key_set_applied(struct tree *t, const struct entry *e) {
    uint8_t id[SEAL_KEY_ID_SIZE];
    for (size_t i = 0; i < e->n_changes; i++)
        for (size_t k = 0; k < e->changes[i].n_states; k++)
            if (e->changes[i].states[k].now && id_of(e->changes[i].states[k].key, id))
                use(t, id);
}

/* All that are announced, and the newest of them: of two with one number, which two hosts announced at once, any will do, for everybody has both. */
struct announced {
    struct tree *tree;
    uint64_t number;
    uint8_t newest[SEAL_KEY_ID_SIZE];
};

static int look_at(void *arg, const char *key, const void *item, size_t n) {
    struct announced *a = arg;
    struct cbor_in in = {item, (const uint8_t *)item + n};
    uint8_t id[SEAL_KEY_ID_SIZE];
    uint64_t number;
    if (!id_of(key, id) || cborr_uint(&in, &number) < 0 || number < a->number)
        return 0;
    a->number = number;
    memcpy(a->newest, id, sizeof id);
    return 0;
}

static int take_one(void *arg, const char *key, const void *item ATTR_UNUSED, size_t n ATTR_UNUSED) {
    struct announced *a = arg;
    uint8_t id[SEAL_KEY_ID_SIZE];
    if (id_of(key, id) && !keyring_has(a->tree->cfg.keys, id))
        (void)take(a->tree, id); /* the newest one is asked for below, and is what a person has to bring */
    return 0;
}

static int find_newest(struct tree *t, struct announced *ret) {
    *ret = (struct announced){.tree = t};
    return volume_state_each(t, KEY_STATE, look_at, ret);
}

void key_set_load(struct tree *t) {
    struct announced a;
    int r = keyring_empty(t->cfg.keys) ? 0 : find_newest(t, &a);
    if (r == 0 && !keyring_empty(t->cfg.keys) && a.number > 0) {
        r = volume_state_each(t, KEY_STATE, take_one, &a);
        use(t, a.newest);
    }
    if (r < 0)
        log_errno(r, "tree.db: the volume's keys cannot be read");
}

static int announce(struct tree *t, const uint8_t id[SEAL_KEY_ID_SIZE], struct buf *why) {
    char hex[ID_HEX_SIZE];
    CLEANUP_BUF struct buf item = BUF_INIT(64), was = BUF_INIT(ENTRY_MAX);
    struct announced a;
    hex_encode(id, SEAL_KEY_ID_SIZE, hex);
    CLEANUP_FREE char *key = xasprintf("%s%s", KEY_STATE, hex);
    int r = volume_state_get(t, key, &was);
    if (r == 1 || (r == 0 && keyring_has(t->cfg.keys, id))) {
        buf_printf(why, "key %s is in use already: a rotation takes a new one (assetfs key new)", hex);
        return -EEXIST;
    }
    if (r == 0)
        r = find_newest(t, &a);
    if (r < 0)
        return r;
    cborw_uint(&item, a.number + 1);
    r = tree_begin(t);
    if (r == 0)
        r = tree_end(t, volume_state_set(t, key, item.data, item.len));
    if (r == 0)
        commit_kick(t);
    return r;
}

int tree_key_rotate(struct tree *t, const uint8_t id[SEAL_KEY_ID_SIZE], struct buf *why) {
    tree_lock(t);
    int r = tree_writable(t);
    if (keyring_empty(t->cfg.keys)) {
        buf_append_str(why, "this is a plain volume: it has no key");
        r = -EINVAL;
    } else if (r < 0) {
        buf_printf(why, "the volume cannot be changed from here: %s", t->reason ? t->reason : strerror(-r));
    } else if (t->cfg.has_key && !t->cfg.has_key(t->cfg.key_arg, id)) {
        buf_append_str(why, "the mount cannot find that key: it must be in the key directory of the user that mounted, or in the file of key_file=");
        r = -ENOKEY;
    } else {
        r = announce(t, id, why);
    }
    tree_unlock(t);
    if (r < 0 && !why->len)
        buf_printf(why, "the key cannot be announced: %s", strerror(-r));
    return r;
}
