/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The configuration file of options.h, read by inih.
 */
#include "base/options.h"
#include <ini.h>
#include <stdio.h>

/* What one look for a volume knows, over one or two files. */
struct load {
    struct options *o;
    const char *volume;
    struct buf *why;
    struct buf names; /* of the sections that were seen, for the message when it is none of them */
    char last_name[64];
    bool found;

    const char *path; /* the file being read */
    FILE *f;
    int line;
    int err; /* the first error; `why` has its sentence */
};

#define NAMES_MAX 4096
/* inih keeps 49 bytes of what is between the brackets. */
#define SECTION_MAX (49 + 2)

static void complain(struct load *l, const char *what) {
    if (l->err)
        return;
    buf_printf(l->why, "%s:%d: %s", l->path, l->line, what);
    l->err = -EINVAL;
}

/* A bare `name` becomes `name =`, for flags: inih takes no line without a separator. */
static bool wants_separator(const char *s) {
    return *s && !strchr(";#[", *s) && !strpbrk(s, "=:");
}

/* Reads a line for inih without the white space before it, since inih would take an indented line for more of
 * the value before; and refuses what inih would cut. */
static char *read_line(char *ret, int size, void *stream) {
    struct load *l = stream;
    CLEANUP_FREE char *line = NULL;
    size_t cap = 0;
    ssize_t n = getline(&line, &cap, l->f);
    if (n < 0 || l->err)
        return NULL;
    l->line++;
    bool nul = memchr(line, '\0', (size_t)n);
    const char *s = line + strspn(line, " \t");
    size_t len = strcspn(s, "\r\n");
    line[(size_t)(s - line) + len] = '\0';
    if (nul)
        complain(l, "a NUL byte");
    else if (*s == '[' && len > SECTION_MAX)
        complain(l, "the name of the section is too long (at most 42 bytes)");
    else if (len + 2 > (size_t)size)
        complain(l, "the line is too long (at most 198 bytes; put the rest after -o)");
    else
        snprintf(ret, (size_t)size, "%s%s", s, wants_separator(s) ? "=" : "");
    return l->err ? NULL : ret;
}

static void remember_name(struct load *l, const char *name) {
    if (strcmp(name, l->last_name) == 0)
        return; /* the section goes on */
    snprintf(l->last_name, sizeof l->last_name, "%s", name);
    buf_printf(&l->names, "%s%s", l->names.len > 0 ? ", " : "", name);
}

static void set_option(struct load *l, const char *name, const char *value) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    CLEANUP_FREE char *assignment = *value ? xasprintf("%s=%s", name, value) : xstrdup(name);
    if (options_is_path(name) && *value && *value != '/' && strncmp(value, "~/", 2) != 0)
        buf_printf(&why, "%s: the path must be absolute or begin with ~/", assignment);
    else if (options_set(l->o, assignment, &why) == 0)
        return;
    complain(l, buf_str(&why));
}

static void set_url(struct load *l, const char *value) {
    if (!strstr(value, "://")) {
        complain(l, "url must be an URL such as file:///srv/bucket");
        return;
    }
    free(l->o->url);
    l->o->url = xstrdup(value);
}

/* inih's handler: 0 on an error. */
static int handle(void *user, const char *section, const char *name, const char *value) {
    struct load *l = user;
    const char *volume = strncmp(section, "volume ", 7) == 0 ? section + 7 + strspn(section + 7, " \t") : "";
    if (!*volume) {
        complain(l, "expected a section [volume NAME] above this line");
        return 0;
    }
    remember_name(l, volume);
    if (strcmp(volume, l->volume) == 0) {
        l->found = true;
        if (strcmp(name, "url") == 0)
            set_url(l, value);
        else
            set_option(l, name, value);
    }
    return l->err == 0;
}

/* -ENOENT: no such file. */
static int load_file(struct load *l, const char *path) {
    l->path = path;
    l->line = 0;
    l->f = fopen(path, "re");
    if (!l->f)
        return -errno;
    int r = ini_parse_stream(read_line, l, handle, l);
    if (!l->err && ferror(l->f)) {
        buf_printf(l->why, "%s: cannot be read", path);
        l->err = -EINVAL;
    }
    fclose(l->f);
    if (r > 0 && !l->err) {
        l->line = r;
        complain(l, "neither [volume NAME] nor \"name = value\"");
    }
    return l->err;
}

char *options_user_file(void) {
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (config && *config == '/')
        return xasprintf("%s/assetfs/assetfs.conf", config);
    if (home && *home == '/')
        return xasprintf("%s/.config/assetfs/assetfs.conf", home);
    return NULL;
}

static int load_files(struct load *l, const char *conf) {
    CLEANUP_FREE char *user = options_user_file();
    const char *paths[] = {conf ? conf : "/etc/assetfs/assetfs.conf", conf ? NULL : user};
    for (size_t i = 0; i < ARRAY_SIZE(paths) && paths[i]; i++) {
        int r = load_file(l, paths[i]);
        if (r == -EINVAL)
            return r;
        if (r < 0 && (conf || r != -ENOENT)) {
            buf_printf(l->why, "%s: %s", paths[i], strerrordesc_np(-r));
            return -EINVAL;
        }
    }
    return 0;
}

static int no_such_volume(struct load *l) {
    buf_printf(l->why, "no volume \"%s\" in the configuration (", l->volume);
    if (l->names.len > 0)
        buf_printf(l->why, "it has: %s)", buf_str(&l->names));
    else
        buf_append_str(l->why, "it has none)");
    if (l->volume[0] == '/')
        buf_printf(l->why, "; a directory is written file://%s", l->volume);
    return -ENOENT;
}

int options_load(struct options *o, const char *conf, const char *volume, struct buf *why) {
    free(o->volume);
    o->volume = xstrdup(volume);
    if (strstr(volume, "://")) {
        free(o->url);
        o->url = xstrdup(volume);
        return 0;
    }
    struct load l = {.o = o, .volume = volume, .why = why, .names = BUF_INIT(NAMES_MAX)};
    int r = load_files(&l, conf);
    if (r == 0 && !l.found)
        r = no_such_volume(&l);
    if (r == 0 && !o->url) {
        buf_printf(why, "[volume %s] in the configuration has no \"url =\"", volume);
        r = -EINVAL;
    }
    buf_free(&l.names);
    return r;
}
