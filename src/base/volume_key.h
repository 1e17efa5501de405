/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A volume key as people and files hold it: a one-line recovery code, and 0600 files below
 * $XDG_CONFIG_HOME/assetfs/keys/, one a volume (the file's name is the volume id in hexadecimal).
 *
 * Recovery code: "assetfs1-" and 60 characters in groups of 5 joined by "-": base32 (Crockford's alphabet
 * 0-9 A-Z without I L O U; read without regard to case, I and L read as 1, O as 0, spaces and dashes ignored) of
 * 32 key bytes followed by the first 5 bytes of the key's SHA-256 as checksum (37 bytes = 296 bits, padded with zero
 * bits to 300).
 */
#ifndef ASSETFS_VOLUME_KEY_H
#define ASSETFS_VOLUME_KEY_H

#include "base/seal.h"

#define VOLUME_KEY_CODE_SIZE (9 + 60 + 11 + 1)

void volume_key_code(const uint8_t key[SEAL_KEY_SIZE], char ret[VOLUME_KEY_CODE_SIZE]);
/* -EINVAL: not a code (wrong characters or length); -EBADMSG: the checksum does not hold (a typing error). */
int volume_key_parse(const char *code, uint8_t ret[SEAL_KEY_SIZE]) ATTR_WARN_UNUSED;
/* Writes the code and a newline, atomically, 0600, making missing parent directories 0700. Never replaces: -EEXIST. */
int volume_key_save(const char *path, const uint8_t key[SEAL_KEY_SIZE]) ATTR_WARN_UNUSED;
/* The first key of a file that may hold several, one code a line (after a rotation). -ENOENT; -EPERM: readable by group or others (the caller says: chmod 600); -EINVAL,
 * -EBADMSG as above. */
int volume_key_load(const char *path, uint8_t ret[SEAL_KEY_SIZE]) ATTR_WARN_UNUSED;
/* The one with this id. -ENOKEY: it holds others; else as volume_key_load(). */
int volume_key_load_id(const char *path, const uint8_t id[SEAL_KEY_ID_SIZE], uint8_t ret[SEAL_KEY_SIZE]) ATTR_WARN_UNUSED;
/* "$XDG_CONFIG_HOME/assetfs/keys", else "$HOME/.config/assetfs/keys"; malloc'd; NULL if neither variable is set. */
char *volume_key_dir(void);
/* Looks through the key directory for the key with this id; its file's path to ret_path (malloc'd, may be NULL).
 * -ENOENT: none. Files that cannot be read are skipped. */
int volume_key_find(const char *dir, const uint8_t id[SEAL_KEY_ID_SIZE], uint8_t ret[SEAL_KEY_SIZE], char **ret_path)
    ATTR_WARN_UNUSED;
/* Saves it in the key directory under its own id, unless a file there has it. 1: one has; *ret_path is the file (malloc'd), also with an error of volume_key_save(). */
int volume_key_keep(const char *dir, const uint8_t key[SEAL_KEY_SIZE], char **ret_path) ATTR_WARN_UNUSED;

#endif
