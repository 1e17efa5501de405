/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An invitation: one file with all that a second machine needs to know of a volume but the keys of AWS. It is a configuration file with one section, and the recovery codes of the volume's
 * keys in comments before it:
 *
 *     # assetfs invitation: whoever has this file can read all names of the volume
 *     # key assetfs1-....
 *     [volume pictures]
 *     url = s3://bucket
 *     cdn = https://d1234.cloudfront.net
 *
 * Where the servers' certificates are an authority's of one's own (ca_file=), those stand in comments as well, PEM line by line:
 *
 *     # ca -----BEGIN CERTIFICATE-----
 */
#ifndef ASSETFS_INVITATION_H
#define ASSETFS_INVITATION_H

#include "base/buf.h"
#include "base/options.h"
#include "base/seal.h"

#define INVITATION_FIRST "# assetfs invitation"
#define INVITATION_KEY "# key "
#define INVITATION_CA "# ca "
#define INVITATION_MAX ((size_t)1 << 20)

/* What the volume is called where its URL is all that is known: the last part of it, as far as it can stand in a section's name; malloc'd. */
char *invitation_name(const struct options *);
/* The section alone, appended: what describes the deployment, and nothing that is this host's (paths, sizes, owners, profiles). name: of the section. */
void invitation_section(const struct options *, const char *name, struct buf *);
/* The name of the only section, malloc'd; NULL with a sentence: it is no invitation. */
char *invitation_parse_name(const char *text, struct buf *why);
/* Each key in it; the codes are checked. The caller wipes ret[0, max). How many, or -EINVAL, -EBADMSG with a sentence. */
int invitation_keys(const char *text, uint8_t (*ret)[SEAL_KEY_SIZE], size_t max, struct buf *why) ATTR_WARN_UNUSED;

/* Appends the certificates of ca_file, and of a file that has more in it (a private key, say) nothing else. 0, or a negative errno with a sentence. */
int invitation_add_ca(struct buf *text, const char *ca_file, struct buf *why) ATTR_WARN_UNUSED;
/* The certificates in it appended to pem, as a ca_file= wants them. How many, or -EBADMSG with a sentence. */
int invitation_ca(const char *text, struct buf *pem, struct buf *why) ATTR_WARN_UNUSED;

#endif
