/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/control.h"
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <cmocka.h>

/* A server in a private directory. Its handler answers by the request's first word (see answer()). */
struct fixture {
    char *dir, *path;
    struct control *control;
    struct buf lines; /* what each() was given, one line each */
    struct buf last;

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned held;       /* handlers that wait in "hold"; guarded by mutex */
    bool released, gone; /* guarded by mutex */
};

static void hold(struct fixture *f) {
    SCOPE_LOCK(&f->mutex);
    f->held++;
    pthread_cond_broadcast(&f->changed);
    while (!f->released)
        pthread_cond_wait(&f->changed, &f->mutex);
}

static void wait_for_held(struct fixture *f, unsigned n) {
    SCOPE_LOCK(&f->mutex);
    while (f->held < n)
        pthread_cond_wait(&f->changed, &f->mutex);
}

static void release(struct fixture *f) {
    SCOPE_LOCK(&f->mutex);
    f->released = true;
    pthread_cond_broadcast(&f->changed);
}

/* Talks until nobody listens any more. */
static void babble(struct fixture *f, struct control_reply *reply) {
    control_say(reply, "text first");
    {
        SCOPE_LOCK(&f->mutex);
        f->held++;
        pthread_cond_broadcast(&f->changed);
    }
    while (control_say(reply, "text more"))
        ;
    SCOPE_LOCK(&f->mutex);
    f->gone = true;
    pthread_cond_broadcast(&f->changed);
}

static void say_large(struct control_reply *reply) {
    CLEANUP_FREE char *large = xmalloc(1 << 20);
    memset(large, 'x', (1 << 20) - 1);
    large[(1 << 20) - 1] = '\0';
    control_say(reply, "%s", large);
    control_say(reply, "done");
}

static void say_lines(struct control_reply *reply) {
    control_say(reply, "one");
    control_say(reply, "donets");
    control_say(reply, "%s", "");
    control_say(reply, "two\nthree");
    control_say(reply, "left 1 20 a file");
}

static void answer(void *arg, const char *request, struct control_reply *reply) {
    struct fixture *f = arg;
    if (strcmp(request, "hold") == 0)
        hold(f);
    if (strcmp(request, "babble") == 0)
        babble(f, reply);
    else if (strcmp(request, "large") == 0)
        say_large(reply);
    else if (strcmp(request, "break") == 0)
        control_say(reply, "text and then nothing");
    else if (strcmp(request, "lines") == 0)
        say_lines(reply);
    else if (strcmp(request, "fail") == 0)
        control_say(reply, "error no %s", "luck");
    else
        control_say(reply, "done %s", request);
}

static void collect(void *arg, const char *line) {
    struct fixture *f = arg;
    buf_printf(&f->lines, "%s\n", line);
}

static int ask(struct fixture *f, const char *request) {
    buf_reset(&f->lines);
    buf_reset(&f->last);
    return control_ask(f->path, request, collect, f, &f->last);
}

static int setup(void **state) {
    struct fixture *f = xcalloc(1, sizeof *f);
    const char *tmp = getenv("TMPDIR");
    f->dir = xasprintf("%s/control-test-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    f->path = xasprintf("%s/control", f->dir);
    f->lines = f->last = BUF_INIT(4 << 20);
    pthread_mutex_init(&f->mutex, NULL);
    pthread_cond_init(&f->changed, NULL);
    assert_int_equal(control_listen(f->path, answer, f, &f->control), 0);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    release(f);
    control_free(f->control);
    unlink(f->path);
    rmdir(f->dir);
    buf_free(&f->lines);
    buf_free(&f->last);
    free(f->path);
    free(f->dir);
    free(f);
    return 0;
}

static void a_request_is_answered(void **state) {
    struct fixture *f = *state;
    assert_int_equal(ask(f, "status text"), 0);
    assert_string_equal(buf_str(&f->last), "done status text");
    assert_int_equal(f->lines.len, 0);
}

static void lines_come_in_order_before_the_last(void **state) {
    struct fixture *f = *state;
    assert_int_equal(ask(f, "lines"), 0);
    assert_string_equal(buf_str(&f->lines), "one\ndonets\n\ntwo three\n");
    assert_string_equal(buf_str(&f->last), "left 1 20 a file");
}

static void an_error_is_a_last_line(void **state) {
    struct fixture *f = *state;
    assert_int_equal(ask(f, "fail"), 0);
    assert_string_equal(buf_str(&f->last), "error no luck");
}

static void a_large_line_passes(void **state) {
    struct fixture *f = *state;
    assert_int_equal(ask(f, "large"), 0);
    assert_int_equal(f->lines.len, 1 << 20);
}

static void an_answer_without_end_is_told(void **state) {
    assert_int_equal(ask(*state, "break"), -EPIPE);
}

static void a_last_line_too_long_for_the_buffer_is_told(void **state) {
    struct fixture *f = *state;
    CLEANUP_BUF struct buf small = BUF_INIT(4);
    assert_int_equal(control_ask(f->path, "x", NULL, NULL, &small), -EFBIG);
}

static void a_request_too_long_is_refused(void **state) {
    struct fixture *f = *state;
    char request[40000];
    memset(request, 'r', sizeof request - 1);
    request[sizeof request - 1] = '\0';
    assert_int_equal(ask(f, request), 0);
    assert_string_equal(buf_str(&f->last), "error that is not a request");
}

static void only_the_owner_may_connect(void **state) {
    struct fixture *f = *state;
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void free_removes_the_socket(void **state) {
    struct fixture *f = *state;
    f->control = control_free(f->control);
    assert_null(f->control);
    assert_int_equal(access(f->path, F_OK), -1);
    assert_int_equal(ask(f, "x"), -ENOENT);
}

static void free_leaves_a_later_socket_alone(void **state) {
    struct fixture *f = *state;
    struct control *later;
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(control_listen(f->path, answer, f, &later), 0);
    f->control = control_free(f->control);
    assert_int_equal(ask(f, "x"), 0);
    control_free(later);
}

static void a_second_server_is_refused(void **state) {
    struct fixture *f = *state;
    struct control *second = NULL;
    assert_int_equal(control_listen(f->path, answer, f, &second), -EADDRINUSE);
    assert_null(second);
    assert_int_equal(ask(f, "x"), 0);
}

/* A bound socket nobody listens on: as a killed daemon leaves it, once it is closed. */
static int bind_stale_socket(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void a_socket_left_behind_is_replaced(void **state) {
    struct fixture *f = *state;
    control_free(f->control);
    close(bind_stale_socket(f->path));
    assert_int_equal(ask(f, "x"), -ECONNREFUSED);
    assert_int_equal(control_listen(f->path, answer, f, &f->control), 0);
    assert_int_equal(ask(f, "x"), 0);
}

static void a_directory_that_is_not_there_is_told(void **state) {
    struct fixture *f = *state;
    struct control *none = NULL;
    CLEANUP_FREE char *path = xasprintf("%s/sub/control", f->dir);
    assert_int_equal(control_listen(path, answer, f, &none), -ENOENT);
    assert_null(none);
}

static void a_path_may_be_longer_than_a_socket_name(void **state) {
    struct fixture *f = *state;
    char name[151];
    memset(name, 'd', 150);
    name[150] = '\0';
    CLEANUP_FREE char *dir = xasprintf("%s/%s", f->dir, name);
    CLEANUP_FREE char *path = xasprintf("%s/control", dir);
    struct control *deep;
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(control_listen(path, answer, f, &deep), 0);
    assert_int_equal(control_ask(path, "x", NULL, NULL, &f->last), 0);
    assert_string_equal(buf_str(&f->last), "done x");
    control_free(deep);
    assert_int_equal(rmdir(dir), 0);
}

struct client {
    struct fixture *f;
    const char *request;
    struct buf last;
    int r;
    pthread_t thread;
};

static void *run_client(void *arg) {
    struct client *c = arg;
    c->last = BUF_INIT(4096);
    c->r = control_ask(c->f->path, c->request, NULL, NULL, &c->last);
    return NULL;
}

static void start_clients(struct fixture *f, struct client *clients, size_t n, const char *request) {
    for (size_t i = 0; i < n; i++) {
        clients[i] = (struct client){.f = f, .request = request};
        assert_int_equal(pthread_create(&clients[i].thread, NULL, run_client, &clients[i]), 0);
    }
}

static void clients_are_served_side_by_side(void **state) {
    struct fixture *f = *state;
    struct client c;
    start_clients(f, &c, 1, "hold");
    wait_for_held(f, 1);
    assert_int_equal(ask(f, "x"), 0);
    release(f);
    pthread_join(c.thread, NULL);
    assert_int_equal(c.r, 0);
    assert_string_equal(buf_str(&c.last), "done hold");
    buf_free(&c.last);
}

static void the_seventeenth_is_sent_away(void **state) {
    struct fixture *f = *state;
    struct client clients[16];
    start_clients(f, clients, 16, "hold");
    wait_for_held(f, 16);
    assert_int_equal(ask(f, "x"), 0);
    assert_string_equal(buf_str(&f->last), "error too many commands at once; try again");
    release(f);
    for (size_t i = 0; i < 16; i++) {
        pthread_join(clients[i].thread, NULL);
        assert_int_equal(clients[i].r, 0);
        assert_string_equal(buf_str(&clients[i].last), "done hold");
        buf_free(&clients[i].last);
    }
}

static void free_breaks_a_handler_off(void **state) {
    struct fixture *f = *state;
    struct client c;
    start_clients(f, &c, 1, "babble");
    wait_for_held(f, 1);
    f->control = control_free(f->control);
    pthread_join(c.thread, NULL);
    assert_int_equal(c.r, -EPIPE);
    assert_true(f->gone);
    buf_free(&c.last);
}

static void a_handler_learns_that_the_client_has_gone(void **state) {
    struct fixture *f = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, f->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(fd, "babble\n", 7, MSG_NOSIGNAL), 7);
    wait_for_held(f, 1);
    close(fd);
    SCOPE_LOCK(&f->mutex);
    while (!f->gone) /* hangs, and the harness ends it, if the handler does not learn */
        pthread_cond_wait(&f->changed, &f->mutex);
}

/* Listens in a process of its own until the other end of `until` is closed. No thread: thread sanitizer wants
 * none after a fork. */
static pid_t fork_server(int listener, int until, int parents_end) {
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    char byte;
    close(parents_end);
    int r = listen(listener, 1);
    while (read(until, &byte, 1) > 0)
        ;
    _exit(r < 0);
}

static void a_pidfd_tells_when_the_server_has_ended(void **state) {
    struct fixture *f = *state;
    CLEANUP_FREE char *path = xasprintf("%s/other", f->dir);
    int until[2], status, listener = bind_stale_socket(path);
    assert_int_equal(pipe(until), 0);
    pid_t pid = fork_server(listener, until[0], until[1]);
    assert_true(pid > 0);
    struct pollfd p = {.events = POLLIN};
    while ((p.fd = control_pidfd(path)) == -ECONNREFUSED)
        sched_yield(); /* until it listens */
    assert_true(p.fd >= 0);
    assert_int_equal(poll(&p, 1, 0), 0);
    close(until[1]);
    assert_int_equal(poll(&p, 1, -1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(p.fd);
    close(until[0]);
    close(listener);
    unlink(path);
}

static void no_server_no_pidfd(void **state) {
    struct fixture *f = *state;
    f->control = control_free(f->control);
    assert_int_equal(control_pidfd(f->path), -ENOENT);
}

static void an_ordinary_directory_is_no_mount(void **state) {
    struct fixture *f = *state;
    char *found = NULL;
    assert_int_equal(control_find(f->dir, &found), -ENODATA);
    assert_int_equal(control_find("/", &found), -ENODATA);
    assert_null(found);
}

static void a_path_that_is_not_there_is_no_mount(void **state) {
    struct fixture *f = *state;
    char *found = NULL;
    CLEANUP_FREE char *path = xasprintf("%s/none", f->dir);
    assert_int_equal(control_find(path, &found), -ENOENT);
    assert_null(found);
}

static void an_xattr_on_an_ordinary_directory_does_not_count(void **state) {
    struct fixture *f = *state;
    char *found = NULL;
    if (setxattr(f->dir, "user.assetfs.control", f->path, strlen(f->path), 0) < 0)
        skip(); /* tmpfs */
    assert_int_equal(control_find(f->dir, &found), -ENODATA);
    assert_null(found);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_answered),
        TEST(lines_come_in_order_before_the_last),
        TEST(an_error_is_a_last_line),
        TEST(a_large_line_passes),
        TEST(an_answer_without_end_is_told),
        TEST(a_last_line_too_long_for_the_buffer_is_told),
        TEST(a_request_too_long_is_refused),
        TEST(only_the_owner_may_connect),
        TEST(free_removes_the_socket),
        TEST(free_leaves_a_later_socket_alone),
        TEST(a_second_server_is_refused),
        TEST(a_socket_left_behind_is_replaced),
        TEST(a_directory_that_is_not_there_is_told),
        TEST(a_path_may_be_longer_than_a_socket_name),
        TEST(clients_are_served_side_by_side),
        TEST(the_seventeenth_is_sent_away),
        TEST(free_breaks_a_handler_off),
        TEST(a_handler_learns_that_the_client_has_gone),
        TEST(a_pidfd_tells_when_the_server_has_ended),
        TEST(no_server_no_pidfd),
        TEST(an_ordinary_directory_is_no_mount),
        TEST(a_path_that_is_not_there_is_no_mount),
        TEST(an_xattr_on_an_ordinary_directory_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
