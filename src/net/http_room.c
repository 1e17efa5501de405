/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/http_parts.h"

void *http_room_take(struct http *h, size_t *size) {
    struct http_room room = {0};
    if (*size >= HTTP_ROOM_MIN) {
        SCOPE_LOCK(&h->mutex);
        for (size_t i = h->n_rooms; i-- > 0 && !room.p;) {
            if (h->rooms[i].size < *size || h->rooms[i].size / 2 > *size)
                continue;
            room = h->rooms[i];
            h->rooms[i] = h->rooms[--h->n_rooms];
            h->rooms_size -= room.size;
        }
    }
    if (room.p) {
        *size = room.size;
        return room.p;
    }
    return xmalloc(*size);
}

void http_room_give(struct http *h, void *p, size_t size) {
    if (p && size >= HTTP_ROOM_MIN) {
        SCOPE_LOCK(&h->mutex);
        if (h->n_rooms < HTTP_ROOMS && h->rooms_size + size <= HTTP_ROOMS_MAX) {
            h->rooms[h->n_rooms++] = (struct http_room){p, size};
            h->rooms_size += size;
            return;
        }
    }
    free(p);
}

void http_room_drop(struct http *h) {
    struct http_room rooms[HTTP_ROOMS];
    pthread_mutex_lock(&h->mutex);
    size_t n = h->n_rooms;
    memcpy(rooms, h->rooms, n * sizeof *rooms);
    h->n_rooms = h->rooms_size = 0;
    pthread_mutex_unlock(&h->mutex);
    for (size_t i = 0; i < n; i++)
        free(rooms[i].p);
}
