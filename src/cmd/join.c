/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * assetfs join: sets this machine up for a volume, with the file that `assetfs invite` wrote on another one.
 */
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/volume_key.h"
#include "cmd/command.h"
#include "cmd/invitation.h"
#include "fs/mount.h"
#include "fs/volume.h"
#include "store/open.h"
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEYS_MAX 64

/* What an invitation has nothing of, being this host's own. */
static const char *const own[] = {"cdn_key_file", "cdn_key_id", "cdn_header", "sse_c_key_file", "profile"};

struct join {
    const char *path;
    const char *list; /* of -o; NULL: none */
    struct buf text;
    char *name;
    struct options opt;
    struct buf ca; /* the authority that the servers' certificates are of, PEM; empty where it is one of the system's */
    struct buf why;
};

static int complain(struct join *j, int err, const char *what) {
    if (j->why.len)
        log_error("%s: %s", what, buf_str(&j->why));
    else
        log_errno(err, "%s", what);
    return STATUS_FAILED;
}

/* Only what is taken over: true. */
static bool is_own(const char *list, struct buf *why) {
    while (*list) {
        size_t n = strcspn(list, "=,"), i = 0;
        while (i < ARRAY_SIZE(own) && !(strlen(own[i]) == n && !strncmp(list, own[i], n)))
            i++;
        if (i == ARRAY_SIZE(own)) {
            buf_printf(why, "%.*s is not for join, which takes cdn_key_file, cdn_key_id, cdn_header, sse_c_key_file and profile: write it into the configuration afterwards", (int)MIN(n, 100), list);
            return false;
        }
        while (*list && *list != ',')
            list += *list == '\\' && list[1] ? 2 : 1;
        list += *list == ',';
    }
    return true;
}

static void own_lines(const struct options *o, struct buf *conf) {
    const char *const values[ARRAY_SIZE(own)] = {o->cdn_key_file, o->cdn_key_id && *o->cdn_key_id == '/' ? o->cdn_key_id : NULL, o->cdn_header, o->sse_c_key_file, o->profile};
    for (size_t i = 0; i < ARRAY_SIZE(own); i++)
        if (values[i])
            buf_printf(conf, "%s = %s\n", own[i], values[i]);
}

/* With what this host has of its own. */
static int complete(struct join *j) {
    int r = 0;
    if (j->list)
        r = is_own(j->list, &j->why) ? options_set_list(&j->opt, j->list, &j->why) : -EINVAL;
    if (r == 0 && j->opt.cdn_key_id && !j->opt.cdn_key_file) {
        buf_printf(&j->why, "reads of this volume are signed with a private key of the CDN, which no invitation has: bring its file here as well, and run assetfs join -o cdn_key_file=FILE %s", j->path);
        r = -EINVAL;
    }
    return r < 0 ? r : options_check(&j->opt, &j->why);
}

static int read_invitation(struct join *j) {
    struct stat st;
    int r = file_load(j->path, &j->text);
    if (r == 0 && (!buf_str(&j->text) || !(j->name = invitation_parse_name(buf_str(&j->text), &j->why))))
        r = -EINVAL;
    if (r == 0)
        r = options_load(&j->opt, j->path, j->name, &j->why);
    if (r == 0)
        r = complete(j);
    if (r == 0)
        r = MIN(invitation_ca(buf_str(&j->text), &j->ca, &j->why), 0);
    if (r < 0)
        return complain(j, r, j->path);
    if (stat(j->path, &st) == 0 && (st.st_mode & 077))
        log_warning("%s can be read by others, and has the volume's keys: chmod 600 %s, and delete it when it is used", j->path, j->path);
    return STATUS_DONE;
}

static int save_key(const uint8_t key[SEAL_KEY_SIZE], const char *dir) {
    CLEANUP_FREE char *path = NULL;
    int r = volume_key_keep(dir, key, &path);
    if (r == 0)
        printf("The key %s is saved in %s\n", strrchr(path, '/') + 1, path);
    return MIN(r, 0);
}

static int save_keys(struct join *j) {
    uint8_t keys[KEYS_MAX][SEAL_KEY_SIZE];
    CLEANUP_FREE char *dir = volume_key_dir();
    int n = invitation_keys(buf_str(&j->text), keys, KEYS_MAX, &j->why), r = MIN(n, 0);
    if (r == 0 && !dir) {
        buf_append_str(&j->why, "set HOME or XDG_CONFIG_HOME");
        r = -ENOENT;
    }
    for (int i = 0; i < n && r == 0; i++)
        r = save_key(keys[i], dir);
    OPENSSL_cleanse(keys, sizeof keys);
    return r < 0 ? complain(j, r, "the volume's keys cannot be saved") : STATUS_DONE;
}

/* Beside the configuration: certificates/NAME.pem. */
static int save_ca(struct join *j, const char *path) {
    CLEANUP_FREE char *dir = file_parent(path);
    int r = file_make_dirs(dir, 0700);
    if (r == 0)
        r = file_write_atomic(path, j->ca.data, j->ca.len, 0644);
    if (r == 0)
        printf("The certificates of the volume's servers' authority are saved in %s\n", path);
    return r;
}

/* Behind what there is, in one step. */
static int append_section(struct join *j, const char *path, const char *ca_path) {
    CLEANUP_BUF struct buf conf = BUF_INIT((size_t)16 << 20);
    CLEANUP_FREE char *dir = file_parent(path);
    int r = file_make_dirs(dir, 0700);
    if (r == 0 && j->ca.len)
        r = save_ca(j, ca_path);
    if (r == 0)
        r = file_load(path, &conf);
    if (r == -ENOENT)
        r = 0;
    if (r == 0 && conf.len)
        buf_append_str(&conf, conf.data[conf.len - 1] == '\n' ? "\n" : "\n\n");
    if (r == 0)
        invitation_section(&j->opt, j->name, &conf);
    if (r == 0)
        own_lines(&j->opt, &conf);
    if (r == 0 && j->ca.len)
        buf_printf(&conf, "ca_file = %s\n", ca_path);
    if (r == 0)
        r = conf.err ? conf.err : file_write_atomic(path, conf.data, conf.len, 0600);
    if (r == 0)
        printf("The volume %s stands in %s\n", j->name, path);
    return r;
}

/* A volume of that name stands there: it has to be this one. Its authority may have new certificates. */
static int compare(struct join *j, const struct options *there, const char *ca_path) {
    if (strcmp(there->url, j->opt.url) != 0) {
        buf_printf(&j->why, "the configuration has another volume %s, %s: give the section in %s another name", j->name, there->url, j->path);
        return -EEXIST;
    }
    printf("The volume %s stands in the configuration already%s\n", j->name, j->list ? ", and is left as it is there: -o changes nothing" : "");
    return j->ca.len && there->ca_file && !strcmp(there->ca_file, ca_path) ? save_ca(j, ca_path) : 0;
}

static int configure(struct join *j) {
    CLEANUP_BUF struct buf why = BUF_INIT(65536);
    CLEANUP_FREE char *path = options_user_file();
    if (!path) {
        buf_append_str(&j->why, "set HOME or XDG_CONFIG_HOME");
        return complain(j, -ENOENT, "the configuration cannot be changed");
    }
    CLEANUP_FREE char *dir = file_parent(path), *ca_path = xasprintf("%s/certificates/%s.pem", dir, j->name);
    struct options there;
    options_init(&there);
    int r = options_load(&there, NULL, j->name, &why);
    if (r == -ENOENT)
        r = append_section(j, path, ca_path);
    else if (r == 0)
        r = compare(j, &there, ca_path);
    else
        buf_append_str(&j->why, buf_str(&why));
    options_free(&there);
    return r < 0 ? complain(j, r, "the configuration cannot be changed") : STATUS_DONE;
}

/* Whose keys of AWS would sign: the invitation has none. */
static void tell_credentials(struct credentials *credentials) {
    CLEANUP_BUF struct buf why = BUF_INIT(65536);
    struct credential keys;
    if (credentials_get_sync(credentials, &keys, &why) < 0) {
        log_warning("there are no keys of AWS to write with yet: %s", why.len ? buf_str(&why) : "unknown");
        return;
    }
    CLEANUP_FREE char *from = credentials_from(credentials);
    printf("It is written with the keys out of %s\n", from ? from : "the environment");
    credential_free(&keys);
}

/* As it is configured now. */
static int try_it(struct join *j) {
    struct options opt;
    struct loop *loop = NULL;
    struct store_pair stores = {0};
    struct volume volume = {0};
    options_init(&opt);
    int r = options_load(&opt, NULL, j->name, &j->why);
    if (r == 0)
        r = loop_new(2, &loop);
    if (r == 0)
        r = store_open(loop_env(loop), NULL, &opt, STORE_OPEN_EXISTING, &stores, &j->why);
    if (r == 0)
        r = volume_find(loop_env(loop), stores.reader, &opt, &volume, &j->why);
    if (r == 0) {
        printf("%s holds the volume %s, and it can be read from here\n", opt.url, volume.id_hex);
        volume_free(&volume);
    }
    if (stores.credentials)
        tell_credentials(stores.credentials);
    store_pair_free(&stores);
    loop_free(loop);
    options_free(&opt);
    return r < 0 ? complain(j, r, "this machine is set up, but the volume cannot be read from here") : STATUS_DONE;
}

static int mount_it(struct join *j, const char *mountpoint) {
    struct options opt;
    options_init(&opt);
    int r = options_load(&opt, NULL, j->name, &j->why), status;
    status = r < 0 ? complain(j, r, j->name) : mount_run(&(struct mount_request){.opt = &opt, .mountpoint = mountpoint});
    options_free(&opt);
    return status;
}

static int join_volume(const char *path, const char *list, const char *mountpoint) {
    struct join j = {.path = path, .list = list, .text = BUF_SECRET(INVITATION_MAX), .ca = BUF_INIT(INVITATION_MAX), .why = BUF_INIT(65536)};
    options_init(&j.opt);
    int status = read_invitation(&j);
    if (status == STATUS_DONE)
        status = save_keys(&j);
    if (status == STATUS_DONE)
        status = configure(&j);
    if (status == STATUS_DONE)
        status = try_it(&j);
    fflush(stdout);
    if (status == STATUS_DONE && mountpoint)
        status = mount_it(&j, mountpoint);
    else if (status == STATUS_DONE)
        printf("Mount it: assetfs mount %s MOUNTPOINT\n", j.name);
    if (j.text.data)
        OPENSSL_cleanse(j.text.data, j.text.len);
    buf_free(&j.text);
    buf_free(&j.ca);
    buf_free(&j.why);
    options_free(&j.opt);
    free(j.name);
    return status;
}

static int run_join(int argc, char **argv) {
    const char *list = NULL;
    for (int c; (c = getopt(argc, argv, "o:")) != -1;) {
        if (c == '?')
            return command_usage_error(&cmd_join, NULL);
        list = optarg;
    }
    int n = argc - optind;
    if (n < 1 || n > 2)
        return command_usage_error(&cmd_join, "expected the FILE of an invitation, and perhaps a MOUNTPOINT");
    return join_volume(argv[optind], list, n == 2 ? argv[optind + 1] : NULL);
}

const struct command cmd_join = {
    .name = "join",
    .usage = "[-o OPTION,...] FILE [MOUNTPOINT]",
    .summary = "set this machine up for a volume, with the file that \"assetfs invite\" wrote",
    .help = "The volume's keys and its section of the configuration are saved for this user; with a MOUNTPOINT it is mounted as well.\n"
            "  -o OPTION,...  what is this machine's own: cdn_key_file, cdn_key_id, cdn_header, sse_c_key_file, profile\n",
    .run = run_join,
};
