/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "signing_key.h"
#include "base/file.h"
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

void signing_key_write(const char *path) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    if (!key || !bio || PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
        abort();
    long n = BIO_get_mem_data(bio, &text);
    if (n <= 0 || file_write_atomic(path, text, (size_t)n, 0600) < 0)
        abort();
    BIO_free(bio);
    EVP_PKEY_free(key);
}
