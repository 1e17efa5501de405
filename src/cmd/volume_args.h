/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * "[-c FILE] [-o OPTION,...] VOLUME ...": what init, mount and key have in common.
 */
#ifndef ASSETFS_VOLUME_ARGS_H
#define ASSETFS_VOLUME_ARGS_H

#include "base/options.h"
#include "cmd/command.h"

struct volume_args {
    struct options opt;
    unsigned flags; /* one bit for each of the letters, in their order */
    char **rest;    /* what follows VOLUME, into argv */
    int n_rest;
};

/* letters: further options without an argument, as for getopt(3) ("f"). n_rest: how many arguments must
 * follow VOLUME. STATUS_DONE; STATUS_USAGE (command line), STATUS_FAILED (no such volume, an error in a
 * file): said. Free it in any case. */
int volume_args_parse(const struct command *, int argc, char **argv, const char *letters, int n_rest,
                      struct volume_args *ret);
/* Long options, taken out of the arguments before volume_args_parse() reads the letters. */
bool volume_args_take_flag(int *argc, char **argv, const char *name);
/* "NAME VALUE" or "NAME=VALUE": into argv; untouched where it is not given. False: it ends with the name. */
bool volume_args_take_value(int *argc, char **argv, const char *name, const char **ret) ATTR_WARN_UNUSED;
void volume_args_free(struct volume_args *);
#define CLEANUP_VOLUME_ARGS __attribute__((cleanup(volume_args_free)))

#endif
