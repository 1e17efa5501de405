/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * assetfs key: the volume key on this host.
 */
#include "base/digest.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/volume_key.h"
#include "cmd/command.h"
#include "cmd/volume_args.h"
#include "fs/volume.h"
#include "store/open.h"
#include "tree/tree.h"
#include <openssl/crypto.h>
#include <termios.h>

/* What the bucket (or, without it, this host's memory) says of the volume's key. 0; 1 when nobody knows; or a
 * negative errno with a sentence. */
static int peek(const struct options *opt, struct volume *ret, struct buf *why) {
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

static int complain(struct buf *why, int err) {
    log_error("%s", why->len ? buf_str(why) : strerror(-err));
    return STATUS_FAILED;
}

static int complain_plain(const struct options *opt) {
    log_error("%s is a plain volume: it has no key", opt->url);
    return STATUS_FAILED;
}

static int show(const struct options *opt) {
    CLEANUP_BUF struct buf why = BUF_INIT(65536);
    struct volume v = {0};
    uint8_t key[SEAL_KEY_SIZE];
    char code[VOLUME_KEY_CODE_SIZE];
    int r = peek(opt, &v, &why);
    if (r != 0)
        return complain(&why, r < 0 ? r : -EIO);
    if (v.plain)
        return complain_plain(opt);
    r = volume_load_key(&v, opt, key, NULL, &why);
    if (r < 0)
        return complain(&why, r);
    volume_key_code(key, code);
    printf("%s\n", code);
    OPENSSL_cleanse(key, sizeof key);
    OPENSSL_cleanse(code, sizeof code);
    return STATUS_DONE;
}

/* One line of stdin; a terminal is asked, and does not show it. */
static bool read_code(char *ret, int size) {
    struct termios shown, hidden;
    bool terminal = tcgetattr(STDIN_FILENO, &shown) == 0;
    if (terminal) {
        fprintf(stderr, "Recovery code: ");
        hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    }
    bool ok = fgets(ret, size, stdin) != NULL;
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
        fprintf(stderr, "\n");
    }
    ret[ok ? strcspn(ret, "\r\n") : 0] = '\0';
    return ok;
}

static int parse_code(const char *code, uint8_t ret[SEAL_KEY_SIZE]) {
    int r = volume_key_parse(code, ret);
    if (r < 0)
        log_error(r == -EBADMSG ? "the recovery code has a typing error: its checksum does not hold"
                                : "that is not a recovery code: assetfs1- and 60 characters were expected");
    return r;
}

/* Where the bucket is not reachable, the key is kept under its own id, and found by it. */
static int save(const struct options *opt, const uint8_t key[SEAL_KEY_SIZE],
                const uint8_t id[SEAL_KEY_ID_SIZE]) {
    char hex[2 * SEAL_KEY_ID_SIZE + 1];
    uint8_t there[SEAL_KEY_SIZE];
    CLEANUP_FREE char *dir = volume_key_dir(), *found = NULL;
    hex_encode(id, SEAL_KEY_ID_SIZE, hex);
    if (!opt->key_file && dir && volume_key_find(dir, id, there, &found) == 0) {
        OPENSSL_cleanse(there, sizeof there);
        printf("The key %s is here already: %s\n", hex, found);
        return STATUS_DONE;
    }
    CLEANUP_FREE char *path = opt->key_file ? xstrdup(opt->key_file)
                              : dir         ? xasprintf("%s/%s", dir, hex)
                                            : NULL;
    int r = path ? volume_key_save(path, key) : -ENOENT;
    if (r < 0) {
        log_error("the key cannot be saved%s%s: %s", path ? " as " : "", path ? path : "",
                  path ? strerror(-r) : "set HOME or XDG_CONFIG_HOME, or give key_file=");
        return STATUS_FAILED;
    }
    printf("The key %s is saved in %s\n", hex, path);
    return STATUS_DONE;
}

/* 0: it is this volume's, or nobody can say. */
static int check_fits(const struct options *opt, const uint8_t id[SEAL_KEY_ID_SIZE]) {
    CLEANUP_BUF struct buf why = BUF_INIT(65536);
    struct volume v = {0};
    char has[2 * SEAL_KEY_ID_SIZE + 1], needs[2 * SEAL_KEY_ID_SIZE + 1];
    int r = peek(opt, &v, &why);
    if (r < 0)
        return complain(&why, r);
    if (r == 1) {
        log_warning("not checked against the bucket, which does not answer: %s",
                    why.len ? buf_str(&why) : "unknown");
        return STATUS_DONE;
    }
    if (v.plain)
        return complain_plain(opt);
    if (!memcmp(id, v.key_id, sizeof v.key_id))
        return STATUS_DONE;
    hex_encode(id, SEAL_KEY_ID_SIZE, has);
    hex_encode(v.key_id, sizeof v.key_id, needs);
    log_error("this is the code of key %s, but %s is sealed under key %s", has, opt->url, needs);
    return STATUS_FAILED;
}

static int import(const struct options *opt) {
    char code[512];
    uint8_t key[SEAL_KEY_SIZE], id[SEAL_KEY_ID_SIZE];
    int status = STATUS_FAILED;
    if (!read_code(code, sizeof code))
        log_error("a recovery code was expected on standard input");
    else if (parse_code(code, key) == 0) {
        seal_key_id(key, id);
        status = check_fits(opt, id);
        if (status == STATUS_DONE)
            status = save(opt, key, id);
    }
    OPENSSL_cleanse(code, sizeof code);
    OPENSSL_cleanse(key, sizeof key);
    return status;
}

static int run_key(int argc, char **argv) {
    CLEANUP_VOLUME_ARGS struct volume_args args = {0};
    if (argc < 2 || (strcmp(argv[1], "show") && strcmp(argv[1], "import")))
        return command_usage_error(&cmd_key, "expected show or import");
    int status = volume_args_parse(&cmd_key, argc - 1, argv + 1, "", 0, &args);
    if (status != STATUS_DONE)
        return status;
    return strcmp(argv[1], "show") ? import(&args.opt) : show(&args.opt);
}

const struct command cmd_key = {
    .name = "key",
    .usage = "show|import [-c FILE] [-o OPTION,...] VOLUME",
    .summary = "print a volume's recovery code, or read it on another host",
    .help = "  show             print the recovery code: whoever has it can read all names of the volume\n"
            "  import           read a recovery code from standard input and keep the key on this host\n"
            "  -c FILE          read this configuration file instead of the default ones\n"
            "  -o OPTION,...    options, see below\n",
    .takes_options = true,
    .run = run_key,
};
