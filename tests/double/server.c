/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server_state.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <utlist.h>

/* Headers of a request and pieces of its body: large pieces are fewer writes. */
#define CONNECTION_MEMORY ((size_t)256 << 10)
#define CONNECTIONS_MAX 4096u

/* ---- connections ---- */

static void connection_notify(void *cls, struct MHD_Connection *connection, void **own,
                              enum MHD_ConnectionNotificationCode what) {
    struct server *s = cls;
    struct open_connection *c = *own;
    SCOPE_LOCK(&s->lock);
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *own = c = xcalloc(1, sizeof *c);
        c->socket = info->connect_fd;
        DL_APPEND(s->connections, c);
    } else if (c) {
        DL_DELETE(s->connections, c);
        free(c);
        *own = NULL;
    }
}

/* Disconnecting a TCP socket by connecting it to nothing sends a reset, and leaves the descriptor to its
 * owner. */
void server_reset_socket(int socket) {
    struct sockaddr nothing = {.sa_family = AF_UNSPEC};
    if (connect(socket, &nothing, sizeof nothing) < 0)
        shutdown(socket, SHUT_RDWR);
}

static void reset_connections(struct server *s) {
    SCOPE_LOCK(&s->lock);
    struct open_connection *c;
    DL_FOREACH (s->connections, c) {
        server_reset_socket(c->socket);
    }
}

/* ---- listening ---- */

static int bind_loopback(unsigned port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    close(fd);
    return -1;
}

/* What is sent is compared with what was signed byte for byte: nothing is unescaped here. */
static size_t unescape_nothing(void *cls, struct MHD_Connection *connection, char *s) {
    (void)cls, (void)connection;
    return strlen(s);
}

static bool start(struct server *s) {
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
                     MHD_USE_ITC | MHD_USE_SUPPRESS_DATE_NO_CLOCK | (s->is.cert ? (unsigned)MHD_USE_TLS : 0);
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)s->is.cert},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)s->is.key},
        {MHD_OPTION_END, 0, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    if (s->is.priorities)
        tls[2] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)s->is.priorities};
    if (!s->is.cert)
        tls[0].option = MHD_OPTION_END;
    if (listen(s->listener, 1024) < 0)
        return false;
    atomic_store(&s->stopping, false);
    s->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, request_called, s, MHD_OPTION_LISTEN_SOCKET, s->listener,
        MHD_OPTION_URI_LOG_CALLBACK, request_started, s, MHD_OPTION_NOTIFY_COMPLETED, request_ended, s,
        MHD_OPTION_NOTIFY_CONNECTION, connection_notify, s, MHD_OPTION_UNESCAPE_CALLBACK, unescape_nothing, s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
        MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    return s->daemon != NULL;
}

/* Joins its threads. The port is left as a socket that is bound and refuses. */
static void stop(struct server *s) {
    if (!s->daemon)
        return;
    int fd = MHD_quiesce_daemon(s->daemon);
    atomic_store(&s->stopping, true);
    reset_connections(s);
    MHD_stop_daemon(s->daemon);
    s->daemon = NULL;
    if (fd >= 0)
        close(fd);
    s->listener = bind_loopback(s->port);
}

struct server *server_new(const struct server_config *config, unsigned port) {
    struct server *s = xcalloc(1, sizeof *s);
    s->is = *config;
    pthread_mutex_init(&s->change, NULL);
    pthread_mutex_init(&s->lock, NULL);
    struct sockaddr_in at;
    socklen_t n = sizeof at;
    s->listener = bind_loopback(port);
    if (s->listener < 0 || getsockname(s->listener, (struct sockaddr *)&at, &n) < 0 || !start(s)) {
        fprintf(stderr, "assetfs-double: cannot serve at 127.0.0.1:%u: %s\n", port, strerror(errno));
        server_free(s);
        return NULL;
    }
    s->port = ntohs(at.sin_port);
    return s;
}

void server_free(struct server *s) {
    if (!s)
        return;
    stop(s);
    if (s->listener >= 0)
        close(s->listener);
    pthread_mutex_destroy(&s->change);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void server_offline(struct server *s) {
    SCOPE_LOCK(&s->change);
    stop(s);
}

void server_online(struct server *s) {
    SCOPE_LOCK(&s->change);
    if (!s->daemon && (s->listener < 0 || !start(s))) {
        fprintf(stderr, "assetfs-double: cannot serve at 127.0.0.1:%u again: %s\n", s->port, strerror(errno));
        abort();
    }
}

unsigned server_port(const struct server *s) {
    return s->port;
}

const char *server_scheme(const struct server *s) {
    return s->is.cert ? "https" : "http";
}

char *server_url(const struct server *s) {
    return xasprintf("%s://127.0.0.1:%u", server_scheme(s), s->port);
}

void *server_arg(const struct server *s) {
    return s->is.service->arg;
}

struct tally *server_tally(const struct server *s) {
    return s->is.tally;
}
