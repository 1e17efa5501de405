/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/daemon.h"
#include "base/log.h"
#include <fcntl.h>
#include <sys/wait.h>

static void wait_for_child(pid_t pid, int fd) {
    unsigned char status = 1;
    ssize_t n;
    while ((n = read(fd, &status, 1)) < 0 && errno == EINTR)
        ;
    if (n == 1)
        _exit(status);
    int how = 0;
    if (waitpid(pid, &how, 0) == pid && WIFSIGNALED(how))
        log_error("the daemon was ended by signal %d before the mount answered", WTERMSIG(how));
    _exit(1);
}

int daemon_fork(void) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        int err = errno;
        close(fds[0]);
        close(fds[1]);
        return -err;
    }
    if (pid > 0) {
        close(fds[1]);
        wait_for_child(pid, fds[0]);
    }
    close(fds[0]);
    setsid();
    return fds[1];
}

void daemon_ready(int fd, int status) {
    unsigned char byte = (unsigned char)status;
    CLEANUP_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0)
        for (int std = 0; std <= 2; std++)
            dup2(null, std);
    if (chdir("/") < 0 || write(fd, &byte, 1) < 0)
        byte = 1; /* the parent is gone: nobody to tell */
    close(fd);
}
