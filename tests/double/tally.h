/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the double has counted, for tests and benchmarks: requests by server, method, operation and status, violations, bytes, how many were under way at once; and,
 * if it is told to, a line in a file for each request.
 *
 *   {"requests":12,"in_flight":0,"in_flight_max":{"s3":4,"cdn":16},"bytes":{"in":..,"out":..},
 *    "server":{"s3":..,"cdn":..,"origin":..},"method":{"PUT":..},"operation":{"PutObject":..},"status":{"200":..,"none":..},
 *    "code":{"AccessDenied":..},"violation":{"no-condition":..,"not-allowed":..,"unsigned-header":..},"cache":{"hit":..,"miss":..,"error-hit":..}}
 * Bytes out are those of answers begun. Status "none" is a request that got no answer.
 *
 * Threads: any; one mutex inside.
 */
#ifndef DOUBLE_TALLY_H
#define DOUBLE_TALLY_H

#include "mem.h"

struct tally;
/* log: the path of a file to append to; NULL: none. NULL: it cannot be opened. */
struct tally *tally_new(const char *log);
void tally_free(struct tally *);
/* Counts one in a group ("status", "200"). */
void tally_count(struct tally *, const char *group, const char *name);
void tally_begin(struct tally *, const char *server);
void tally_end(struct tally *, const char *server);
void tally_bytes(struct tally *, uint64_t in, uint64_t out);
/* One line of the log. */
void tally_log(struct tally *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void tally_write(struct tally *, FILE *out);
void tally_reset(struct tally *);

#endif
