/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "authoriser.h"

struct authoriser {
    pthread_mutex_t mutex;
    /* guarded by it: */
    char *name, *value; /* NULL: everybody */
};

struct authoriser *authoriser_new(void) {
    struct authoriser *a = xcalloc(1, sizeof *a);
    pthread_mutex_init(&a->mutex, NULL);
    return a;
}

void authoriser_free(struct authoriser *a) {
    if (a) {
        free(a->name);
        free(a->value);
        free(a);
    }
}

bool authoriser_want(struct authoriser *a, const char *line) {
    const char *colon = strstr(line, ": ");
    if (*line && (!colon || colon == line || !colon[2]))
        return false;
    SCOPE_LOCK(&a->mutex);
    free(a->name);
    free(a->value);
    a->name = *line ? xstrndup(line, (size_t)(colon - line)) : NULL;
    a->value = *line ? xstrdup(colon + 2) : NULL;
    return true;
}

char *authoriser_name(struct authoriser *a) {
    SCOPE_LOCK(&a->mutex);
    return a->name ? xstrdup(a->name) : NULL;
}

bool authoriser_lets_in(struct authoriser *a, const char *value) {
    SCOPE_LOCK(&a->mutex);
    size_t n = value ? strlen(value) : 0;
    for (const char *p = a->value; p && *p && n; p += strcspn(p, "|"), p += *p == '|')
        if (strcspn(p, "|") == n && !strncmp(p, value, n))
            return true;
    return !a->value;
}
