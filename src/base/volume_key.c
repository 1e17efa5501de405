/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/volume_key.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/secret.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <strings.h>
#include <sys/stat.h>

#define PREFIX "assetfs"
#define VERSION 1
#define CODE_CHARS 60
#define GROUP 5
#define CHECKSUM_SIZE 5
#define BODY_SIZE (SEAL_KEY_SIZE + CHECKSUM_SIZE)
#define BODY_BITS (8 * BODY_SIZE) /* 296; the last 4 of 300 are padding */

static const char ALPHABET[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* Bits of the body from the left; those behind it are 0. */
static unsigned get_bit(const uint8_t body[BODY_SIZE], size_t i) {
    return i < BODY_BITS ? body[i / 8] >> (7 - i % 8) & 1 : 0;
}

static void body_of(const uint8_t key[SEAL_KEY_SIZE], uint8_t ret[BODY_SIZE]) {
    uint8_t digest[DIGEST_SIZE];
    digest_of(key, SEAL_KEY_SIZE, digest);
    memcpy(ret, key, SEAL_KEY_SIZE);
    memcpy(ret + SEAL_KEY_SIZE, digest, CHECKSUM_SIZE);
    OPENSSL_cleanse(digest, sizeof digest);
}

void volume_key_code(const uint8_t key[SEAL_KEY_SIZE], char ret[VOLUME_KEY_CODE_SIZE]) {
    uint8_t body[BODY_SIZE];
    body_of(key, body);
    char *out = ret + snprintf(ret, VOLUME_KEY_CODE_SIZE, PREFIX "%d", VERSION);
    for (size_t i = 0; i < CODE_CHARS; i++) {
        unsigned v = 0;
        for (size_t k = 0; k < 5; k++)
            v = v << 1 | get_bit(body, 5 * i + k);
        if (i % GROUP == 0)
            *out++ = '-';
        *out++ = ALPHABET[v];
    }
    *out = '\0';
    OPENSSL_cleanse(body, sizeof body);
}

/* A character's five bits, or -1. */
static int char_value(char c) {
    c = (char)toupper((unsigned char)c);
    if (c == 'I' || c == 'L')
        c = '1';
    if (c == 'O')
        c = '0';
    const char *at = c ? strchr(ALPHABET, c) : NULL;
    return at ? (int)(at - ALPHABET) : -1;
}

static bool is_filler(char c) {
    return c == '-' || isspace((unsigned char)c);
}

/* *ret_padding: the bits behind the body. */
static int read_body(const char *code, uint8_t ret[BODY_SIZE], unsigned *ret_padding) {
    size_t n = 0;
    memset(ret, 0, BODY_SIZE);
    *ret_padding = 0;
    for (; *code; code++) {
        if (is_filler(*code))
            continue;
        int v = char_value(*code);
        if (v < 0 || n == CODE_CHARS)
            return -EINVAL;
        for (size_t k = 0; k < 5; k++) {
            unsigned bit = (unsigned)v >> (4 - k) & 1, i = (unsigned)(5 * n + k);
            if (i < BODY_BITS)
                ret[i / 8] |= (uint8_t)(bit << (7 - i % 8));
            else
                *ret_padding |= bit;
        }
        n++;
    }
    return n == CODE_CHARS ? 0 : -EINVAL;
}

int volume_key_parse(const char *code, uint8_t ret[SEAL_KEY_SIZE]) {
    while (is_filler(*code))
        code++;
    const size_t n_prefix = sizeof PREFIX - 1;
    if (strncasecmp(code, PREFIX, n_prefix) != 0 || char_value(code[n_prefix]) != VERSION)
        return -EINVAL;
    uint8_t body[BODY_SIZE], right[BODY_SIZE];
    unsigned padding;
    int r = read_body(code + n_prefix + 1, body, &padding);
    if (r == 0) {
        body_of(body, right);
        if (padding || CRYPTO_memcmp(body, right, BODY_SIZE) != 0)
            r = -EBADMSG;
        else
            memcpy(ret, body, SEAL_KEY_SIZE);
    }
    OPENSSL_cleanse(body, sizeof body);
    OPENSSL_cleanse(right, sizeof right);
    return r;
}

/* A rename that does not replace; where the filesystem has none, a link, which does not either. */
static int move_new(const char *from, const char *to) {
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    if (link(from, to) < 0)
        return -errno;
    unlink(from);
    return 0;
}

static int write_key(int fd, const uint8_t key[SEAL_KEY_SIZE]) {
    char line[VOLUME_KEY_CODE_SIZE + 1];
    volume_key_code(key, line);
    strcat(line, "\n");
    int r = file_pwrite_all(fd, line, strlen(line), 0);
    OPENSSL_cleanse(line, sizeof line);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    return r;
}

int volume_key_save(const char *path, const uint8_t key[SEAL_KEY_SIZE]) {
    CLEANUP_FREE char *dir = file_parent(path), *tmp = xasprintf("%s.XXXXXX", path);
    int r = file_make_dirs(dir, 0700);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int fd = mkostemp(tmp, O_CLOEXEC); /* 0600 */
    if (fd < 0)
        return -errno;
    r = write_key(fd, key);
    if (r == 0)
        r = move_new(tmp, path);
    if (r < 0) {
        unlink(tmp);
        return r;
    }
    return file_sync_dir(dir);
}

/* Of a key file: a code for each time the key was rotated. */
#define FILE_BYTES_MAX 8192

/* Each code of the file, until `id` is found; without one the first. */
static int pick_key(char *text, const uint8_t *id, uint8_t ret[SEAL_KEY_SIZE]) {
    char *rest = NULL;
    int r = -EINVAL;
    for (char *line = strtok_r(text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
        uint8_t key_id[SEAL_KEY_ID_SIZE];
        if (!line[strspn(line, " \t")])
            continue;
        r = volume_key_parse(line, ret);
        if (r < 0 || !id)
            return r;
        seal_key_id(ret, key_id);
        if (!memcmp(key_id, id, sizeof key_id))
            return 0;
        r = -ENOKEY;
    }
    return r;
}

static int load(const char *path, const uint8_t *id, uint8_t ret[SEAL_KEY_SIZE]) {
    struct stat st;
    char *text = NULL;
    size_t len = 0;
    if (stat(path, &st) < 0)
        return -errno;
    if (st.st_mode & 077)
        return -EPERM;
    int r = secret_load(path, FILE_BYTES_MAX, false, &text, &len);
    if (r == -EFBIG || r == -ENODATA || (r == 0 && strlen(text) != len))
        r = -EINVAL;
    if (r == 0)
        r = pick_key(text, id, ret);
    secret_release(text);
    if (r < 0)
        OPENSSL_cleanse(ret, SEAL_KEY_SIZE);
    return r;
}

int volume_key_load(const char *path, uint8_t ret[SEAL_KEY_SIZE]) {
    return load(path, NULL, ret);
}

int volume_key_load_id(const char *path, const uint8_t id[SEAL_KEY_ID_SIZE], uint8_t ret[SEAL_KEY_SIZE]) {
    return load(path, id, ret);
}

/* The XDG rules: a variable that is empty or no absolute path counts as not set. */
char *volume_key_dir(void) {
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (config && *config == '/')
        return xasprintf("%s/assetfs/keys", config);
    if (home && *home)
        return xasprintf("%s/.config/assetfs/keys", home);
    return NULL;
}

static bool holds_key(const char *path, const uint8_t id[SEAL_KEY_ID_SIZE], uint8_t ret[SEAL_KEY_SIZE]) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && volume_key_load_id(path, id, ret) == 0;
}

int volume_key_find(const char *dir, const uint8_t id[SEAL_KEY_ID_SIZE], uint8_t ret[SEAL_KEY_SIZE],
                    char **ret_path) {
    DIR *d = opendir(dir);
    if (!d)
        return -errno;
    int r = -ENOENT;
    for (struct dirent *e; r < 0 && (e = readdir(d));) {
        CLEANUP_FREE char *path = xasprintf("%s/%s", dir, e->d_name);
        if (e->d_name[0] == '.' || !holds_key(path, id, ret))
            continue;
        r = 0;
        if (ret_path)
            *ret_path = STEAL_PTR(&path);
    }
    closedir(d);
    return r;
}

int volume_key_keep(const char *dir, const uint8_t key[SEAL_KEY_SIZE], char **ret_path) {
    uint8_t id[SEAL_KEY_ID_SIZE], there[SEAL_KEY_SIZE];
    char hex[2 * SEAL_KEY_ID_SIZE + 1];
    seal_key_id(key, id);
    hex_encode(id, sizeof id, hex);
    int r = volume_key_find(dir, id, there, ret_path);
    OPENSSL_cleanse(there, sizeof there);
    if (r == 0)
        return 1;
    *ret_path = xasprintf("%s/%s", dir, hex);
    return volume_key_save(*ret_path, key);
}
