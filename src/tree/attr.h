/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What stat(2) tells of an inode, in the view of this host.
 */
#ifndef ASSETFS_ATTR_H
#define ASSETFS_ATTR_H

#include "base/base.h"
#include <sys/stat.h>

#define ROOT_INO ((uint64_t)1)
#define NAME_MAX_BYTES 255

struct attr {
    uint64_t ino;
    uint32_t mode; /* type and permission bits, as st_mode */
    uint32_t nlink;
    uint32_t uid, gid;
    uint64_t rdev; /* makedev(3) */
    uint64_t size;
    uint64_t blocks; /* of 512 bytes */
    int64_t atime, mtime, ctime, btime; /* ns since 1970 */
};

#endif
