/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * assetfs init: makes a new volume. The key is saved before anything is put that only the key can read; it is
 * removed again when the volume was not made.
 */
#include "base/digest.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/volume_key.h"
#include "cmd/command.h"
#include "cmd/volume_args.h"
#include "store/open.h"
#include "tree/tree.h"
#include <getopt.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <pwd.h>

struct init {
    const struct options *opt;
    bool plain, open;
    struct loop *loop;
    struct env *env;
    struct store_pair stores;
    struct keyring *keys;
    uint8_t id[16];
    char *key_path; /* the fresh key file */
    char code[VOLUME_KEY_CODE_SIZE];
    struct buf why;
};

struct put {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool done; /* guarded by mutex, as the rest */
    int err;
    struct buf *why;
};

static void put_done(void *arg, int err, const char *why) {
    struct put *p = arg;
    SCOPE_LOCK(&p->mutex);
    p->done = true;
    p->err = err;
    if (why && err != -EEXIST)
        buf_append_str(p->why, why);
    pthread_cond_signal(&p->changed);
}

static int put_and_wait(struct init *in, const char *key, const char *text) {
    struct put p = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .why = &in->why};
    struct store_put put = {
        .key = key, .bytes = text, .fd = -1, .size = strlen(text), .content_type = "text/plain"};
    digest_of(text, put.size, put.sha256);
    store_put_if_absent(in->stores.writer, &put, put_done, &p);
    pthread_mutex_lock(&p.mutex);
    while (!p.done)
        pthread_cond_wait(&p.changed, &p.mutex);
    pthread_mutex_unlock(&p.mutex);
    return p.err;
}

/* Everything rests on it that a key is put once: a bucket that lets a second put through would lose what
 * others wrote. */
static int check_put_once(struct init *in) {
    CLEANUP_FREE char *key = xasprintf("%s/check", in->opt->prefix);
    int r = put_and_wait(in, key, "assetfs probes here\n");
    if (r == 0)
        r = put_and_wait(in, key, "assetfs probes here\n");
    if (r == -EEXIST)
        return 0;
    if (r == 0) {
        buf_printf(&in->why,
                   "%s lets an object be overwritten in spite of If-None-Match: it cannot hold a volume",
                   in->opt->url);
        r = -EOPNOTSUPP;
    } else if (in->why.len == 0) {
        buf_printf(&in->why, "nothing can be put into %s: %s", in->opt->url, strerror(-r));
    }
    return r;
}

/* Not asked of a CDN, which might keep the answer: then the put of entry 1 tells. */
static int check_absent(struct init *in) {
    if (in->stores.reader != in->stores.writer)
        return 0;
    CLEANUP_BUF struct buf why = BUF_INIT(65536);
    uint8_t id[SEAL_KEY_ID_SIZE];
    bool plain;
    int r = tree_peek(in->env, in->stores.reader, in->opt->prefix, &plain, id, &why);
    if (r == -ENOENT)
        return 0;
    if (r == 0)
        buf_printf(&in->why, "there is a volume at %s already", in->opt->url);
    else
        buf_printf(&in->why, "%s", why.len ? buf_str(&why) : strerror(-r));
    return r == 0 ? -EEXIST : r;
}

static int save_key(struct init *in) {
    uint8_t key[SEAL_KEY_SIZE];
    char hex[33];
    CLEANUP_FREE char *dir = volume_key_dir();
    hex_encode(in->id, sizeof in->id, hex);
    CLEANUP_FREE char *path = in->opt->key_file ? xstrdup(in->opt->key_file)
                              : dir             ? xasprintf("%s/%s", dir, hex)
                                                : NULL;
    if (!path) {
        buf_printf(&in->why,
                   "there is no place for the volume key: set HOME or XDG_CONFIG_HOME, or give key_file=");
        return -ENOENT;
    }
    env_random(in->env, key, sizeof key);
    int r = volume_key_save(path, key);
    if (r == 0) {
        keyring_add(in->keys, key);
        volume_key_code(key, in->code);
        in->key_path = STEAL_PTR(&path);
    } else {
        buf_printf(&in->why,
                   r == -EEXIST ? "%s is there already, and a key is never replaced: give another key_file="
                                : "the volume key cannot be saved as %s",
                   path);
    }
    OPENSSL_cleanse(key, sizeof key);
    return r;
}

static int put_superblock(struct init *in) {
    char host[HOST_NAME_MAX + 1] = "", user[64];
    struct passwd *pw = getpwuid(getuid());
    gethostname(host, sizeof host - 1);
    snprintf(user, sizeof user, "%u", (unsigned)getuid());
    return tree_init(in->env, in->stores.writer, in->keys, in->opt->prefix, in->id,
                     in->opt->host_label ? in->opt->host_label : host, pw ? pw->pw_name : user, getuid(),
                     getgid(), in->open, &in->why);
}

/* The volume is there; whether this host can read it again is another question. */
static void check_readable(struct init *in) {
    CLEANUP_BUF struct buf why = BUF_INIT(65536);
    uint8_t id[16];
    if (in->stores.http && tree_identify(in->env, in->stores.reader, in->keys, in->opt->prefix, id, &why) < 0)
        log_warning("the volume was made, but it cannot be read from here yet: %s",
                    why.len ? buf_str(&why) : "unknown");
}

/* What a CDN gives without asking for anything is public, and nothing is that was not said to be: headers of the deployment's own are something to ask for. */
static int check_access(struct init *in) {
    const struct options *o = in->opt;
    if (in->open || !o->cdn || o->cdn_key_file || o->cdn_header)
        return 0;
    buf_append_str(&in->why, "the files of this volume would be read through a CDN without a signature, so whoever has a link could read them, and that was not said: "
                             "say so with --public, or give cdn_key_file= and cdn_key_id= to sign reads with");
    return -EACCES;
}

static int make_volume(struct init *in) {
    int r = check_access(in);
    if (r == 0)
        r = loop_new(2, &in->loop);
    if (r < 0)
        return r;
    in->env = loop_env(in->loop);
    env_random(in->env, in->id, sizeof in->id);
    in->keys = keyring_new();
    r = store_open(in->env, NULL, in->opt, STORE_OPEN_CREATE, &in->stores, &in->why);
    if (r == 0)
        r = check_absent(in);
    if (r == 0)
        r = check_put_once(in);
    if (r == 0 && !in->plain)
        r = save_key(in);
    if (r == 0)
        r = put_superblock(in);
    if (r == 0)
        check_readable(in);
    return r;
}

static void report_access(const struct init *in) {
    if (in->open)
        printf("Whoever has the link of a file in it may read the file: it is public, but for areas that are signed (assetfs area).\n");
}

static void report(const struct init *in) {
    char hex[33];
    hex_encode(in->id, sizeof in->id, hex);
    printf("Volume %s was made in %s.\n", hex, in->opt->url);
    if (in->plain)
        printf("It is plain: everybody who can read the bucket can read its names.\n");
    else
        printf("The volume key is in %s. Its recovery code is\n\n    %s\n\n"
               "Keep the code in a safe place: without it, or that file, the names in this volume are "
               "unreadable, for everybody\n"
               "and for good. On another host: assetfs key import %s\n",
               in->key_path, in->code, in->opt->volume);
    report_access(in);
}

static int init_volume(const struct options *opt, bool plain, bool open) {
    struct init in = {.opt = opt, .plain = plain, .open = open, .why = BUF_INIT(65536)};
    int r = make_volume(&in);
    if (r == 0) {
        report(&in);
    } else {
        if (in.why.len)
            log_error("%s", buf_str(&in.why));
        else
            log_errno(r, "%s: the volume cannot be made", opt->url);
        /* A put whose answer was lost may have made the volume: then its key must stay. */
        if (in.key_path && (r == -EIO || r == -ETIMEDOUT))
            log_warning("the volume may have been made all the same: its key stays in %s", in.key_path);
        else if (in.key_path)
            unlink(in.key_path);
    }
    store_pair_free(&in.stores);
    loop_free(in.loop);
    keyring_free(in.keys);
    OPENSSL_cleanse(in.code, sizeof in.code);
    free(in.key_path);
    buf_free(&in.why);
    return r == 0 ? STATUS_DONE : STATUS_FAILED;
}

static int run_init(int argc, char **argv) {
    CLEANUP_VOLUME_ARGS struct volume_args args;
    bool plain = volume_args_take_flag(&argc, argv, "--plain"), open = volume_args_take_flag(&argc, argv, "--public");
    int status = volume_args_parse(&cmd_init, argc, argv, "", 0, &args);
    return status == STATUS_DONE ? init_volume(&args.opt, plain, open) : status;
}

const struct command cmd_init = {
    .name = "init",
    .usage = "[-c FILE] [-o OPTION,...] [--plain] [--public] VOLUME",
    .summary = "make a new volume in a bucket, and its key",
    .help = "  -c FILE          read this configuration file instead of the default ones\n"
            "  -o OPTION,...    options, see below\n"
            "  --plain          no key: names are readable for everybody who can read the bucket\n"
            "  --public         whoever has the link of a file may read it, without a signature (assetfs area says so of parts)\n",
    .takes_options = true,
    .run = run_init,
};
