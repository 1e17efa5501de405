/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/name_kind.h"
#include <ctype.h>
#include <fnmatch.h>

#define ANY "[0-9A-Za-z]"
#define ANY6 ANY ANY ANY ANY ANY ANY
#define LETTER "[A-Za-z]"
#define LETTER6 LETTER LETTER LETTER LETTER LETTER LETTER
#define HEX "[0-9A-F]"
#define HEX8 HEX HEX HEX HEX HEX HEX HEX HEX
#define ANY_HEX "[0-9A-Fa-f]"
#define ANY_HEX8 ANY_HEX ANY_HEX ANY_HEX ANY_HEX ANY_HEX ANY_HEX ANY_HEX ANY_HEX

/* A pattern may fit what a person would write; then the characters that a program drew must look drawn. */
enum looks {
    LOOKS_ANY,
    LOOKS_MIXED, /* a capital letter behind a small one in the extension: AbCdEf, not Sketch */
    LOOKS_HEX,   /* letters and digits: 4F2A91C0, not 20240115 */
};

/* Temporary names. `front` and `back` bytes away, what is left is the name that is meant. The first that fits counts. */
static const struct temporary {
    const char *pattern;
    unsigned char front, back;
    enum looks looks;
} temporaries[] = {
    /* rsync: .NAME.XXXXXX, also Chrome's .com.google.Chrome.XXXXXX; --delay-updates, --partial-dir as its manual suggests it */
    {".?*." ANY6, 1, 7, LOOKS_ANY},
    {".~tmp~", 0, 0, LOOKS_ANY},
    {".rsync-partial", 0, 0, LOOKS_ANY},
    {".rsync-tmp", 0, 0, LOOKS_ANY},
    /* GLib (Nautilus, gedit and `gio copy` over a file that is there); Thunar */
    {".goutputstream-" ANY6, 15, 6, LOOKS_ANY},
    {"?*.partial~", 0, 9, LOOKS_ANY},
    /* Qt and KDE: NAME.XXXXXX, letters only */
    {"?*." LETTER6, 0, 7, LOOKS_MIXED},
    /* vim: swap file, and the file it tries a directory with; neovim and nano make the same */
    {".?*.sw[a-px]", 1, 4, LOOKS_ANY},
    {".sw[a-p]", 0, 0, LOOKS_ANY},
    {"4913", 0, 0, LOOKS_ANY},
    /* vim, emacs, gedit, kate, joe: the version before; cp --backup=numbered */
    {"?*.~[0-9]*~", 0, 0, LOOKS_ANY},
    {"?*~", 0, 1, LOOKS_ANY},
    /* emacs: auto-save. (Its .#NAME is a lock: shared, as those of office programs are.) */
    {"#?*#", 1, 1, LOOKS_ANY},
    {".?*.kate-swp", 1, 9, LOOKS_ANY},
    /* browsers and download managers: Firefox, KDE, yt-dlp; Chrome and Edge; Safari; Opera; the old Edge; WinSCP */
    {"?*.part", 0, 5, LOOKS_ANY},
    {"?*.crdownload", 0, 11, LOOKS_ANY},
    {"?*.download", 0, 9, LOOKS_ANY},
    {"?*.opdownload", 0, 11, LOOKS_ANY},
    {"?*.partial", 0, 8, LOOKS_ANY},
    {"?*.filepart", 0, 9, LOOKS_ANY},
    /* Syncthing; then LibreOffice's lu*.tmp, Word's ~WRD0001.tmp, Photoshop's ~PST0001.tmp, and everybody's NAME.tmp */
    {".syncthing.?*.tmp", 11, 4, LOOKS_ANY},
    {"?*.tmp", 0, 4, LOOKS_ANY},
    {"?*.TMP", 0, 4, LOOKS_ANY},
    {"Photoshop Temp?*", 0, 0, LOOKS_ANY},
    /* Excel, through Samba */
    {HEX8, 0, 0, LOOKS_HEX},
    /* macOS, through Samba: the file, or the directory it is made in */
    {"?*.sb-" ANY_HEX8 "-" ANY6, 0, 19, LOOKS_ANY},
    {"(A Document Being Saved By *)*", 0, 0, LOOKS_ANY},
    /* git: what an object, a pack or an index is written as */
    {"tmp_obj_" ANY6, 0, 0, LOOKS_ANY},
    {"tmp_pack_" ANY6, 0, 0, LOOKS_ANY},
    {"tmp_idx_" ANY6, 0, 0, LOOKS_ANY},
    {"tmp_rev_" ANY6, 0, 0, LOOKS_ANY},
};

struct patterns {
    char **v;
    size_t n;
};

struct name_rules {
    struct patterns temporary, local;
};

static void split(const char *list, struct patterns *ret) {
    if (!list || !strcmp(list, "none"))
        return;
    while (*list) {
        size_t n = strcspn(list, ":");
        if (n > 0) {
            ret->v = xrealloc(ret->v, (ret->n + 1) * sizeof *ret->v);
            ret->v[ret->n++] = xstrndup(list, n);
        }
        list += n + (list[n] == ':');
    }
}

static void free_patterns(struct patterns *p) {
    for (size_t i = 0; i < p->n; i++)
        free(p->v[i]);
    free(p->v);
}

struct name_rules *name_rules_new(const char *temporary, const char *local_only) {
    struct name_rules *r = xcalloc(1, sizeof *r);
    split(temporary, &r->temporary);
    split(local_only, &r->local);
    return r;
}

struct name_rules *name_rules_free(struct name_rules *r) {
    if (r) {
        free_patterns(&r->temporary);
        free_patterns(&r->local);
        free(r);
    }
    return NULL;
}

static bool fits_any(const struct patterns *p, const char *name, int flags) {
    for (size_t i = 0; i < p->n; i++)
        if (fnmatch(p->v[i], name, flags) == 0)
            return true;
    return false;
}

static bool looks_mixed(const char *name) {
    for (const char *p = strrchr(name, '.') + 1; p[0] && p[1]; p++)
        if (islower((unsigned char)p[0]) && isupper((unsigned char)p[1]))
            return true;
    return false;
}

static bool looks_drawn(const char *name, enum looks looks) {
    if (looks == LOOKS_MIXED)
        return looks_mixed(name);
    return looks != LOOKS_HEX || (strpbrk(name, "0123456789") && strpbrk(name, "ABCDEF"));
}

static const struct temporary *find_temporary(const char *name) {
    for (size_t i = 0; i < ARRAY_SIZE(temporaries); i++)
        if (fnmatch(temporaries[i].pattern, name, 0) == 0 && looks_drawn(name, temporaries[i].looks))
            return &temporaries[i];
    return NULL;
}

/* As a string; false for what is no name. */
static bool copy_name(const char *name, size_t n, char ret[256]) {
    if (n < 1 || n > 255)
        return false;
    memcpy(ret, name, n);
    ret[n] = 0;
    return true;
}

enum name_kind name_kind(const struct name_rules *r, const char *name, size_t n) {
    char text[256];
    if (!r || !copy_name(name, n, text))
        return NAME_FINAL;
    if (fits_any(&r->local, text, FNM_CASEFOLD))
        return NAME_LOCAL;
    return find_temporary(text) || fits_any(&r->temporary, text, 0) ? NAME_TEMPORARY : NAME_FINAL;
}

void name_meant(const struct name_rules *r, const char *name, size_t n, const char **ret, size_t *ret_n) {
    char text[256];
    const struct temporary *t = r && copy_name(name, n, text) ? find_temporary(text) : NULL;
    *ret = name;
    *ret_n = n;
    if (t && (size_t)t->front + t->back < n) {
        *ret = name + t->front;
        *ret_n = n - t->front - t->back;
    }
}
