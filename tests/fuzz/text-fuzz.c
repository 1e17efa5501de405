/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What people type, and names of files in a directory bucket: options, sizes, times, recovery codes, paths.
 */
#include "base/options.h"
#include "base/past.h"
#include "base/seal.h"
#include "base/units.h"
#include "base/utf8.h"
#include "base/volume_key.h"
#include "fuzz_main.h"
#include "store/key_path.h"

static void fuzz_options(const char *text) {
    struct options opt;
    CLEANUP_BUF struct buf why = BUF_INIT(1 << 20);
    options_init(&opt);
    int r = options_set_list(&opt, text, &why);
    MUST(r == 0 || why.len > 0); /* an error is explained */
    if (r == 0)
        (void)!options_check(&opt, &why);
    options_free(&opt);
}

static void fuzz_numbers(const char *text) {
    uint64_t size;
    int64_t ns, time, again;
    char room[UNITS_SIZE];
    if (size_parse(text, &size) == 0)
        size_format(size, room);
    if (duration_parse(text, &ns) == 0)
        duration_format(ns, room);
    struct past past;
    CLEANUP_BUF struct buf why = BUF_INIT(1 << 20);
    MUST((past_parse(text, &past, &why) < 0) == (why.len > 0));
    if (time_parse(text, &time) == 0 && time_parse(time_format(time, room), &again) == 0)
        MUST(time / 1000000000 == again / 1000000000);
}

static void fuzz_code(const char *text) {
    uint8_t key[SEAL_KEY_SIZE], again[SEAL_KEY_SIZE];
    char code[VOLUME_KEY_CODE_SIZE];
    if (volume_key_parse(text, key) < 0)
        return;
    volume_key_code(key, code);
    MUST(volume_key_parse(code, again) == 0 && memcmp(key, again, sizeof key) == 0);
}

/* One path a key, one key a path. */
static void fuzz_path(const char *text) {
    CLEANUP_FREE char *path = key_path_encode(text);
    CLEANUP_FREE char *key = path ? key_path_decode(path) : NULL;
    CLEANUP_FREE char *other = key_path_decode(text);
    CLEANUP_FREE char *back = other ? key_path_encode(other) : NULL;
    if (path)
        MUST(key && strcmp(key, text) == 0);
    if (other)
        MUST(back && strcmp(back, text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    CLEANUP_FREE char *text = xstrndup((const char *)p, n);
    utf8_valid(p, n);
    fuzz_options(text);
    fuzz_numbers(text);
    fuzz_code(text);
    fuzz_path(text);
    return 0;
}
