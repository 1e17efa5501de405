/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log_lines.h"
#include "base/log.h"

#include <sys/mman.h>
#include <sys/stat.h>

static int lines = -1;

void log_lines_begin(void) {
    lines = memfd_create("log", MFD_CLOEXEC);
    if (lines < 0)
        abort();
    log_to_fd(lines);
}

char *log_lines_end(void) {
    struct stat st;
    log_to_fd(-1);
    if (fstat(lines, &st) < 0)
        abort();
    char *ret = xcalloc(1, (size_t)st.st_size + 1);
    if (pread(lines, ret, (size_t)st.st_size, 0) != st.st_size)
        abort();
    close(lines);
    lines = -1;
    return ret;
}
