/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The program: finds the command and runs it.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "cmd/command.h"
#include "base/log.h"
#include "base/options.h"
#include "store/refusal.h"
#include <ctype.h>

static const struct command *const commands[] = {
    &cmd_init, &cmd_mount, &cmd_umount, &cmd_sync, &cmd_status, &cmd_url, &cmd_key, &cmd_log, &cmd_check, &cmd_policy, &cmd_verify, &cmd_invite, &cmd_join, &cmd_area, &cmd_checkpoint,
};

static const struct command *find_command(const char *name) {
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static void print_overview(FILE *f) {
    fputs("assetfs mounts an asset bucket as an ordinary folder.\n\n", f);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        fprintf(f, "  assetfs %-10s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n\"assetfs help COMMAND\" tells more; the manual is assetfs(1).\n", f);
}

static int print_buf(struct buf *b) {
    fputs(buf_str(b), stdout);
    buf_free(b);
    return STATUS_DONE;
}

static int print_help(const struct command *c) {
    struct buf b = BUF_INIT(1 << 20);
    buf_printf(&b, "Usage: assetfs %s %s\n\n%c%s.\n", c->name, c->usage,
               toupper((unsigned char)c->summary[0]), c->summary + 1);
    if (c->help)
        buf_printf(&b, "\n%s", c->help);
    if (c->takes_options) {
        buf_append_str(&b,
                       "\nOptions after -o, separated by commas, or lines of a [volume NAME] section:\n\n");
        options_help(&b);
    }
    return print_buf(&b);
}

/* The lists in assetfs(1) are made by these, and compared with it by tests/sh/options.sh. */
static int print_mdoc(void (*print)(struct buf *)) {
    struct buf b = BUF_INIT(1 << 20);
    print(&b);
    return print_buf(&b);
}

static int unknown_command(const char *name) {
    log_error("there is no command \"%s\"", name);
    print_overview(stderr);
    return STATUS_USAGE;
}

static int run_help(const char *name) {
    if (!name) {
        print_overview(stdout);
        return STATUS_DONE;
    }
    if (strcmp(name, "--options-mdoc") == 0)
        return print_mdoc(options_mdoc);
    if (strcmp(name, "--refusals-mdoc") == 0)
        return print_mdoc(refusal_mdoc);
    const struct command *c = find_command(name);
    return c ? print_help(c) : unknown_command(name);
}

static bool asks_for_help(int argc, char **argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0)
            return true;
    return false;
}

static int run_command(int argc, char **argv) {
    const struct command *c = find_command(argv[0]);
    if (!c)
        return unknown_command(argv[0]);
    if (asks_for_help(argc, argv))
        return print_help(c);
    CLEANUP_FREE char *name = xasprintf("assetfs %s", c->name);
    argv[0] = name;
    return c->run(argc, argv);
}

static int dispatch(int argc, char **argv) {
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    if (argc > 0 && strcmp(slash ? slash + 1 : argv[0], "mount.assetfs") == 0)
        return mount_helper(argc, argv);
    if (argc < 2) {
        print_overview(stderr);
        return STATUS_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return run_help(argv[2]);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("assetfs %s\n", PACKAGE_VERSION);
        return STATUS_DONE;
    }
    return run_command(argc - 1, argv + 1);
}

int main(int argc, char **argv) {
    int status = dispatch(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        log_error("cannot write the output");
        return STATUS_FAILED;
    }
    return status;
}
