/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/volume_areas.h"
#include "fs/control.h"
#include "fs/volume.h"
#include "net/url.h"

struct list {
    struct areas *areas;
    bool wrong; /* a line that is none: another version's daemon */
};

/* "text PATH WORDS" */
static void on_line(void *arg, const char *line) {
    struct list *l = arg;
    CLEANUP_BUF struct buf why = BUF_INIT(65536);
    struct area area = {0};
    if (strncmp(line, "text ", 5) != 0)
        return;
    line += 5;
    const char *words = line + strcspn(line, " ");
    CLEANUP_FREE char *quoted = xstrndup(line, (size_t)(words - line));
    CLEANUP_FREE char *text = url_decode(quoted);
    CLEANUP_FREE char *path = text ? area_path(text, &why) : NULL;
    words += *words == ' ';
    if (path && area_parse(path, words, &area, &why) == 0)
        areas_put(l->areas, &area);
    else
        l->wrong = true;
    area_free(&area);
}

/* By the state directory that a mount with these options has: another volume of the same name, of another
 * configuration, has another one. */
static int find_socket(const struct options *opt, char **ret) {
    CLEANUP_BUF struct buf why = BUF_INIT(65536);
    CLEANUP_FREE char *dir = NULL;
    struct volume v;
    int r = volume_recall(opt, &v);
    if (r < 0)
        return r;
    r = volume_state_path(&v, opt, &dir, &why);
    volume_free(&v);
    if (r == 0)
        *ret = xasprintf("%s/control", dir);
    return r;
}

int volume_areas(const struct options *opt, struct areas *ret) {
    CLEANUP_FREE char *socket = NULL;
    CLEANUP_BUF struct buf answer = BUF_INIT(1 << 16);
    struct list list = {.areas = ret};
    *ret = (struct areas){0};
    int r = find_socket(opt, &socket);
    if (r == 0)
        r = control_ask(socket, "area list", on_line, &list, &answer);
    if (r == 0 && !list.wrong && answer.len >= 4 && !memcmp(answer.data, "done", 4))
        return 0;
    areas_free(ret);
    *ret = (struct areas){0};
    return -ENOENT;
}
