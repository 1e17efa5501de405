/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/wire.h"
#include <linux/fuse.h>
#include <stdatomic.h>
#include <sys/uio.h>

static _Atomic uint64_t
    init_unique; /* of the INIT request that offered the flag, until it is answered; 0: none */
static _Atomic bool killpriv;
static _Thread_local bool kills; /* the request that this thread has read last */

bool wire_has_killpriv(void) {
    return atomic_load(&killpriv);
}

bool wire_kills_privs(void) {
    return kills;
}

void wire_set_kills(bool yes) {
    kills = yes;
}

/* A request's argument, if the request is long enough to have it. */
#define ARG(type, buf, n)                                                                                    \
    ((n) >= sizeof(struct fuse_in_header) + sizeof(type)                                                     \
         ? (const type *)((const char *)(buf) + sizeof(struct fuse_in_header))                               \
         : NULL)

static bool asks_to_kill(const struct fuse_in_header *in, size_t n) {
    const struct fuse_write_in *write_in = ARG(struct fuse_write_in, in, n);
    const struct fuse_setattr_in *setattr_in = ARG(struct fuse_setattr_in, in, n);
    const struct fuse_open_in *open_in = ARG(struct fuse_open_in, in, n);
    const struct fuse_create_in *create_in = ARG(struct fuse_create_in, in, n);
    switch (in->opcode) {
    case FUSE_WRITE:
        return write_in && (write_in->write_flags & FUSE_WRITE_KILL_SUIDGID);
    case FUSE_SETATTR:
        return setattr_in && (setattr_in->valid & FATTR_KILL_SUIDGID);
    case FUSE_OPEN:
        return open_in && (open_in->open_flags & FUSE_OPEN_KILL_SUIDGID);
    case FUSE_CREATE:
        return create_in && (create_in->open_flags & FUSE_OPEN_KILL_SUIDGID);
    default:
        return false;
    }
}

static ssize_t read_request(int fd, void *buf, size_t size, void *userdata ATTR_UNUSED) {
    ssize_t n = read(fd, buf, size);
    if (n < (ssize_t)sizeof(struct fuse_in_header))
        return n;
    const struct fuse_in_header *in = buf;
    kills = asks_to_kill(in, (size_t)n);
    if (in->opcode == FUSE_INIT) {
        const struct fuse_init_in *init = ARG(struct fuse_init_in, buf, (size_t)n);
        atomic_store(&init_unique, init && (init->flags & FUSE_HANDLE_KILLPRIV_V2) ? in->unique : 0);
    }
    return n;
}

/* The answer to INIT: its header, then a fuse_init_out, which older protocols cut short. */
static void promise(struct iovec *iov, int count) {
    const struct fuse_out_header *out = iov[0].iov_base;
    if (iov[0].iov_len < sizeof *out || out->unique != atomic_load(&init_unique))
        return;
    atomic_store(&init_unique, 0);
    if (out->error || count < 2 || iov[1].iov_len < offsetof(struct fuse_init_out, max_background))
        return;
    struct fuse_init_out *init = iov[1].iov_base;
    init->flags |= FUSE_HANDLE_KILLPRIV_V2;
    atomic_store(&killpriv, true);
}

static ssize_t write_reply(int fd, struct iovec *iov, int count, void *userdata ATTR_UNUSED) {
    if (atomic_load_explicit(&init_unique, memory_order_relaxed))
        promise(iov, count);
    return writev(fd, iov, count);
}

int wire_attach(struct fuse_session *se) {
    static const struct fuse_custom_io io = {.read = read_request, .writev = write_reply};
    return fuse_session_custom_io(se, &io, fuse_session_fd(se));
}
