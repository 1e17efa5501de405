/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * merge-replay [FILE...]: runs recorded merges (tests/lib/merge_case.h; standard input without a file) and
 * tells those that come out differently. Exit status 1 if there are any, 2 if a file cannot be read.
 */
#include "merge_case.h"

#define GOT_MAX (1u << 20)

static int replay(FILE *f, const char *file, unsigned long *ret_ran, unsigned long *ret_bad) {
    struct merge_case c;
    int r;
    while ((r = merge_case_read(f, &c)) == 1) {
        CLEANUP_BUF struct buf got = BUF_INIT(GOT_MAX);
        int err = merge_case_run(&c, &got);
        ++*ret_ran;
        if (err) {
            ++*ret_bad;
            printf("%s: case %s: %s\nwanted\n%sgot\n%s", file, c.name, strerror(-err), buf_str(&c.want),
                   buf_str(&got));
        }
        merge_case_free(&c);
    }
    merge_case_free(&c);
    return r;
}

int main(int argc, char **argv) {
    unsigned long ran = 0, bad = 0;
    for (int i = 1; i < MAX(argc, 2); i++) {
        const char *file = argc > 1 ? argv[i] : "standard input";
        FILE *f = argc > 1 ? fopen(file, "re") : stdin;
        if (!f || replay(f, file, &ran, &bad) < 0) {
            fprintf(stderr, "merge-replay: cannot read %s\n", file);
            return 2;
        }
        if (f != stdin)
            fclose(f);
    }
    printf("%lu merges, %lu came out differently\n", ran, bad);
    return bad > 0;
}
