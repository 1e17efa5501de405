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
#include "cmd/volume_keys.h"
#include "fs/control.h"
#include "fs/volume.h"
#include "store/open.h"
#include "tree/tree.h"
#include <openssl/crypto.h>
#include <sys/random.h>
#include <termios.h>

static int complain(struct buf *why, int err) {
    log_error("%s", why->len ? buf_str(why) : strerror(-err));
    return STATUS_FAILED;
}

static int complain_plain(const struct options *opt) {
    log_error("%s is a plain volume: it has no key", opt->url);
    return STATUS_FAILED;
}

static void print_code(void *arg, const char *code) {
    ++*(unsigned *)arg;
    printf("%s\n", code);
}

static int show(const struct options *opt) {
    unsigned n = 0;
    int status = volume_keys_each(opt, print_code, &n);
    return status == STATUS_DONE && n == 0 ? complain_plain(opt) : status;
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

static int complain_unsaved(const char *path, int err) {
    log_error("the key cannot be saved%s%s: %s", path ? " as " : "", path ? path : "", path ? strerror(-err) : "set HOME or XDG_CONFIG_HOME, or give key_file=");
    return STATUS_FAILED;
}

/* Under its own id, by which it is found, unless a key_file= is given. 1: it is there already. */
static int keep(const char *key_file, const uint8_t key[SEAL_KEY_SIZE], char **ret_path) {
    if (key_file) {
        *ret_path = xstrdup(key_file);
        return volume_key_save(key_file, key);
    }
    CLEANUP_FREE char *dir = volume_key_dir();
    return dir ? volume_key_keep(dir, key, ret_path) : -ENOENT;
}

static int save(const struct options *opt, const uint8_t key[SEAL_KEY_SIZE], const uint8_t id[SEAL_KEY_ID_SIZE]) {
    char hex[2 * SEAL_KEY_ID_SIZE + 1];
    CLEANUP_FREE char *path = NULL;
    hex_encode(id, SEAL_KEY_ID_SIZE, hex);
    int r = keep(opt->key_file, key, &path);
    if (r < 0)
        return complain_unsaved(path, r);
    printf(r == 1 ? "The key %s is here already: %s\n" : "The key %s is saved in %s\n", hex, path);
    return STATUS_DONE;
}

/* 0: it is this volume's, or nobody can say. */
static int check_fits(const struct options *opt, const uint8_t id[SEAL_KEY_ID_SIZE]) {
    CLEANUP_BUF struct buf why = BUF_INIT(65536);
    struct volume v = {0};
    char has[2 * SEAL_KEY_ID_SIZE + 1], needs[2 * SEAL_KEY_ID_SIZE + 1];
    int r = volume_keys_peek(opt, &v, &why);
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
    log_error("this is the code of key %s, but %s is sealed under key %s; is it of a rotation? Then: assetfs key import --new", has, opt->url, needs);
    return STATUS_FAILED;
}

static int import(const struct options *opt, bool rotated) {
    char code[512];
    uint8_t key[SEAL_KEY_SIZE], id[SEAL_KEY_ID_SIZE];
    int status = STATUS_FAILED;
    if (!read_code(code, sizeof code))
        log_error("a recovery code was expected on standard input");
    else if (parse_code(code, key) == 0) {
        seal_key_id(key, id);
        status = rotated ? STATUS_DONE : check_fits(opt, id);
        if (status == STATUS_DONE)
            status = save(opt, key, id);
    }
    OPENSSL_cleanse(code, sizeof code);
    OPENSSL_cleanse(key, sizeof key);
    return status;
}

/* A key that no volume uses yet, for a rotation: kept under its own id. */
static int make_key(char hex[2 * SEAL_KEY_ID_SIZE + 1], char **ret_path) {
    uint8_t key[SEAL_KEY_SIZE], id[SEAL_KEY_ID_SIZE];
    if (getrandom(key, sizeof key, 0) != sizeof key) {
        log_error("there are no random numbers");
        return STATUS_FAILED;
    }
    seal_key_id(key, id);
    hex_encode(id, sizeof id, hex);
    int r = keep(NULL, key, ret_path);
    OPENSSL_cleanse(key, sizeof key);
    return r < 0 ? complain_unsaved(*ret_path, r) : STATUS_DONE;
}

static void tell_made(const char *hex, const char *path) {
    uint8_t key[SEAL_KEY_SIZE];
    char code[VOLUME_KEY_CODE_SIZE] = "";
    if (volume_key_load(path, key) == 0)
        volume_key_code(key, code);
    printf("Key %s is in %s. Its recovery code is\n\n    %s\n\n", hex, path, code);
    OPENSSL_cleanse(key, sizeof key);
    OPENSSL_cleanse(code, sizeof code);
}

static int new_key(void) {
    char hex[2 * SEAL_KEY_ID_SIZE + 1];
    CLEANUP_FREE char *path = NULL;
    int status = make_key(hex, &path);
    if (status == STATUS_DONE) {
        tell_made(hex, path);
        printf("No volume uses it yet. Bring it to the volume's other hosts (assetfs key import --new VOLUME), then take it into use:\n"
               "assetfs key rotate --key %s MOUNTPOINT\n",
               hex);
    }
    return status;
}

/* hex NULL: with a new one. */
static int rotate(const char *mountpoint, const char *hex) {
    char made[2 * SEAL_KEY_ID_SIZE + 1];
    CLEANUP_FREE char *socket = NULL, *path = NULL;
    CLEANUP_BUF struct buf last = BUF_INIT(65536);
    if (command_find_mount(mountpoint, &socket) < 0)
        return STATUS_FAILED;
    int status = hex ? STATUS_DONE : make_key(made, &path);
    if (status != STATUS_DONE)
        return status;
    CLEANUP_FREE char *request = xasprintf("rotate %s", hex ? hex : made);
    int r = control_ask(socket, request, NULL, NULL, &last);
    const char *text = last.len ? buf_str(&last) : "";
    bool taken = r == 0 && (!strcmp(text, "done") || !strncmp(text, "left ", 5));
    if (path && taken)
        tell_made(made, path);
    if (taken && *text == 'd') {
        printf("The volume's names are sealed under it from now on; what was written before stays under the keys before, which are still needed.\n"
               "Hosts that do not have it are read-only until they do: assetfs key import --new VOLUME\n");
        return STATUS_DONE;
    }
    if (taken) {
        log_warning("not durable yet: the key is announced as soon as the bucket answers");
        return STATUS_NOT_DURABLE;
    }
    if (path && r == 0)
        unlink(path); /* refused: nobody will ever want it */
    return command_ask_error(mountpoint, r == 0 ? -EREMOTEIO : r, r == 0 && !strncmp(text, "error ", 6) ? text + 6 : text);
}

static int run_rotate(int argc, char **argv) {
    const char *hex = NULL;
    uint8_t id[SEAL_KEY_ID_SIZE];
    if (argc == 4 && !strcmp(argv[1], "--key"))
        hex = argv[2];
    else if (argc != 2 || argv[1][0] == '-')
        return command_usage_error(&cmd_key, "expected a mountpoint");
    if (hex && hex_decode(hex, id, sizeof id) < 0)
        return command_usage_error(&cmd_key, "%s is not the id of a key: 16 hexadecimal digits were expected", hex);
    return rotate(argv[argc - 1], hex);
}

/* import --new: the code of a key that the bucket's first entry does not know. */
static bool take_new(int *argc, char **argv) {
    if (*argc < 3 || strcmp(argv[2], "--new"))
        return false;
    memmove(argv + 2, argv + 3, (size_t)(*argc - 2) * sizeof *argv); /* with the NULL at its end */
    --*argc;
    return true;
}

static int run_key(int argc, char **argv) {
    CLEANUP_VOLUME_ARGS struct volume_args args = {0};
    const char *what = argc < 2 ? "" : argv[1];
    if (!strcmp(what, "rotate"))
        return run_rotate(argc - 1, argv + 1);
    if (!strcmp(what, "new") && argc == 2)
        return new_key();
    if (strcmp(what, "show") && strcmp(what, "import"))
        return command_usage_error(&cmd_key, "expected show, import, new or rotate");
    bool rotated = !strcmp(what, "import") && take_new(&argc, argv);
    int status = volume_args_parse(&cmd_key, argc - 1, argv + 1, "", 0, &args);
    if (status != STATUS_DONE)
        return status;
    return strcmp(what, "show") ? import(&args.opt, rotated) : show(&args.opt);
}

const struct command cmd_key = {
    .name = "key",
    .usage = "show|import [--new] [-c FILE] [-o OPTION,...] VOLUME | new | rotate [--key ID] MOUNTPOINT",
    .summary = "print a volume's recovery code, read it on another host, or rotate the key",
    .help = "  show             print the recovery code: whoever has it can read all names of the volume\n"
            "  import           read a recovery code from standard input and keep the key on this host\n"
            "  import --new     the same for a key that a rotation has brought, or is to bring\n"
            "  new              make a key for a later rotation, and print its recovery code\n"
            "  rotate           seal what is written from now on under a new key, or under --key ID\n"
            "  -c FILE          read this configuration file instead of the default ones\n"
            "  -o OPTION,...    options, see below\n",
    .takes_options = true,
    .run = run_key,
};
