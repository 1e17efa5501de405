/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/control.h"
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#define MAX_CLIENTS 16
#define MAX_REQUEST 32768 /* the rule of an area, quoted */
#define PATIENCE_S 10 /* with a client that neither reads nor writes */
#define FUSE_MAGIC 0x65735546

struct control {
    control_handler handler;
    void *arg;
    char *path;
    ino_t ino; /* of the socket's file: a later one under the same name is not ours to remove */
    int listener, stop;
    pthread_t acceptor;

    pthread_mutex_t mutex;
    pthread_cond_t idle;      /* n_clients became 0 */
    bool stopping;            /* guarded by mutex */
    unsigned n_clients;       /* guarded by mutex */
    int clients[MAX_CLIENTS]; /* guarded by mutex; -1: free place */
};

struct control_reply {
    struct control *control;
    int fd, place;
    bool gone;
};

/* A socket's name holds 107 bytes, a state directory's path can be longer: then it is named through a
 * descriptor of its directory (*ret_dir, to be closed after use). */
static int make_address(const char *path, struct sockaddr_un *ret, int *ret_dir) {
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    *ret_dir = -1;
    if (strlen(path) < sizeof ret->sun_path) {
        strcpy(ret->sun_path, path);
        return 0;
    }
    const char *slash = strrchr(path, '/');
    if (!slash)
        return -ENAMETOOLONG;
    CLEANUP_FREE char *dir = xstrndup(path, (size_t)(slash - path));
    *ret_dir = open(*dir ? dir : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*ret_dir < 0)
        return -errno;
    int n = snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/%s", *ret_dir, slash + 1);
    return n < (int)sizeof ret->sun_path ? 0 : -ENAMETOOLONG;
}

static void set_patience(int fd) {
    struct timeval t = {.tv_sec = PATIENCE_S};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
}

/* A connected descriptor, or a negative errno. */
static int dial(const char *path) {
    struct sockaddr_un address;
    CLEANUP_CLOSE int dir = -1;
    int r = make_address(path, &address, &dir);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    do
        r = connect(fd, (struct sockaddr *)&address, sizeof address);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return -errno;
    set_patience(fd);
    return steal_fd(&fd);
}

static int send_all(int fd, const void *p, size_t n) {
    for (const char *s = p; n > 0;) {
        ssize_t r = send(fd, s, n, MSG_NOSIGNAL);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        s += r;
        n -= (size_t)r;
    }
    return 0;
}

bool control_say(struct control_reply *reply, const char *fmt, ...) {
    if (reply->gone)
        return false;
    char *line;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&line, fmt, ap);
    va_end(ap);
    if (n < 0) {
        reply->gone = true;
        return false;
    }
    for (char *c = line; (c = strchr(c, '\n'));)
        *c = ' ';
    line[n] = '\n'; /* instead of the NUL, which send_all() does not need */
    reply->gone = send_all(reply->fd, line, (size_t)n + 1) < 0;
    free(line);
    return !reply->gone;
}

/* Reads up to the first line feed; false when none comes in time. */
bool control_wait(struct control_reply *reply, int ms) {
    struct pollfd fd = {.fd = reply->fd, .events = POLLRDHUP};
    if (!reply->gone && poll(&fd, 1, ms) > 0)
        reply->gone = true;
    return !reply->gone;
}

static bool read_request(int fd, char ret[MAX_REQUEST]) {
    struct timeval t = {.tv_sec = PATIENCE_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    for (size_t n = 0; n < MAX_REQUEST;) {
        ssize_t r = recv(fd, ret + n, MAX_REQUEST - n, 0);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return false;
        char *end = memchr(ret + n, '\n', (size_t)r);
        if (end) {
            *end = '\0';
            return true;
        }
        n += (size_t)r;
    }
    return false;
}

static void *serve_client(void *arg) {
    struct control_reply *reply = arg;
    struct control *c = reply->control;
    char request[MAX_REQUEST];
    if (read_request(reply->fd, request))
        c->handler(c->arg, request, reply);
    else
        control_say(reply, "error that is not a request");

    SCOPE_LOCK(&c->mutex);
    c->clients[reply->place] =
        -1; /* before close(): control_free() must not meet the number in other hands */
    close(reply->fd);
    free(reply);
    if (--c->n_clients == 0)
        pthread_cond_broadcast(&c->idle);
    return NULL;
}

/* A place for a client, or -1: all are taken, or the end has begun. */
static int take_place(struct control *c, int fd) {
    SCOPE_LOCK(&c->mutex);
    for (int i = 0; i < MAX_CLIENTS && !c->stopping; i++) {
        if (c->clients[i] < 0) {
            c->clients[i] = fd;
            c->n_clients++;
            return i;
        }
    }
    return -1;
}

static void give_place_back(struct control *c, int place) {
    SCOPE_LOCK(&c->mutex);
    c->clients[place] = -1;
    if (--c->n_clients == 0)
        pthread_cond_broadcast(&c->idle);
}

static void start_client(struct control *c, int fd) {
    set_patience(fd);
    struct control_reply *reply = xcalloc(1, sizeof *reply);
    *reply = (struct control_reply){.control = c, .fd = fd, .place = take_place(c, fd)};
    pthread_t thread;
    if (reply->place >= 0 && pthread_create(&thread, NULL, serve_client, reply) == 0) {
        pthread_detach(thread);
        return;
    }
    if (reply->place >= 0)
        give_place_back(c, reply->place);
    control_say(reply, "error too many commands at once; try again");
    close(fd);
    free(reply);
}

static void *accept_clients(void *arg) {
    struct control *c = arg;
    struct pollfd fds[] = {{.fd = c->listener, .events = POLLIN}, {.fd = c->stop, .events = POLLIN}};
    for (;;) {
        if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
            continue; /* EINTR */
        if (fds[1].revents)
            return NULL;
        int fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            start_client(c, fd);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
            poll(&fds[1], 1, 100); /* the client stays in the queue; do not spin over it */
    }
}

/* A socket nobody listens on is left by a daemon that was killed. */
static int remove_stale(const char *path) {
    CLEANUP_CLOSE int fd = dial(path);
    if (fd >= 0)
        return -EADDRINUSE;
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* Nobody can connect before listen(), so the mode is right before it matters. */
static int bind_socket(const char *path, ino_t *ret_ino) {
    struct sockaddr_un address;
    struct stat st;
    CLEANUP_CLOSE int dir = -1, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int r = make_address(path, &address, &dir);
    if (r < 0)
        return r;
    r = remove_stale(path);
    if (r < 0)
        return r;
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return -errno;
    if (chmod(path, 0600) < 0 || lstat(path, &st) < 0 || listen(fd, MAX_CLIENTS) < 0) {
        r = -errno;
        unlink(path);
        return r;
    }
    *ret_ino = st.st_ino;
    return steal_fd(&fd);
}

int control_listen(const char *path, control_handler handler, void *arg, struct control **ret) {
    ino_t ino;
    CLEANUP_CLOSE int listener = bind_socket(path, &ino);
    if (listener < 0)
        return listener;
    CLEANUP_CLOSE int stop = eventfd(0, EFD_CLOEXEC);
    struct control *c = xcalloc(1, sizeof *c);
    *c = (struct control){.handler = handler,
                          .arg = arg,
                          .path = xstrdup(path),
                          .ino = ino,
                          .listener = listener,
                          .stop = stop};
    pthread_mutex_init(&c->mutex, NULL);
    pthread_cond_init(&c->idle, NULL);
    for (size_t i = 0; i < MAX_CLIENTS; i++)
        c->clients[i] = -1;
    int r = stop < 0 ? -errno : -pthread_create(&c->acceptor, NULL, accept_clients, c);
    if (r < 0) {
        unlink(path);
        free(c->path);
        free(c);
        return r;
    }
    steal_fd(&listener);
    steal_fd(&stop);
    *ret = c;
    return 0;
}

static void break_off_clients(struct control *c) {
    SCOPE_LOCK(&c->mutex);
    c->stopping = true;
    for (size_t i = 0; i < MAX_CLIENTS; i++)
        if (c->clients[i] >= 0)
            shutdown(c->clients[i], SHUT_RDWR);
    while (c->n_clients > 0)
        pthread_cond_wait(&c->idle, &c->mutex);
}

struct control *control_free(struct control *c) {
    if (!c)
        return NULL;
    struct stat st;
    if (lstat(c->path, &st) == 0 && st.st_ino == c->ino)
        unlink(c->path);
    uint64_t one = 1;
    while (write(c->stop, &one, sizeof one) < 0 && errno == EINTR)
        ;
    pthread_join(c->acceptor, NULL);
    break_off_clients(c);
    close(c->listener);
    close(c->stop);
    pthread_cond_destroy(&c->idle);
    pthread_mutex_destroy(&c->mutex);
    free(c->path);
    free(c);
    return NULL;
}

static bool is_last(const char *line) {
    static const char *const words[] = {"done", "left", "error"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        size_t n = strlen(words[i]);
        if (strncmp(line, words[i], n) == 0 && (line[n] == '\0' || line[n] == ' '))
            return true;
    }
    return false;
}

static int read_answer(FILE *f, void (*each)(void *arg, const char *line), void *arg, struct buf *ret) {
    CLEANUP_FREE char *line = NULL;
    size_t cap = 0;
    for (;;) {
        ssize_t n = getline(&line, &cap, f);
        if (n <= 0 || line[n - 1] != '\n')
            return -EPIPE;
        line[n - 1] = '\0';
        if (is_last(line))
            return buf_append(ret, line, (size_t)n - 1);
        if (each)
            each(arg, line);
    }
}

int control_ask(const char *path, const char *request, void (*each)(void *arg, const char *line), void *arg,
                struct buf *ret) {
    CLEANUP_CLOSE int fd = dial(path);
    if (fd < 0)
        return fd;
    CLEANUP_FREE char *line = xasprintf("%s\n", request);
    int r = send_all(fd, line, strlen(line));
    if (r < 0 && r != -EPIPE)
        return r; /* EPIPE: it may have said why before it hung up */
    FILE *f = fdopen(fd, "re");
    if (!f)
        return -errno;
    steal_fd(&fd);
    r = read_answer(f, each, arg, ret);
    fclose(f);
    return r;
}

int control_pidfd(const char *path) {
    CLEANUP_CLOSE int fd = dial(path);
    if (fd < 0)
        return fd;
    struct ucred peer;
    socklen_t n = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
        return -errno;
    if (peer.pid <= 0)
        return -ESRCH; /* in another PID namespace */
    int pidfd = pidfd_open(peer.pid, 0);
    return pidfd < 0 ? -errno : pidfd;
}

static int read_xattr(const char *path, char **ret) {
    char value[PATH_MAX];
    ssize_t n = getxattr(path, "user.assetfs.control", value, sizeof value - 1);
    if (n < 0)
        return errno == EOPNOTSUPP ? -ENODATA : -errno;
    if (n == 0 || value[0] != '/')
        return -ENODATA;
    *ret = xstrndup(value, (size_t)n);
    return 0;
}

/* Cuts the last segment off; false at the root of a file system. */
static bool go_up(char *path, dev_t dev) {
    char *slash = strrchr(path, '/');
    struct stat st;
    if (!slash || !slash[1])
        return false;
    slash[slash == path] = '\0';
    return stat(path, &st) == 0 && st.st_dev == dev;
}

/* Any file may carry an xattr of that name; only a FUSE file system's own answer counts. */
int control_find(const char *path, char **ret) {
    CLEANUP_FREE char *at = realpath(path, NULL);
    struct statfs fs;
    struct stat st;
    if (!at || stat(at, &st) < 0 || statfs(at, &fs) < 0)
        return errno == ECONNABORTED ? -ENOTCONN : -errno;
    if ((uint32_t)fs.f_type != FUSE_MAGIC)
        return -ENODATA;
    int r;
    do
        r = read_xattr(at, ret);
    while (r == -ENODATA && go_up(at, st.st_dev));
    return r;
}
