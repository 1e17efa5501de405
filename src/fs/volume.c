/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/volume.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/volume_key.h"
#include "fs/state_dir.h"
#include "tree/tree.h"
#include <openssl/crypto.h>

void volume_free(struct volume *v) {
    keyring_free(v->keys);
    free(v->rotated);
    *v = (struct volume){0};
}

static void set_id(struct volume *v, const uint8_t id[16]) {
    memcpy(v->id, id, sizeof v->id);
    hex_encode(v->id, sizeof v->id, v->id_hex);
}

/* ROOT/volumes/<sha256 of URL, prefix and place>, malloc'd, or NULL. */
static char *memory_path(const struct options *opt) {
    CLEANUP_FREE char *root = state_dir_root(), *place = store_place(opt);
    CLEANUP_FREE char *text = xasprintf("%s\n%s\n%s%s", opt->url, opt->prefix, place, *place ? "\n" : "");
    uint8_t digest[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    digest_of(text, strlen(text), digest);
    digest_hex(digest, hex);
    return root ? xasprintf("%s/volumes/%s", root, hex) : NULL;
}

/* The rest of the line that begins with `word` and a space, malloc'd, or NULL. */
static char *line_of(const char *text, const char *word) {
    size_t n = strlen(word);
    for (const char *p = text; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
        if (!strncmp(p, word, n) && p[n] == ' ')
            return xstrndup(p + n + 1, strcspn(p + n + 1, "\n"));
    return NULL;
}

void volume_add_rotated(struct volume *v, const uint8_t id[SEAL_KEY_ID_SIZE]) {
    for (size_t i = 0; i < v->n_rotated; i++)
        if (!memcmp(v->rotated[i], id, SEAL_KEY_ID_SIZE))
            return;
    v->rotated = xrealloc(v->rotated, (v->n_rotated + 1) * sizeof *v->rotated);
    memcpy(v->rotated[v->n_rotated++], id, SEAL_KEY_ID_SIZE);
}

static void parse_rotated(const char *text, struct volume *ret) {
    for (const char *p = text; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
        uint8_t id[SEAL_KEY_ID_SIZE];
        char hex[2 * SEAL_KEY_ID_SIZE + 1] = "";
        if (sscanf(p, "rotated %16[0-9a-f]", hex) == 1 && hex_decode(hex, id, sizeof id) == 0)
            volume_add_rotated(ret, id);
    }
}

static int parse_memory(const char *text, const struct options *opt, struct volume *ret) {
    CLEANUP_FREE char *url = line_of(text, "url"), *prefix = line_of(text, "prefix"),
                      *place = line_of(text, "place"), *volume = line_of(text, "volume"),
                      *key = line_of(text, "key"), *here = store_place(opt);
    uint8_t id[16];
    if (!url || !prefix || !volume || !key || strcmp(url, opt->url) || strcmp(prefix, opt->prefix) ||
        strcmp(place ? place : "", here) || hex_decode(volume, id, sizeof id) < 0)
        return -ENOENT;
    ret->plain = !strcmp(key, "-");
    if (!ret->plain && hex_decode(key, ret->key_id, sizeof ret->key_id) < 0)
        return -ENOENT;
    set_id(ret, id);
    parse_rotated(text, ret);
    return 0;
}

static int read_memory(const char *path, const struct options *opt, struct volume *ret) {
    CLEANUP_BUF struct buf text = BUF_INIT(16384);
    int r = file_load(path, &text);
    if (r == 0)
        r = buf_str(&text) ? parse_memory(buf_str(&text), opt, ret) : -ENOENT;
    return r;
}

int volume_recall(const struct options *opt, struct volume *ret) {
    CLEANUP_FREE char *by_url = memory_path(opt);
    CLEANUP_FREE char *by_dir = opt->cache_dir ? xasprintf("%s/volume", opt->cache_dir) : NULL;
    *ret = (struct volume){.remembered = true};
    if ((by_dir && read_memory(by_dir, opt, ret) == 0) || (by_url && read_memory(by_url, opt, ret) == 0))
        return 0;
    return -ENOENT;
}

static void write_memory(const char *path, const struct buf *text) {
    CLEANUP_BUF struct buf old = BUF_INIT(16384);
    if (file_load(path, &old) == 0 && old.len == text->len && !memcmp(old.data, text->data, old.len))
        return;
    if (file_write_atomic(path, text->data, text->len, 0600) < 0)
        return; /* the next mount asks the bucket again */
}

void volume_remember(const struct volume *v, const struct options *opt, const char *state_dir) {
    CLEANUP_BUF struct buf text = BUF_INIT(16384);
    char key[2 * SEAL_KEY_ID_SIZE + 1] = "-";
    if (!v->plain)
        hex_encode(v->key_id, sizeof v->key_id, key);
    CLEANUP_FREE char *place = store_place(opt);
    buf_printf(&text, "url %s\nprefix %s\n", opt->url, opt->prefix);
    if (*place)
        buf_printf(&text, "place %s\n", place);
    buf_printf(&text, "volume %s\nkey %s\n", v->id_hex, key);
    for (size_t i = 0; i < v->n_rotated; i++) {
        hex_encode(v->rotated[i], SEAL_KEY_ID_SIZE, key);
        buf_printf(&text, "rotated %s\n", key);
    }
    CLEANUP_FREE char *by_url = memory_path(opt), *root = state_dir_root();
    CLEANUP_FREE char *dir = root ? xasprintf("%s/volumes", root) : NULL;
    CLEANUP_FREE char *by_dir = xasprintf("%s/volume", state_dir);
    if (text.err)
        return;
    write_memory(by_dir, &text);
    if (by_url && file_make_dirs(dir, 0700) == 0)
        write_memory(by_url, &text);
}

int volume_state_path(const struct volume *v, const struct options *opt, char **ret, struct buf *why) {
    CLEANUP_FREE char *root = opt->cache_dir ? NULL : state_dir_root();
    if (!opt->cache_dir && !root) {
        buf_printf(why, "there is no place for local state: set XDG_CACHE_HOME or HOME, or give cache_dir=");
        return -ENOENT;
    }
    *ret = opt->cache_dir ? xstrdup(opt->cache_dir) : xasprintf("%s/%s", root, v->id_hex);
    return 0;
}

static int explain_key_file(int err, const char *path, struct buf *why) {
    switch (err) {
    case -ENOENT:
        buf_printf(why, "the key file %s is not there", path);
        break;
    case -EPERM:
        buf_printf(why, "the key file %s can be read by others: run chmod 600 %s", path, path);
        break;
    case -EINVAL:
    case -EBADMSG:
        buf_printf(why, "the key file %s does not hold a recovery code", path);
        break;
    default:
        buf_printf(why, "the key file %s cannot be read: %s", path, strerror(-err));
    }
    return -ENOKEY;
}

static int load_named(const struct volume *v, const char *path, uint8_t ret[SEAL_KEY_SIZE], struct buf *why) {
    uint8_t id[SEAL_KEY_ID_SIZE];
    int r = volume_key_load_id(path, v->key_id, ret);
    if (r == 0)
        return 0;
    if (r == -ENOKEY)
        r = volume_key_load(path, ret);
    if (r < 0)
        return explain_key_file(r, path, why);
    seal_key_id(ret, id);
    OPENSSL_cleanse(ret, SEAL_KEY_SIZE);
    char has[17], needs[17];
    hex_encode(id, sizeof id, has);
    hex_encode(v->key_id, sizeof v->key_id, needs);
    buf_printf(why, "the key file %s holds key %s, but the volume is sealed under key %s", path, has, needs);
    return -ENOKEY;
}

int volume_load_key(const struct volume *v, const struct options *opt, uint8_t ret[SEAL_KEY_SIZE],
                    char **ret_path, struct buf *why) {
    if (opt->key_file) {
        if (ret_path)
            *ret_path = xstrdup(opt->key_file);
        int r = load_named(v, opt->key_file, ret, why);
        if (r < 0 && ret_path)
            free(STEAL_PTR(ret_path));
        return r;
    }
    CLEANUP_FREE char *dir = volume_key_dir();
    if (dir && volume_key_find(dir, v->key_id, ret, ret_path) == 0)
        return 0;
    char needs[17];
    hex_encode(v->key_id, sizeof v->key_id, needs);
    buf_printf(why,
               "the volume key %s is not on this host: run assetfs key import %s with the recovery code that "
               "assetfs init "
               "printed, or give key_file=",
               needs, opt->volume);
    return -ENOKEY;
}

bool volume_take_key(const struct options *opt, const uint8_t id[SEAL_KEY_ID_SIZE], struct keyring *ring) {
    uint8_t key[SEAL_KEY_SIZE];
    CLEANUP_FREE char *dir = volume_key_dir();
    bool found = (opt->key_file && volume_key_load_id(opt->key_file, id, key) == 0) || (dir && volume_key_find(dir, id, key, NULL) == 0);
    if (found && ring)
        keyring_add(ring, key);
    OPENSSL_cleanse(key, sizeof key);
    return found;
}

static int load_keys(struct volume *v, const struct options *opt, struct buf *why) {
    uint8_t key[SEAL_KEY_SIZE];
    v->keys = keyring_new();
    if (v->plain)
        return 0;
    int r = volume_load_key(v, opt, key, NULL, why);
    if (r == 0)
        keyring_add(v->keys, key);
    OPENSSL_cleanse(key, sizeof key);
    return r;
}

/* Trouble may be waited out with what is remembered; "there is no volume" is an answer, and that something else
 * is there. From S3 it is not: a bucket that refuses says the same, or a page of the CDN's stands there, and
 * where a volume was known the mount goes on from local state, until the first entry shows again. */
static bool is_answer(int err, const struct options *opt) {
    bool of_s3 = strncmp(opt->url, "s3://", 5) == 0;
    return ((err == -ENOENT || err == -EMEDIUMTYPE) && !of_s3) || err == -ENOKEY;
}

static int ask(struct env *env, struct store *reader, const struct options *opt, struct volume *ret,
               struct buf *why) {
    uint8_t id[16];
    int r = tree_peek(env, reader, opt->prefix, &ret->plain, ret->key_id, why);
    if (r == 0)
        r = load_keys(ret, opt, why);
    if (r == 0)
        r = tree_identify(env, reader, ret->keys, opt->prefix, id, why);
    if (r == 0)
        set_id(ret, id);
    return r;
}

int volume_find(struct env *env, struct store *reader, const struct options *opt, struct volume *ret,
                struct buf *why) {
    *ret = (struct volume){0};
    int r = ask(env, reader, opt, ret, why);
    if (r < 0)
        volume_free(ret);
    if (r == 0 || is_answer(r, opt) || volume_recall(opt, ret) < 0)
        return r;
    buf_reset(why);
    r = load_keys(ret, opt, why);
    if (r < 0)
        volume_free(ret);
    return r;
}
