/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * apply-replay: applies recorded journals (standard input; tests/model/record.py) to trees that begin empty,
 * and tells where the tree is another one than it must be, by its digest, or a change fits that must not, or
 * the other way round. Exit status 1 if there are any, 2 if the input cannot be read.
 *
 *     journal NAME
 *     change SESSION                        begins one, by who has that session
 *     name PARENT WAS NOW NAME              0: none
 *     inode INO WAS TYPE MODE TEXT          WAS: absent, plain (no content), or the content; the rest as in
 * tests/lib/merge_case.h apply                                 it must fit try fits|void must it? It is
 * undone state HEX                             SHA-256 of lines "INO TYPE MODE TEXT" and "PARENT INO NAME",
 * sorted end
 */
#include "base/digest.h"
#include "mem_tree.h"
#include "tree/apply.h"
#include "tree_box.h"

#include <inttypes.h>
#include <sys/stat.h>

#define SEQ_MAX 1000000
#define STATE_MAX (16u << 20)

struct replay {
    struct tree_box *box;
    char name[64];
    struct change change;
    uint64_t session;
    unsigned long changes, tries, states, bad;
};

static void begin(struct replay *r) {
    tree_box_free(r->box);
    r->box = tree_box_new();
    struct tree *t = r->box->tree;
    tree_lock(t); /* for good: nothing runs beside this */
    CLEANUP_RECORD struct record root = {0};
    mem_record(&root, S_IFDIR | 0755, "");
    if (db_begin(&t->db) < 0 || rows_c_set_inode(t, ROOT_INO, &root, 1) < 0)
        abort();
}

static void end(struct replay *r) {
    struct tree *t = r->box->tree;
    db_rollback(&t->db);
    tree_unlock(t);
    r->box = tree_box_free(r->box);
}

static bool parse_name(struct replay *r, const char *s) {
    struct change *c = &r->change;
    struct name_edit e = {.when = 1};
    int at = 0;
    if (sscanf(s, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %n", &e.parent, &e.was, &e.now, &at) != 3 || !at)
        return false;
    e.n = strlen(s + at);
    e.name = xmemdup(s + at, e.n);
    c->names = xrealloc(c->names, (c->n_names + 1) * sizeof *c->names);
    c->names[c->n_names++] = e;
    return true;
}

static bool parse_inode(struct replay *r, const char *s) {
    struct change *c = &r->change;
    struct inode_edit e = {0};
    char was[128], type, text[128];
    unsigned mode;
    if (sscanf(s, "%" SCNu64 " %127s %c %o %127s", &e.ino, was, &type, &mode, text) != 5)
        return false;
    e.was = !strcmp(was, "plain")                  ? WAS_PLAIN
            : strcmp(was, "absent")                ? WAS_CONTENT
            : e.ino >> SESSION_SHIFT == r->session ? WAS_NEW
                                                   : WAS_BACK;
    if (e.was == WAS_CONTENT)
        digest_of(was, strlen(was), e.was_id);
    mem_record(&e.rec,
               (type == 'd'   ? S_IFDIR
                : type == 'l' ? S_IFLNK
                              : S_IFREG) |
                   mode,
               strcmp(text, "-") ? text : "");
    c->inodes = xrealloc(c->inodes, (c->n_inodes + 1) * sizeof *c->inodes);
    c->inodes[c->n_inodes++] = e;
    return true;
}

static void print_row(struct replay *r, sqlite3_stmt *s, bool inodes, struct buf *out) {
    if (!inodes) {
        buf_printf(out, "%" PRIu64 " %" PRIu64 " %.*s\n", (uint64_t)sqlite3_column_int64(s, 0),
                   (uint64_t)sqlite3_column_int64(s, 2), sqlite3_column_bytes(s, 1),
                   (const char *)sqlite3_column_blob(s, 1));
        return;
    }
    CLEANUP_RECORD struct record rec = {0};
    uint64_t ino = (uint64_t)sqlite3_column_int64(s, 0);
    if (rows_c_inode(r->box->tree, ino, &rec, NULL, NULL) != 1)
        abort();
    buf_printf(out, "%" PRIu64 " %c %o %s\n", ino,
               S_ISDIR(rec.mode)   ? 'd'
               : S_ISLNK(rec.mode) ? 'l'
                                   : 'f',
               rec.mode & 07777,
               S_ISLNK(rec.mode) ? rec.target
               : rec.content     ? rec.content->key
                                 : "-");
}

static void print_state(struct replay *r, struct buf *out) {
    static const char *const queries[] = {"SELECT ino FROM c_inode ORDER BY ino",
                                          "SELECT parent, name, ino FROM c_name ORDER BY parent, name"};
    for (int i = 0; i < 2; i++) {
        sqlite3_stmt *s;
        if (sqlite3_prepare_v2(r->box->tree->db.sql, queries[i], -1, &s, NULL) != SQLITE_OK)
            abort();
        while (sqlite3_step(s) == SQLITE_ROW)
            print_row(r, s, i == 0, out);
        sqlite3_finalize(s);
    }
}

static void wrong(struct replay *r, const char *what) {
    CLEANUP_BUF struct buf text = BUF_INIT(STATE_MAX);
    print_state(r, &text);
    printf("%s: change %lu: %s; the tree is\n%s", r->name, r->changes + r->tries, what, buf_str(&text));
    r->bad++;
}

static void apply(struct replay *r, bool fits, bool stays) {
    struct tree *t = r->box->tree;
    uint64_t files = t->total_files;
    struct set_digest set = t->set;
    if (db_save(&t->db) < 0)
        abort();
    int err = apply_change(t, &r->change, r->session, SEQ_MAX, NULL);
    if (err < 0 || (stays && db_release(&t->db) < 0))
        abort();
    *(stays ? &r->changes : &r->tries) += 1;
    if (!stays) {
        db_back(&t->db);
        t->total_files = files;
        t->set = set;
    }
    if ((err == 1) != fits)
        wrong(r, fits ? "is void, and should fit" : "fits, and should be void");
    change_free(&r->change);
    r->change = (struct change){0};
}

static void check_state(struct replay *r, const char *want) {
    CLEANUP_BUF struct buf text = BUF_INIT(STATE_MAX);
    uint8_t digest[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    print_state(r, &text);
    digest_of(text.data, text.len, digest);
    digest_hex(digest, hex);
    r->states++;
    if (strcmp(hex, want))
        wrong(r, "another tree");
}

static bool replay_line(struct replay *r, const char *line) {
    if (sscanf(line, "journal %63s", r->name) == 1)
        return begin(r), true;
    if (!r->box)
        return false;
    if (sscanf(line, "change %" SCNu64, &r->session) == 1)
        return true;
    if (!strncmp(line, "name ", 5))
        return parse_name(r, line + 5);
    if (!strncmp(line, "inode ", 6))
        return parse_inode(r, line + 6);
    if (!strncmp(line, "state ", 6))
        return check_state(r, line + 6), true;
    if (!strcmp(line, "end"))
        return end(r), true;
    bool stays = !strcmp(line, "apply"), fits = stays || !strcmp(line, "try fits");
    if (!fits && strcmp(line, "try void"))
        return false;
    apply(r, fits, stays);
    return true;
}

int main(void) {
    struct replay r = {0};
    char line[1024];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (!replay_line(&r, line)) {
            fprintf(stderr, "apply-replay: cannot read: %s\n", line);
            return 2;
        }
    }
    if (r.box) {
        fprintf(stderr, "apply-replay: the last journal has no end\n");
        return 2;
    }
    printf("%lu changes, %lu tries, %lu trees, %lu came out differently\n", r.changes, r.tries, r.states,
           r.bad);
    return r.bad > 0;
}
