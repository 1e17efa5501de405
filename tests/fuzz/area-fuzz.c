/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Rules of areas. An input that begins with 'r' is text as `assetfs area set` sends it, one with 'p' a path; everything else is the value of area/PATH as another host may have put it.
 */
#include "fuzz_main.h"
#include "tree/area.h"

/* What was taken can be written, read again, and used. */
static void use(const struct area *a) {
    static const uint8_t id[DIGEST_SIZE] = {1, 2, 3};
    CLEANUP_BUF struct buf bytes = BUF_INIT(1 << 20), text = BUF_INIT(1 << 20), json = BUF_INIT(1 << 20), why = BUF_INIT(1 << 20);
    CLEANUP_AREA struct area again = {0}, from_text = {0};
    area_encode(a, &bytes);
    area_words(a, &text);
    area_json(a, &json);
    MUST(!bytes.err && !text.err && !json.err);
    if (bytes.len <= AREA_RULE_MAX) {
        MUST(area_decode(a->path, bytes.data, bytes.len, &again) == 0);
        MUST(area_equal(a, &again));
    }
    keep_unref(area_keep(a, "text/html"));
    if (area_check(a, ".assetfs", NULL, "no key", &why) < 0) {
        MUST(why.len > 0);
        return;
    }
    MUST(area_parse(a->path, buf_str(&text), &from_text, &why) == 0);
    MUST(area_equal(a, &from_text));
    CLEANUP_FREE char *key = area_key_make(area_template(a), a->path, id, ".jpg", 1);
    CLEANUP_FREE char *room = area_key_room(area_template(a), a->path);
    MUST(*key && *key != '/' && strlen(key) <= AREA_KEY_MAX);
    MUST(!strncmp(key, room, strlen(room)));
    MUST(area_key_fits(area_template(a), a->path, key, id, ".jpg"));
    MUST(strncmp(key, ".assetfs/", 9) != 0);
}

static void take_path(const char *text) {
    CLEANUP_BUF struct buf why = BUF_INIT(1 << 20);
    CLEANUP_FREE char *path = area_path(text, &why);
    if (!path) {
        MUST(why.len > 0);
        return;
    }
    CLEANUP_FREE char *again = area_path(path, &why);
    MUST(again && !strcmp(path, again));
    MUST(*path != '/' && !strstr(path, "//") && strlen(path) <= AREA_PATH_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    CLEANUP_AREA struct area a = {0};
    CLEANUP_BUF struct buf why = BUF_INIT(1 << 20);
    CLEANUP_FREE char *text = n ? xstrndup((const char *)p + 1, n - 1) : xstrdup("");
    if (n && *p == 'p') {
        take_path(text);
    } else if (n && *p == 'r') {
        if (area_parse("public", text, &a, &why) == 0)
            use(&a);
        else
            MUST(why.len > 0);
    } else if (area_decode("public", p, n, &a) == 0) {
        use(&a);
    }
    return 0;
}
