/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The text of AWS's shared files ~/.aws/credentials and ~/.aws/config ("Configuration and credential file settings" and "Shared config file format", AWS SDKs and
 * Tools Reference Guide), and what AWS's command line, which reads them with Python's configparser, makes of cases the guide leaves open:
 *
 *   [profile x]                  white space inside the brackets and behind them does not matter, a name may be in quotes
 *   name = value                 or with ':'; names in any case; white space around both goes; a value ends before " #" and " ;"
 *   # comment, ; comment         whole lines
 *   s3 =
 *       addressing_style = path  indented more than the setting before it: belongs to that
 *
 * Our own parser and not inih: inih takes lines of 200 bytes (a session token has 300 to 2,000), gives indented names the name of the setting before them, takes a
 * section whose settings are all indented for one value, and leaves the secrets it read on the stack. This one copies nothing.
 * Pure.
 */
#ifndef ASSETFS_AWS_CONFIG_H
#define ASSETFS_AWS_CONFIG_H

#include "base/base.h"

/* A part of the text: not NUL-terminated, valid as long as the text is. */
struct aws_slice {
    const char *p; /* NULL: there is none */
    size_t len;
};

struct aws_setting {
    struct aws_slice section; /* what is between the brackets */
    struct aws_slice name;
    struct aws_slice sub;     /* an indented line: its own name, "" if it has none; `name` is that of the setting it belongs to then */
    struct aws_slice value;
    unsigned line;            /* from 1 */
};

/* Calls fn for each section (name.p is NULL then) and each setting. -EBADMSG: a line that is neither, a setting before the first section, a NUL byte: *ret_line says where.
 * What came before has been given to fn. */
int aws_config_parse(const char *text, size_t n, void (*fn)(void *arg, const struct aws_setting *), void *arg, unsigned *ret_line) ATTR_WARN_UNUSED;
/* The section is [type name], or [name] if type is NULL. */
bool aws_config_in_section(const struct aws_setting *, const char *type, const char *name);
/* Compares without case (ASCII), as names of settings are. */
bool aws_slice_is(struct aws_slice, const char *name);

#endif
