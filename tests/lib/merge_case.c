/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "merge_case.h"
#include <inttypes.h>
#include <sys/stat.h>

#define TEXT_MAX (1u << 20)

static void parse_record(char type, unsigned mode, const char *text, struct record *ret) {
    uint32_t bits = type == 'd' ? S_IFDIR : type == 'l' ? S_IFLNK : S_IFREG;
    mem_record(ret, bits | mode, !strcmp(text, "-") ? "" : !strcmp(text, "?") ? NULL : text);
}

static void print_record(struct buf *b, uint64_t ino, const struct record *rec) {
    static const uint8_t none[DIGEST_SIZE];
    const char *text = S_ISLNK(rec->mode) ? rec->target : rec->content ? rec->content->key : "-";
    if (rec->content && !memcmp(rec->content->id, none, DIGEST_SIZE))
        text = "?";
    buf_printf(b, "%" PRIu64 " %c %o %s\n", ino,
               S_ISDIR(rec->mode)   ? 'd'
               : S_ISLNK(rec->mode) ? 'l'
                                    : 'f',
               rec->mode & 07777, text);
}

/* "INO TYPE MODE TEXT" or "INO x" into the tree. */
static bool parse_inode(struct mem_tree *t, const char *s) {
    uint64_t ino;
    char type, text[128];
    unsigned mode;
    if (sscanf(s, "%" SCNu64 " %c", &ino, &type) == 2 && type == 'x') {
        mem_tree_set_inode(t, ino, NULL);
        return true;
    }
    if (sscanf(s, "%" SCNu64 " %c %o %127s", &ino, &type, &mode, text) != 4)
        return false;
    CLEANUP_RECORD struct record rec;
    parse_record(type, mode, text, &rec);
    mem_tree_set_inode(t, ino, &rec);
    return true;
}

static bool parse_name(struct mem_tree *t, const char *s) {
    uint64_t parent, ino;
    int at = 0;
    if (sscanf(s, "%" SCNu64 " %" SCNu64 " %n", &parent, &ino, &at) != 2 || !at)
        return false;
    mem_tree_set_name(t, parent, s + at, strlen(s + at), ino);
    return true;
}

/* C's lines come first: the others begin as copies of it. */
static bool parse_tree(struct merge_case *c, const char *line) {
    enum merge_tree which = line[0] == 'C' ? MERGE_C : line[0] == 'V' ? MERGE_V : MERGE_N;
    bool is_inode = !strncmp(line + 2, "inode ", 6);
    if (!is_inode && strncmp(line + 2, "name ", 5))
        return false;
    for (enum merge_tree tree = which; tree <= MERGE_N; tree++) {
        struct mem_tree *t = &c->m.tree[tree];
        if (!(is_inode ? parse_inode(t, line + 8) : parse_name(t, line + 7)))
            return false;
        if (which != MERGE_C)
            break;
    }
    return true;
}

static bool parse_line(struct merge_case *c, const char *line) {
    uint64_t ino;
    if (line[0] && strchr("CVN", line[0]) && line[1] == ' ')
        return parse_tree(c, line);
    if (!strncmp(line, "want ", 5))
        return buf_printf(&c->want, "%s\n", line + 5) == 0;
    if (!strncmp(line, "held ", 5))
        return parse_inode(&c->m.held, line + 5);
    if (sscanf(line, "host %63s", c->host) == 1 || sscanf(line, "case %63s", c->name) == 1)
        return true;
    if (sscanf(line, "next %" SCNu64, &c->m.next_ino) == 1)
        return true;
    if (sscanf(line, "open %" SCNu64, &ino) != 1)
        return false;
    mem_merge_open(&c->m, ino);
    return true;
}

int merge_case_read(FILE *f, struct merge_case *ret) {
    char line[1024];
    bool begun = false;
    *ret = (struct merge_case){.want = BUF_INIT(TEXT_MAX)};
    ret->m.host = ret->host;
    ret->m.date = "DATE";
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        if (!*line || *line == '#')
            continue;
        if (!strcmp(line, "end") && begun)
            return 1;
        begun = true;
        if (!parse_line(ret, line)) {
            fprintf(stderr, "%s: cannot read: %s\n", ret->name, line);
            return -EBADMSG;
        }
    }
    return begun ? -EBADMSG : 0;
}

void merge_case_free(struct merge_case *c) {
    mem_merge_free(&c->m);
    buf_free(&c->want);
}

/* What is held afterwards: what was, less what was let go, and what is new. */
static void print_held(const struct mem_merge *m, const struct merge_result *r, struct buf *b) {
    struct mem_tree held;
    mem_tree_copy(&held, &m->held);
    for (size_t i = 0; i < r->n_released; i++)
        mem_tree_set_inode(&held, r->released[i], NULL);
    for (size_t i = 0; i < r->n_held; i++)
        mem_tree_set_inode(&held, r->held[i].ino, &r->held[i].rec);
    for (size_t i = 0; i < held.n_inodes; i++) {
        buf_append_str(b, "held ");
        print_record(b, held.inodes[i].ino, &held.inodes[i].rec);
    }
    mem_tree_free(&held);
}

static void print_result(const struct mem_merge *m, const struct merge_result *r, struct buf *b) {
    for (size_t i = 0; i < r->n_names; i++)
        buf_printf(b, "name %" PRIu64 " %" PRIu64 " %.*s\n", r->names[i].parent, r->names[i].ino,
                   (int)r->names[i].n, r->names[i].name);
    for (size_t i = 0; i < r->n_inodes; i++) {
        buf_append_str(b, "inode ");
        print_record(b, r->inodes[i].ino, &r->inodes[i].rec);
    }
    for (size_t i = 0; i < r->n_aliases; i++)
        buf_printf(b, "alias %" PRIu64 " %" PRIu64 "\n", r->aliases[i].from, r->aliases[i].to);
    for (size_t i = 0; i < r->n_copies; i++)
        buf_printf(b, "copy %" PRIu64 " %" PRIu64 "\n", r->copies[i].from, r->copies[i].to);
    print_held(m, r, b);
}

int merge_case_run(struct merge_case *c, struct buf *got) {
    struct merge_source src = mem_merge_source(&c->m);
    struct merge_result r;
    int err = merge_run(&src, &r);
    if (err)
        return err;
    struct mem_tree view;
    mem_merge_view(&c->m, &r, &view);
    const char *wrong = mem_tree_wrong(&view);
    print_result(&c->m, &r, got);
    if (wrong)
        buf_printf(got, "%s\n", wrong);
    mem_tree_free(&view);
    merge_result_free(&r);
    return strcmp(buf_str(got), buf_str(&c->want)) == 0 ? 0 : -EBADMSG;
}
