/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sizes and times as people write them. Sizes take K, M, G, T (powers of 1024; an optional "iB" or "B" is accepted), times
 * ms, s, m, h, d; a bare number is bytes or seconds. Decimals are accepted ("1.5G").
 */
#ifndef ASSETFS_UNITS_H
#define ASSETFS_UNITS_H

#include "base/base.h"

int size_parse(const char *s, uint64_t *ret_bytes) ATTR_WARN_UNUSED;      /* -EINVAL, -ERANGE */
int duration_parse(const char *s, int64_t *ret_ns) ATTR_WARN_UNUSED;      /* -EINVAL, -ERANGE */
/* "1.5 GiB", "12 B"; into ret, which is returned. */
#define UNITS_SIZE 32
char *size_format(uint64_t bytes, char ret[UNITS_SIZE]);
/* "1m 5s", "350 ms" */
char *duration_format(int64_t ns, char ret[UNITS_SIZE]);
/* RFC 3339 in UTC with seconds: "2026-11-22T02:29:36Z" */
char *time_format(int64_t ns_since_epoch, char ret[UNITS_SIZE]);
int time_parse(const char *s, int64_t *ret_ns) ATTR_WARN_UNUSED; /* the same form, or @SECONDS */

#endif
