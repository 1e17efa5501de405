/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mknod(2): fifos, sockets, devices, plain files.
 */
#include "posix.h"
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

CASE(fifo) {
    struct seen dir = look(".");
    SEE(mknod("fifo", S_IFIFO | 0666, 0));
    SEE_MOVED(dir);
    SEE_STAT("fifo");
    SEE(mkfifo("fifo", 0666));
    fflush(stdout);
    pid_t pid = (pid_t)MUST(fork());
    if (pid == 0) {
        int fd = open("fifo", O_WRONLY);
        _exit(write(fd, "through", 7) == 7 ? 0 : 1);
    }
    int fd = SEE_FD(open("fifo", O_RDONLY)), status;
    char p[16] = "";
    SEE(read(fd, p, sizeof p));
    SEE_BYTES(p, 7);
    MUST(waitpid(pid, &status, 0));
    SEE(status);
    SEE_STAT("fifo");
}

CASE(socket_in_use) {
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int server = (int)MUST(socket(AF_UNIX, SOCK_STREAM, 0)),
        client = (int)MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    SEE(bind(server, (struct sockaddr *)&at, sizeof at));
    SEE(listen(server, 1));
    SEE_STAT("socket");
    SEE(connect(client, (struct sockaddr *)&at, sizeof at));
    int peer = SEE_FD(accept(server, NULL, NULL));
    SEE(write(client, "hello", 5));
    char p[8] = "";
    SEE(read(peer, p, sizeof p));
    SEE_BYTES(p, 5);
    int again = (int)MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    SEE(bind(again, (struct sockaddr *)&at, sizeof at));
    MUST(close(server));
    SEE(connect(again, (struct sockaddr *)&at, sizeof at));
    SEE(unlink("socket"));
}

CASE(socket_by_mknod) {
    SEE(mknod("socket", S_IFSOCK | 0640, 0));
    SEE_STAT("socket");
}

ROOT_CASE(devices) {
    SEE(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
    SEE_STAT("null");
    SEE(mknod("disk", S_IFBLK | 0660, makedev(259, 70000)));
    SEE_STAT("disk");
    SEE(mknod("largest", S_IFCHR | 0600, makedev(4095, 1048575)));
    SEE_STAT("largest");
    SEE(mknod("zero", S_IFCHR | 0600, makedev(0, 0)));
    SEE_STAT("zero");
    SEE(rename("null", "renamed"));
    SEE(chmod("renamed", 0600));
    SEE_STAT("renamed");
}

CASE(plain_file) {
    SEE(mknod("f", S_IFREG | 0666, 0));
    SEE_STAT("f");
    SEE(mknod("g", 0640, 0));
    SEE_STAT("g");
    SEE_FILE("g");
}

CASE(what_cannot_be_made) {
    put("f", "");
    SEE(mknod("d", S_IFDIR | 0755, 0));
    SEE(mknod("l", S_IFLNK | 0777, 0));
    SEE(mknod("f", S_IFREG | 0644, 0));
    SEE(mknod("f", S_IFIFO | 0644, 0));
    SEE(mknod("none/f", S_IFIFO | 0644, 0));
    SEE(mknod("f/f", S_IFIFO | 0644, 0));
    SEE(mknod("", S_IFIFO | 0644, 0));
    SEE_NAMES(".");
}

ROOT_CASE(by_others) {
    MUST(chmod(".", 0777));
    AS_USER(ANN, GROUP) {
        SEE(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
        SEE(mknod("fifo", S_IFIFO | 0666, 0));
        SEE(mknod("socket", S_IFSOCK | 0666, 0));
        SEE_STAT("fifo");
    }
    SEE_NAMES(".");
}
