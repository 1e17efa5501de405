/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What server.c, request.c and send.c share.
 */
#ifndef DOUBLE_SERVER_STATE_H
#define DOUBLE_SERVER_STATE_H

#include "server.h"

#include <microhttpd.h>
#include <stdatomic.h>

struct open_connection {
    struct open_connection *prev, *next;
    int socket;
};

struct server {
    struct server_config is;
    unsigned port;
    pthread_mutex_t change; /* held while it goes offline or online; guards daemon and listener */
    struct MHD_Daemon *daemon; /* NULL: offline */
    int listener;              /* offline: bound, and not listening */
    atomic_bool stopping;
    pthread_mutex_t lock; /* guards connections */
    struct open_connection *connections;
};

/* libmicrohttpd's callbacks; cls is the server. */
void *request_started(void *cls, const char *uri, struct MHD_Connection *);
enum MHD_Result request_called(void *cls, struct MHD_Connection *, const char *url, const char *method, const char *version, const char *data,
                               size_t *size, void **own);
void request_ended(void *cls, struct MHD_Connection *, void **own, enum MHD_RequestTerminationCode);

/* Counts it, before the client can see the answer: who has it and asks for the counters finds it there. */
void request_record(struct request *);
/* Sends the answer, with what the plan does to it. */
enum MHD_Result send_answer(struct request *);
/* Resets a connection at once. */
void server_reset_socket(int socket);

#endif
