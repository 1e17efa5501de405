/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * AWS's shared files, as text and as a profile.
 */
#include "fuzz_main.h"
#include "net/aws_config.h"
#include "net/credentials_files.h"
#include <sys/mman.h>

struct text {
    const char *p;
    size_t n;
    unsigned line; /* of the last setting */
};

static void must_be_inside(const struct text *t, struct aws_slice s) {
    MUST(s.len == 0 || (s.p >= t->p && s.p + s.len <= t->p + t->n));
    MUST(s.len == 0 || (!memchr(s.p, '\n', s.len) && !memchr(s.p, '\0', s.len)));
}

static void check_setting(void *arg, const struct aws_setting *s) {
    struct text *t = arg;
    must_be_inside(t, s->section);
    must_be_inside(t, s->name);
    must_be_inside(t, s->sub);
    must_be_inside(t, s->value);
    MUST(s->section.len > 0 && s->line > t->line);
    MUST(s->name.p || (!s->sub.p && !s->value.p));
    (void)aws_config_in_section(s, "profile", "x");
    t->line = s->line;
}

static void fuzz_text(const uint8_t *p, size_t n) {
    struct text t = {.p = (const char *)p, .n = n};
    unsigned line = 0;
    if (aws_config_parse(t.p, n, check_setting, &t, &line) < 0)
        MUST(line > t.line);
    else
        MUST(line == 0);
}

/* Both files are these bytes. */
static void fuzz_profile(const uint8_t *p, size_t n, const char *name) {
    CLEANUP_CLOSE int fd = memfd_create("aws_config-fuzz", MFD_CLOEXEC);
    CLEANUP_FREE char *path = xasprintf("/proc/self/fd/%d", fd);
    const char *const paths[AWS_FILES] = {path, path};
    MUST(fd >= 0 && write(fd, p, n) == (ssize_t)n);
    struct aws_profile *profile = aws_profile_load(paths, name, 0);
    for (int i = 0; i < AWS_FILES; i++) {
        MUST(profile->file[i].err == 0 || (profile->file[i].err == -EBADMSG && profile->file[i].line > 0));
        for (int k = 0; k < AWS_SETTINGS; k++) {
            const char *value = profile->file[i].value[k];
            MUST(!value || (*value && profile->file[i].found));
        }
    }
    aws_profile_free(profile);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    fuzz_text(p, n);
    fuzz_profile(p, n, "default");
    fuzz_profile(p, n, "x");
    return 0;
}
