/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How the commands talk to a mounted volume: a Unix socket DIR/control (0600) in the state directory. One request a connection, one line; answers are lines; the last one
 * begins with the word "done", "left" or "error".
 *
 *   status                 one line of JSON (design: `status --json`), then "done"
 *   status text            the same for people: lines "text LINE" (LINE may be empty), then "done"
 *   sync TIMEOUT_MS        "progress FILES BYTES TOTAL_BYTES" lines at most 10 a second, then "done" or "left FILES BYTES SENTENCE"
 *   drain TIMEOUT_MS       the same, and new writes are refused (EROFS) once it began; unmounting after it does not wait again - not used by sync
 *   resume                 takes a drain back (the unmount did not work: busy): writes are accepted again; then "done"
 *   log N                  the newest N entries, one JSON line each, then "done"
 *   log text N             the same for people: lines "text LINE", then "done"
 *   url SECONDS INO        a signed address of the file with that inode number, good for so long: "url UNTIL ADDRESS" (seconds since 1970), then "done"
 *   changes SINCE          what has become of each path (tree/news.h) in the entries after that number ("-": the newest), oldest first: one JSON line each, then "done":
 *                          {"sequence":12,"time":"2026-11-22T02:29:36Z","change":"replaced","path":"/a.jpg","from":null,"old":URL,"new":URL}
 *   changes SINCE follow   the same, and what comes later, until one of the two goes away
 *   changes text ...       the same for people: lines "text LINE"
 *   area list [json]       the rules of the volume's areas: lines "text PATH WORDS" or JSON, then "done"
 *   area set PATH WORDS    sets a rule (tree/area.h has the words; the path is quoted like them): "progress" lines, then "done [SENTENCE]" when it is in the bucket; "left 0 0 SENTENCE": it is not yet, or what is put by it is refused
 *   area remove PATH       likewise
 *   area apply PATH        brings older objects home: "progress FILES MOVED" lines, then "done FILES MOVED"
 *   rotate KEY-ID          announces a volume key that the mount can find, waits until that is durable, then "done" or "left 0 0 SENTENCE"
 *   checkpoint             makes a checkpoint: "making" lines, one a second, then a line "text SENTENCE" and "done". A client that goes away ends nothing
 *   error SENTENCE         anything that went wrong
 *
 * TIMEOUT_MS "-": sync waits without limit, drain for the option drain_timeout. In "progress", FILES are not durable yet, and BYTES of TOTAL_BYTES are (of what the wait
 * began with); in "left", FILES and BYTES are not durable, SENTENCE says why if it is known and may be missing. A client that goes away ends its wait, nothing else.
 *
 * Server: one thread accepts, one more a connection answers; its callbacks may block it. Client: blocking.
 */
#ifndef ASSETFS_CONTROL_H
#define ASSETFS_CONTROL_H

#include "base/base.h"
#include "base/buf.h"

struct control;

/* What a request may call to answer: sends one line (the newline is added; line feeds inside become spaces). Returns false when the client has gone, or has not read
 * for 10 s, or when control_free() was called: the handler gives up then. */
struct control_reply;
bool control_say(struct control_reply *, const char *fmt, ...) ATTR_PRINTF(2, 3);

/* Waits so long. False: the client has gone, or control_free() was called. */
bool control_wait(struct control_reply *, int ms);

/* request: the line without its newline. */
typedef void (*control_handler)(void *arg, const char *request, struct control_reply *);

/* Makes the socket (replacing one left behind; -EADDRINUSE: somebody answers there). Each connection is served by its own thread (at most 16, further ones are told
 * "error"). A path may be longer than a socket's name can be. To be called by the process that serves (control_pidfd() leads there): after daemonizing. */
int control_listen(const char *path, control_handler handler, void *arg, struct control **ret) ATTR_WARN_UNUSED;
/* Removes the socket, breaks every connection off and waits for the handlers to return. NULL-safe; returns NULL. */
struct control *control_free(struct control *);

/* Client: connects, sends the request, calls each(line) for every line before the last; the last one to ret (without newline).
 * -ENOENT, -ECONNREFUSED: nobody is there. -EPIPE: the daemon ended in the middle. -EFBIG: the last line is longer than ret may become. each may be NULL. */
int control_ask(const char *path, const char *request, void (*each)(void *arg, const char *line), void *arg, struct buf *ret)
    ATTR_WARN_UNUSED;
/* A pidfd of the process that listens there: it becomes readable when the process has ended, which is when everything of the mount is released. Errors as above, -ESRCH. */
int control_pidfd(const char *path) ATTR_WARN_UNUSED;
/* The control socket of the mount that `path` lies in (virtual xattr user.assetfs.control of its root). malloc'd.
 * -ENODATA: not an assetfs mount; -ENOTCONN: its daemon is dead; -EACCES: another user's mount; -ENOENT: no such path. */
int control_find(const char *path, char **ret) ATTR_WARN_UNUSED;

#endif
