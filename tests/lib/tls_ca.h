/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A private certificate authority for tests, made anew each time, and certificates of it.
 */
#ifndef ASSETFS_TESTS_TLS_CA_H
#define ASSETFS_TESTS_TLS_CA_H

struct tls_ca;
struct tls_cert; /* with its key */

/* Both end the process when OpenSSL fails. */
struct tls_ca *tls_ca_new(void);
/* Writes the authority's own certificate, PEM. */
void tls_ca_write(const struct tls_ca *, const char *path);
struct tls_ca *tls_ca_free(struct tls_ca *); /* NULL-safe; returns NULL */

/* For a server: names as in "DNS:localhost,IP:127.0.0.1". days: valid from yesterday until so many days from
 * now; negative: expired. */
struct tls_cert *tls_cert_new(const struct tls_ca *, const char *names, int days);
struct tls_cert *tls_cert_free(struct tls_cert *); /* NULL-safe; returns NULL */
/* X509 and EVP_PKEY, for SSL_CTX_use_*. */
void *tls_cert_x509(const struct tls_cert *);
void *tls_cert_key(const struct tls_cert *);

#endif
