/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Key files as CloudFront's signers have them, for tests.
 */
#ifndef ASSETFS_TESTS_SIGNING_KEY_H
#define ASSETFS_TESTS_SIGNING_KEY_H

/* Writes a new private key as PEM, mode 0600, replacing the file by rename: ECDSA P-256, which is made at once. Ends the process when that fails. */
void signing_key_write(const char *path);

#endif
