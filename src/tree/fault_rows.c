/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/fault_rows.h"
#include "base/log.h"
#include "tree/fault.h"
#include "tree/rows.h"

struct fault_rows *fault_rows_new(void) {
    struct fault_rows *p = xmalloc(sizeof *p);
    p->n = 0;
    p->bytes = BUF_INIT(FAULT_BYTES + NAME_MAX_BYTES + RECORD_MAX);
    return p;
}

void fault_rows_free(struct fault_rows *p) {
    buf_free(&p->bytes);
    free(p);
}

bool fault_rows_full(const struct fault_rows *p) {
    return p->n == FAULT_ROWS || p->bytes.len >= FAULT_BYTES || p->bytes.err < 0;
}

bool fault_rows_add(void *arg, const struct base_row *row) {
    struct fault_rows *p = arg;
    p->v[p->n++] = (struct fault_row){
        .at = p->bytes.len, .n = row->n, .rec_len = row->rec_len, .ino = row->ino, .seq = row->seq, .type = row->type, .nlink = row->nlink};
    buf_append(&p->bytes, row->name, row->n);
    buf_append(&p->bytes, row->rec, row->rec_len);
    return !fault_rows_full(p);
}

void fault_rows_cut(struct fault_rows *p, size_t n) {
    if (n < p->n)
        p->bytes.len = p->v[n].at;
    p->n = n;
}

const char *fault_rows_name(const struct fault_rows *p, size_t i, size_t *ret_n) {
    *ret_n = p->v[i].n;
    return (const char *)p->bytes.data + p->v[i].at;
}

/* A newer row of the inode, which is here by another name, stays. That its object is in the bucket is not noted: file_open() does that for what a program reads, for it costs more than all
 * the rest. */
static int write_row(struct tree *t, uint64_t dir, const struct fault_rows *p, const struct fault_row *row) {
    CLEANUP_RECORD struct record rec = {0};
    const uint8_t *name = p->bytes.data + row->at, *bytes = name + row->n;
    if (row->n == 0 || row->n > NAME_MAX_BYTES || record_parse(bytes, row->rec_len, &rec) < 0)
        return -EBADMSG;
    int r = db_run(&t->db, STMT_C_NAME_ADD, "ibii", dir, name, row->n, row->ino, (int64_t)(row->type & S_IFMT));
    return r < 0 ? r : db_run(&t->db, STMT_C_INODE_ADD, "ibii", row->ino, bytes, row->rec_len, (int64_t)row->nlink, row->seq);
}

int fault_rows_write(struct tree *t, uint64_t dir, const struct fault_rows *p, size_t from, size_t to) {
    int r = p->bytes.err;
    for (size_t i = from; i < to && r == 0; i++)
        r = write_row(t, dir, p, &p->v[i]);
    return r;
}

void fault_note_object(struct tree *t, const struct content *c) {
    if (!c || !fault_is_lazy(t) || rows_object_known(t, c->id, c->key) != 0)
        return;
    int r = tree_begin(t);
    if (r == 0)
        r = tree_end(t, rows_object_add(t, c->id, c->key));
    if (r < 0)
        log_debug("tree.db: an object that is known is not noted");
}
