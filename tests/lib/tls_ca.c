/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls_ca.h"
#include "base/base.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

struct tls_ca {
    X509 *cert;
    EVP_PKEY *key;
};

struct tls_cert {
    X509 *cert;
    EVP_PKEY *key;
};

static void must(bool ok, const char *what) {
    if (ok)
        return;
    fprintf(stderr, "tests/lib/tls_ca: %s failed\n", what);
    abort();
}

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value) {
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    must(e && X509_add_ext(cert, e, -1), "X509V3_EXT_conf_nid");
    X509_EXTENSION_free(e);
}

static X509 *begin_cert(EVP_PKEY *key, const char *name, int days) {
    X509 *cert = X509_new();
    uint64_t serial = 0;
    must(cert && RAND_bytes((unsigned char *)&serial, sizeof serial) == 1, "X509_new");
    X509_set_version(cert, 2);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1 | 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), MIN(-1, days - 1) * 86400L);
    X509_gmtime_adj(X509_getm_notAfter(cert), days * 86400L);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)name,
                               -1, -1, 0);
    return cert;
}

struct tls_ca *tls_ca_new(void) {
    struct tls_ca *ca = xcalloc(1, sizeof *ca);
    ca->key = EVP_EC_gen("P-256");
    must(ca->key, "EVP_EC_gen");
    ca->cert = begin_cert(ca->key, "assetfs test authority", 30);
    X509_set_issuer_name(ca->cert, X509_get_subject_name(ca->cert));
    add_extension(ca->cert, ca->cert, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(ca->cert, ca->cert, NID_key_usage, "critical,keyCertSign,cRLSign");
    add_extension(ca->cert, ca->cert, NID_subject_key_identifier, "hash");
    must(X509_sign(ca->cert, ca->key, EVP_sha256()), "X509_sign");
    return ca;
}

void tls_ca_write(const struct tls_ca *ca, const char *path) {
    FILE *f = fopen(path, "we");
    must(f && PEM_write_X509(f, ca->cert) && fclose(f) == 0, path);
}

struct tls_ca *tls_ca_free(struct tls_ca *ca) {
    if (!ca)
        return NULL;
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key);
    free(ca);
    return NULL;
}

struct tls_cert *tls_cert_new(const struct tls_ca *ca, const char *names, int days) {
    struct tls_cert *c = xcalloc(1, sizeof *c);
    c->key = EVP_EC_gen("P-256");
    must(c->key, "EVP_EC_gen");
    c->cert = begin_cert(c->key, "assetfs test server", days);
    X509_set_issuer_name(c->cert, X509_get_subject_name(ca->cert));
    add_extension(c->cert, ca->cert, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(c->cert, ca->cert, NID_subject_alt_name, names);
    add_extension(c->cert, ca->cert, NID_authority_key_identifier, "keyid:always");
    must(X509_sign(c->cert, ca->key, EVP_sha256()), "X509_sign");
    return c;
}

struct tls_cert *tls_cert_free(struct tls_cert *c) {
    if (!c)
        return NULL;
    X509_free(c->cert);
    EVP_PKEY_free(c->key);
    free(c);
    return NULL;
}

void *tls_cert_x509(const struct tls_cert *c) {
    return c->cert;
}

void *tls_cert_key(const struct tls_cert *c) {
    return c->key;
}
