/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef ASSETFS_UTF8_H
#define ASSETFS_UTF8_H

#include "base/base.h"

/* Length (1..4) of the character that p[0..n) begins with; 0 if that is none. */
size_t utf8_char(const void *p, size_t n);
bool utf8_valid(const void *p, size_t n);

#endif
