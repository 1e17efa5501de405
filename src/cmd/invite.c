/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * assetfs invite: one file for a second machine. It is a secret, for it has the volume's keys.
 */
#include "base/file.h"
#include "base/log.h"
#include "cmd/command.h"
#include "cmd/invitation.h"
#include "cmd/volume_keys.h"
#include "base/loop.h"
#include "store/open.h"
#include <fcntl.h>
#include <unistd.h>

static void add_key(void *arg, const char *code) {
    buf_printf(arg, INVITATION_KEY "%s\n", code);
}

static int write_file(const char *path, const struct buf *text) {
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    int r = file_pwrite_all(fd, text->data, text->len, 0);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (r < 0)
        unlink(path);
    return r;
}

static void tell(const struct options *o, const char *path) {
    const char *more = o->cdn_key_file ? "-o cdn_key_file=FILE " : o->sse_c_key_file ? "-o sse_c_key_file=FILE " : "";
    printf("The invitation is in %s. It has the volume's keys: bring it to the other machine in a way that nobody else can read, and delete it. There:\n\n"
           "    assetfs join %s%s MOUNTPOINT\n\n"
           "It has no keys of AWS, and no files of this host%s.\n",
           path, more, path, o->cdn_key_file || o->sse_c_key_file || o->cdn_header ? ": cdn_key_file, sse_c_key_file and cdn_header are to be brought there, and given after -o" : "");
}

static void adopt(char **option, char **found) {
    if (!*option)
        *option = STEAL_PTR(found);
}

/* Where the bucket is may be said by this host's environment or profile, which the other machine does not have. */
static int complete(struct options *o, struct buf *why) {
    struct loop *loop = NULL;
    struct store_site site = {0};
    if (!store_is_s3(o))
        return 0;
    int r = loop_new(1, &loop);
    if (r < 0)
        return r;
    struct credentials *credentials = store_credentials(loop_env(loop), o, NULL); /* nobody is asked for keys */
    r = store_site(o, credentials, &site, why);
    if (r == 0) {
        adopt(&o->endpoint, &site.endpoint);
        adopt(&o->region, &site.region);
    }
    store_site_free(&site);
    credentials_free(credentials);
    loop_free(loop);
    return r;
}

static int invite(const struct options *o, const char *path) {
    CLEANUP_BUF struct buf text = BUF_SECRET(INVITATION_MAX);
    CLEANUP_FREE char *name = invitation_name(o), *own = path ? NULL : xasprintf("%s.invitation", name);
    buf_append_str(&text, INVITATION_FIRST ": whoever has this file can read all names of the volume\n");
    int status = volume_keys_each(o, add_key, &text);
    if (status != STATUS_DONE)
        return status;
    CLEANUP_BUF struct buf why = BUF_INIT(65536);
    if (o->ca_file && invitation_add_ca(&text, o->ca_file, &why) < 0) {
        log_error("%s", buf_str(&why));
        return STATUS_FAILED;
    }
    invitation_section(o, name, &text);
    path = path ? path : own;
    int r = text.err ? text.err : write_file(path, &text);
    if (text.data)
        explicit_bzero(text.data, text.len);
    if (r < 0) {
        log_error("%s cannot be written: %s", path, r == -EEXIST ? "it is there already, and is not replaced" : strerror(-r));
        return STATUS_FAILED;
    }
    tell(o, path);
    return STATUS_DONE;
}

static int run_invite(int argc, char **argv) {
    const char *conf = NULL, *path = NULL;
    for (int c; (c = getopt(argc, argv, "c:o:")) != -1;) {
        if (c == '?')
            return command_usage_error(&cmd_invite, NULL);
        *(c == 'c' ? &conf : &path) = optarg;
    }
    if (argc - optind != 1)
        return command_usage_error(&cmd_invite, "expected one VOLUME");
    CLEANUP_BUF struct buf why = BUF_INIT(65536);
    struct options o;
    options_init(&o);
    int status = STATUS_DONE;
    if (options_load(&o, conf, argv[optind], &why) < 0 || options_check(&o, &why) < 0 || complete(&o, &why) < 0) {
        log_error("%s", buf_str(&why));
        status = STATUS_FAILED;
    }
    if (status == STATUS_DONE)
        status = invite(&o, path);
    options_free(&o);
    return status;
}

const struct command cmd_invite = {
    .name = "invite",
    .usage = "[-c FILE] [-o FILE] VOLUME",
    .summary = "write a file with which another machine can join the volume",
    .help = "  -c FILE          read this configuration file instead of the default ones\n"
            "  -o FILE          the file to write (default: VOLUME.invitation); it must not be there\n",
    .run = run_invite,
};
