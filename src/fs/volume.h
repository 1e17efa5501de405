/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which volume is at an URL, and under which key: asked of the bucket, and remembered, so that a mount works
 * while the bucket does not answer.
 *
 * The memory is a small text file, once below the cache root by URL (ROOT/volumes/<sha256>), once in the
 * state directory (DIR/volume):
 *
 *     url file:///srv/bucket
 *     prefix .assetfs
 *     place ...                       (store_place(); not for a directory)
 *     volume 0123456789abcdef0123456789abcdef
 *     key 0123456789abcdef            ("-" for a plain volume)
 *     rotated 0123456789abcdef        (any number)
 */
#ifndef ASSETFS_VOLUME_H
#define ASSETFS_VOLUME_H

#include "base/options.h"
#include "base/seal.h"
#include "store/open.h"

struct volume {
    struct keyring *keys; /* empty for a plain volume */
    bool plain;
    uint8_t key_id[SEAL_KEY_ID_SIZE];
    uint8_t (*rotated)[SEAL_KEY_ID_SIZE]; /* the keys that rotations have taken into use, as far as this host has seen */
    size_t n_rotated;
    uint8_t id[16];
    char id_hex[33];
    bool remembered; /* the bucket was not asked, or did not answer */
};

/* Finds keys and id of the volume that opt names. Blocks on the network.
 * -ENOENT, -EMEDIUMTYPE (no volume there), -ENOKEY (the key is missing or does not fit), -EIO and others
 * (trouble, and nothing is remembered). */
int volume_find(struct env *, struct store *reader, const struct options *, struct volume *ret,
                struct buf *why) ATTR_WARN_UNUSED;
/* Only from memory: -ENOENT when nothing is remembered. Does not load the key. */
int volume_recall(const struct options *, struct volume *ret) ATTR_WARN_UNUSED;
/* Remembers it, below the cache root and in the state directory. Errors only cost the next offline mount. */
void volume_remember(const struct volume *, const struct options *, const char *state_dir);
void volume_free(struct volume *);

/* Where its local state is, unless cache_dir= says otherwise; malloc'd. -ENOENT: no home directory, why says
 * what to set. */
int volume_state_path(const struct volume *, const struct options *, char **ret,
                      struct buf *why) ATTR_WARN_UNUSED;
/* Loads the key that key_file= names, or the one of v->key_id; *ret_path (may be NULL): its file, malloc'd.
 * -ENOKEY with a sentence. */
int volume_load_key(const struct volume *, const struct options *, uint8_t ret[SEAL_KEY_SIZE],
                    char **ret_path, struct buf *why) ATTR_WARN_UNUSED;
/* A key that a rotation has taken into use: looked for in the file of key_file=, then in the key directory, both as they are now, and put on the ring, as the one that seals (ring may be NULL: only
 * looked for). */
bool volume_take_key(const struct options *, const uint8_t id[SEAL_KEY_ID_SIZE], struct keyring *ring);
/* To be remembered. */
void volume_add_rotated(struct volume *, const uint8_t id[SEAL_KEY_ID_SIZE]);

#endif
