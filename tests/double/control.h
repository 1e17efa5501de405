/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What tests tell the double while it runs, over HTTP on a port of its own. Answers are text or JSON; a mistake is 400 with a sentence.
 *
 *   POST   /faults        rules in the grammar of faults.h, divided by ';' or lines; answers the number of each, a line each
 *   GET    /faults        {"1":{"rule":...,"seen":4,"hits":3},...}
 *   DELETE /faults        removes all, DELETE /faults/1 one; what hangs lets go (its connection is closed)
 *   GET    /hits/1        how often that rule has hit, a number
 *   GET    /counters      tally.h
 *   POST   /credentials   lines as in keyring.h: "revoke WRITERKEY", "writer ACCESS SECRET TOKEN", ...
 *   POST   /signers       lines: "add ID=PUBLIC.pem" (whose signatures count at the CDN), "remove ID"
 *   POST   /authoriser    "Name: value|value": what the CDN wants to see on each read; nothing: it wants nothing
 *   POST   /settings      lines NAME=VALUE: demand-condition, early-412, small-parts, cache-all (0 or 1), error-ttl (seconds), latency (ms, of each request to
 *                         S3 and CDN); and what a deployment has wrong: ignore-condition, ignore-digest, public-read, public-write, cdn-list, kms (0 or 1),
 *                         cdn-writes, cors (0 to 2), tagging (0 or 1), kms-refuses (0 to 4): site.h
 *   POST   /offline       s3, cdn, or nothing for both: connections are reset, new ones refused; POST /online undoes it
 *   POST   /purge         empties the CDN's cache
 *   POST   /reset         all of it as at the start but objects, added credentials, signers, authoriser and settings: no faults, cache empty, counters 0, credentials restored, online
 */
#ifndef DOUBLE_CONTROL_H
#define DOUBLE_CONTROL_H

#include "server.h"
#include "site.h"

struct control {
    struct site *site;
    struct server *s3, *cdn;
};

struct service control_service(struct control *);
/* One line of /settings. */
bool control_set(struct site *, const char *line);

#endif
