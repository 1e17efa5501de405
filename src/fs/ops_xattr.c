/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Extended attributes: those that the volume keeps, and the virtual ones that tell a file's truth. The
 * virtual ones are answered when asked for by name and never listed, so that `cp -a` and rsync -X do not try
 * to copy them.
 */
#include "fs/reply.h"
#include "fs/session.h"
#include <inttypes.h>
#include <time.h>

#define VIRTUAL "user.assetfs."
#define TRUSTED "trusted."

static const char *state_name(enum file_state state) {
    switch (state) {
    case FILE_LOCAL:
        return "local";
    case FILE_UPLOADING:
        return "uploading";
    case FILE_STUCK:
        return "stuck";
    case FILE_DURABLE:
    default:
        return "durable";
    }
}

static int put_text(struct buf *ret, const char *text) {
    return text ? buf_append_str(ret, text) : -ENODATA;
}

static int put_url(struct session *s, const struct truth *t, struct buf *ret) {
    CLEANUP_FREE char *url = t->key ? links_url(s->links, t->key) : NULL;
    return put_text(ret, url);
}

/* Where nobody has set a rule, objects are for signed links if there is a key for them. */
static int put_access(struct session *s, const struct truth *t, struct buf *ret) {
    if (!t->key || (!t->ruled && !links_can_sign(s->links)))
        return -ENODATA;
    return put_text(ret, t->is_signed ? "signed" : "open");
}

/* An empty file has no content, but a well-known digest. */
static int put_digest(struct session *s, uint64_t ino, const struct truth *t, struct buf *ret) {
    char hex[DIGEST_HEX_SIZE];
    uint8_t id[DIGEST_SIZE];
    struct attr a;
    memcpy(id, t->id, sizeof id);
    if (!t->has_content) {
        if (names_getattr(s->tree, ino, &a) < 0 || !S_ISREG(a.mode) || a.size > 0)
            return -ENODATA;
        digest_of("", 0, id);
    }
    digest_hex(id, hex);
    return put_text(ret, hex);
}

static int put_time(int64_t ns, struct buf *ret) {
    int64_t s = ns / NS_PER_S, rest = ns % NS_PER_S;
    if (rest < 0) {
        s--;
        rest += NS_PER_S;
    }
    struct tm tm;
    char text[64];
    if (!gmtime_r(&(time_t){s}, &tm) || !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm))
        return -ENODATA;
    return buf_printf(ret, "%s.%09" PRId64 "Z", text, rest);
}

static int virtual_xattr(struct session *s, uint64_t ino, const char *name, struct buf *ret) {
    if (!strcmp(name, "control"))
        return put_text(ret, s->control_path);
    struct truth t = {0};
    int r = names_truth(s->tree, ino, &t);
    if (r < 0)
        return r;
    if (!strcmp(name, "url"))
        r = put_url(s, &t, ret);
    else if (!strcmp(name, "access"))
        r = put_access(s, &t, ret);
    else if (!strcmp(name, "sha256"))
        r = put_digest(s, ino, &t, ret);
    else if (!strcmp(name, "key"))
        r = put_text(ret, t.key);
    else if (!strcmp(name, "state"))
        r = put_text(ret, state_name(t.state));
    else if (!strcmp(name, "sequence"))
        r = t.sequence ? buf_printf(ret, "%" PRIu64, t.sequence) : -ENODATA;
    else if (!strcmp(name, "btime"))
        r = put_time(t.btime, ret);
    else
        r = -ENODATA;
    free(t.key);
    return r;
}

static bool begins(const char *name, const char *with) {
    return strncmp(name, with, strlen(with)) == 0;
}

/* The kernel asks for security.capability before the first write to a file, and for ACLs whenever somebody
 * looks. */
static int get(struct session *s, uint64_t ino, const char *name, struct buf *ret) {
    if (begins(name, "security."))
        return -ENODATA;
    if (!begins(name, "user.") && !begins(name, TRUSTED))
        return -EOPNOTSUPP;
    if (begins(name, VIRTUAL))
        return virtual_xattr(s, ino, name + strlen(VIRTUAL), ret);
    return names_getxattr(s->tree, ino, name, ret);
}

/* size 0 asks how much room is needed. */
static void reply_value(fuse_req_t req, int r, const struct buf *b, size_t size) {
    if (r == 0 && b->err)
        r = b->err == -EFBIG ? -E2BIG : b->err;
    if (r == 0 && size > 0 && b->len > size)
        r = -ERANGE;
    if (r < 0)
        reply_err(req, r);
    else if (size == 0)
        fuse_reply_xattr(req, b->len);
    else
        fuse_reply_buf(req, (const char *)b->data, b->len);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size) {
    struct session *s = session_begin(req, OP_GETXATTR);
    CLEANUP_BUF struct buf value = BUF_INIT(1 << 20);
    int r = get(s, ino, name, &value);
    reply_value(req, r, &value, size);
}

/* The kernel lets root alone read trusted.*, but leaves it to us to show their names to nobody else. */
static int without_trusted(const struct buf *all, struct buf *ret) {
    int r = 0;
    for (size_t at = 0, n; at < all->len && r == 0; at += n) {
        const char *name = (const char *)all->data + at;
        n = strlen(name) + 1;
        if (!begins(name, TRUSTED))
            r = buf_append(ret, name, n);
    }
    return r;
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size) {
    struct session *s = session_begin(req, OP_LISTXATTR);
    CLEANUP_BUF struct buf names = BUF_INIT(1 << 20), shown = BUF_INIT(1 << 20);
    bool all = fuse_req_ctx(req)->uid == 0;
    int r = names_listxattr(s->tree, ino, &names);
    if (r == 0 && !all)
        r = without_trusted(&names, &shown);
    reply_value(req, r, all ? &names : &shown, size);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
                        int flags) {
    struct session *s = session_begin_change(req, OP_SETXATTR);
    if (s)
        reply_err(req, names_setxattr(s->tree, ino, name, value, size, flags));
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name) {
    struct session *s = session_begin_change(req, OP_REMOVEXATTR);
    if (s)
        reply_err(req, names_removexattr(s->tree, ino, name));
}

void ops_xattr_fill(struct fuse_lowlevel_ops *ops) {
    ops->setxattr = op_setxattr;
    ops->getxattr = op_getxattr;
    ops->listxattr = op_listxattr;
    ops->removexattr = op_removexattr;
}
