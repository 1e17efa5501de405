/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What was logged, for tests that want to see it said. One at a time.
 */
#ifndef ASSETFS_TESTS_LOG_LINES_H
#define ASSETFS_TESTS_LOG_LINES_H

#include "base/base.h"

/* From now on, besides where it goes anyway. */
void log_lines_begin(void);
/* All of it since then, malloc'd, and no more. */
char *log_lines_end(void);

#endif
