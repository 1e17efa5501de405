/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/volume_args.h"
#include "base/log.h"
#include <getopt.h>

#define MAX_LISTS 64

struct given {
    const char *conf;
    const char *lists[MAX_LISTS]; /* of -o, in order */
    int n_lists;
};

static int parse_letters(const struct command *cmd, int argc, char **argv, const char *letters,
                         struct given *ret, unsigned *ret_flags) {
    static const struct option none[] = {{0}}; /* for what is said of others */
    CLEANUP_FREE char *accepted = xasprintf("c:o:%s", letters);
    for (int c; (c = getopt_long(argc, argv, accepted, none, NULL)) != -1;) {
        const char *letter = strchr(letters, c);
        if (c == 'c')
            ret->conf = optarg;
        else if (c == 'o' && ret->n_lists < MAX_LISTS)
            ret->lists[ret->n_lists++] = optarg;
        else if (letter)
            *ret_flags |= 1u << (letter - letters);
        else
            return command_usage_error(cmd, c == 'o' ? "too many -o" : NULL);
    }
    return STATUS_DONE;
}

/* The files come first: -o has the last word. */
static int load(const struct given *given, const char *volume, struct options *ret) {
    CLEANUP_BUF struct buf why = BUF_INIT(65536);
    if (options_load(ret, given->conf, volume, &why) < 0) {
        log_error("%s", buf_str(&why));
        return STATUS_FAILED;
    }
    int r = 0;
    for (int i = 0; r == 0 && i < given->n_lists; i++)
        r = options_set_list(ret, given->lists[i], &why);
    if (r == 0)
        r = options_check(ret, &why);
    if (r < 0)
        log_error("%s", buf_str(&why));
    if (r == 0 && ret->debug)
        log_set_level(LOG_LEVEL_DEBUG);
    return r < 0 ? STATUS_USAGE : STATUS_DONE;
}

int volume_args_parse(const struct command *cmd, int argc, char **argv, const char *letters, int n_rest,
                      struct volume_args *ret) {
    struct given given = {0};
    *ret = (struct volume_args){0};
    options_init(&ret->opt);
    int status = parse_letters(cmd, argc, argv, letters, &given, &ret->flags);
    if (status != STATUS_DONE)
        return status;
    if (argc - optind != 1 + n_rest)
        return command_usage_error(cmd,
                                   n_rest ? "expected a VOLUME and a MOUNTPOINT" : "expected one VOLUME");
    ret->rest = argv + optind + 1;
    ret->n_rest = n_rest;
    return load(&given, argv[optind], &ret->opt);
}

static void take_out(int *argc, char **argv, int at, int n) {
    for (int i = at; i + n <= *argc; i++) /* the NULL at the end, too */
        argv[i] = argv[i + n];
    *argc -= n;
}

bool volume_args_take_flag(int *argc, char **argv, const char *name) {
    bool given = false;
    for (int i = 1; i < *argc;) {
        if (!strcmp(argv[i], name)) {
            given = true;
            take_out(argc, argv, i, 1);
        } else {
            i++;
        }
    }
    return given;
}

bool volume_args_take_value(int *argc, char **argv, const char *name, const char **ret) {
    size_t n = strlen(name);
    for (int i = 1; i < *argc;) {
        if (!strcmp(argv[i], name)) {
            if (i + 1 == *argc)
                return false;
            *ret = argv[i + 1];
            take_out(argc, argv, i, 2);
        } else if (!strncmp(argv[i], name, n) && argv[i][n] == '=') {
            *ret = argv[i] + n + 1;
            take_out(argc, argv, i, 1);
        } else {
            i++;
        }
    }
    return true;
}

void volume_args_free(struct volume_args *a) {
    options_free(&a->opt);
}
