/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The options of a volume. ONE table (OPTIONS below) makes `struct options`, the parser of -o and of the configuration file, the text of
 * --help and the list in assetfs(1); tests/sh/options.sh proves that they agree. Adding an option is adding a row.
 *
 * Order: built-in default, then /etc/assetfs/assetfs.conf, then $XDG_CONFIG_HOME/assetfs/assetfs.conf (or only the -c FILE), section [volume NAME]; then -o.
 * One thread.
 */
#ifndef ASSETFS_OPTIONS_H
#define ASSETFS_OPTIONS_H

#include "base/base.h"
#include "base/buf.h"

enum durability { DURABILITY_BUCKET, DURABILITY_CLOSE, DURABILITY_LOCAL };

/*   field          type      name             default     argument  help */
#define OPTIONS(X)                                                                                                                  \
    X(key_file,       PATH,     "key_file",       NULL,     "FILE",     "the volume key, and on further lines those of rotations (default: found by their ids in $XDG_CONFIG_HOME/assetfs/keys)")  \
    X(cache_dir,      PATH,     "cache_dir",      NULL,     "DIR",      "local state of this volume (default: $XDG_CACHE_HOME/assetfs/<volume id>)")  \
    X(cache_size,     SIZE,     "cache_size",     "20G",    "SIZE",     "largest size of the block cache")                           \
    X(min_free,       SIZE,     "min_free",       "1G",     "SIZE",     "space to leave free on the disk of the local state")        \
    X(max_file_size,  SIZE,     "max_file_size",  "1T",     "SIZE",     "largest file that can be written")                          \
    X(read_ahead,     SIZE,     "read_ahead",     "64M",    "SIZE",     "how far to read ahead of a sequential reader")              \
    X(durability,     DURABILITY, "durability",   "bucket", "bucket|close|local", "what waits for the bucket: fsync (bucket), every close as well (close), nothing (local)") \
    X(fsync_timeout,  DURATION, "fsync_timeout",  "60s",    "TIME",     "how long fsync waits before it fails; the data stays queued") \
    X(drain_timeout,  DURATION, "drain_timeout",  "30s",    "TIME",     "how long unmounting waits for uploads; the rest stays queued") \
    X(timeout,        DURATION, "timeout",        "60s",    "TIME",     "how long a read waits for the bucket before it fails")      \
    X(settle,         DURATION, "settle",         "500ms",  "TIME",     "how long a closed file rests before it is uploaded")        \
    X(poll,           DURATION, "poll",           "5s",     "TIME",     "how often to look for other hosts' changes while the mount is in use") \
    X(checkpoint_entries, NUMBER, "checkpoint_entries", "1000", "NUMBER", "a checkpoint is due after so many journal entries (0: this host makes none by itself)") \
    X(checkpoint_changes, NUMBER, "checkpoint_changes", "100000", "NUMBER", "or after so many changes, or KiB of the journal (0: this host makes none by itself)") \
    X(endpoint,       STRING,   "endpoint",       NULL,     "URL",      "the S3 server (default: Amazon's of the region)")           \
    X(region,         STRING,   "region",         NULL,     "NAME",     "the bucket's region (default: AWS_REGION, the profile's, us-east-1)") \
    X(path_style,     FLAG,     "path_style",     NULL,     NULL,       "address the bucket as endpoint/bucket/, as most servers but Amazon's want it") \
    X(profile,        STRING,   "profile",        NULL,     "NAME",     "the profile of the shared AWS files to take credentials from") \
    X(cdn,            STRING,   "cdn",            NULL,     "URL",      "the CDN to read through (default: read from the store itself)") \
    X(cdn_key_file,   PATH,     "cdn_key_file",   NULL,     "FILE",     "the private key that signs what is read through the CDN, and links (PEM: RSA of 2048 bits or ECDSA P-256)") \
    X(cdn_key_id,     STRING,   "cdn_key_id",     NULL,     "ID|FILE",  "what CloudFront calls that key, or the absolute path of a file that holds it") \
    X(cdn_sign,       WORD,     "cdn_sign",       "url",    "url|cookie", "how reads are signed: by signed URLs or by signed cookies") \
    X(cdn_policy,     WORD,     "cdn_policy",     "canned", "canned|custom", "what a signature of a read is for: one object, or all of the volume, which signs less often") \
    X(cdn_hash,       WORD,     "cdn_hash",       "sha1",   "sha1|sha256", "the hash that is signed") \
    X(cdn_expires,    DURATION, "cdn_expires",    "1h",     "TIME",     "how long the signature of a read is good")                  \
    X(cdn_header,     PATH,     "cdn_header",     NULL,     "FILE",     "headers to send with each read through the CDN, a line \"Name: value\" each") \
    X(sse_c_key_file, PATH,     "sse_c_key_file", NULL,     "FILE",     "the customer key of areas with encryption=sse-c: 32 bytes, as they are or as base64, older ones on further lines; needs https:// and no cdn=") \
    X(link_base,      STRING,   "link_base",      NULL,     "URL",      "what links to objects begin with (default: where they are read)") \
    X(proxy,          STRING,   "proxy",          NULL,     "URL",      "the HTTP proxy (default: as http_proxy, https_proxy and no_proxy say)") \
    X(ca_file,        PATH,     "ca_file",        NULL,     "FILE",     "certificates to trust instead of the system's (PEM)")       \
    X(insecure_http,  FLAG,     "insecure_http",  NULL,     NULL,       "allow http:// beyond this machine")                         \
    X(connections,    COUNT,    "connections",    "64",     "NUMBER",   "how many requests to one server at a time, and connections at most") \
    X(http2,          FLAG,     "http2",          NULL,     NULL,       "read by HTTP/2 where a server offers it over TLS, many requests to a connection (seldom faster, so not the default; with download_limit it is not used)") \
    X(upload_limit,   SIZE,     "upload_limit",   "0",      "SIZE",     "bytes a second that are uploaded at most (0: no limit)")    \
    X(download_limit, SIZE,     "download_limit", "0",      "SIZE",     "bytes a second that are fetched at most (0: no limit)")     \
    X(temporary,      PATTERNS, "temporary",      NULL,     "PATTERN:...", "further names that are held back until they are renamed, besides those that rsync, browsers and editors use") \
    X(local_only,     PATTERNS, "local_only",     ".DS_Store:._*:.AppleDouble:.apdisk:.fseventsd:.Spotlight-V100:.TemporaryItems:.Trashes:Thumbs.db:ehthumbs.db:desktop.ini:$RECYCLE.BIN:System Volume Information", "PATTERN:...", "names that stay on this host and are never uploaded; none: every name is shared") \
    X(prefix,         STRING,   "prefix",         ".assetfs", "NAME",   "where the volume keeps its journal in the bucket")          \
    X(host_label,     STRING,   "host_label",     NULL,     "NAME",     "name of this host in the journal and in conflicted copies (default: the host's name)") \
    X(uid,            ID,       "uid",            NULL,     "UID",      "show every file as owned by this user")                     \
    X(gid,            ID,       "gid",            NULL,     "GID",      "show every file as owned by this group")                    \
    X(umask,          OCTAL,    "umask",          NULL,     "OCTAL",    "permission bits taken away from what is shown")             \
    X(fmode,          OCTAL,    "fmode",          NULL,     "OCTAL",    "show every regular file with these permission bits")        \
    X(dmode,          OCTAL,    "dmode",          NULL,     "OCTAL",    "show every directory with these permission bits")           \
    X(allow_other,    FLAG,     "allow_other",    NULL,     NULL,       "other users may use the mount (implies default_permissions)") \
    X(allow_root,     FLAG,     "allow_root",     NULL,     NULL,       "root may use the mount, besides the user whose it is")      \
    X(ro,             FLAG,     "ro",             NULL,     NULL,       "read-only mount")                                           \
    X(at,             STRING,   "at",             NULL,     "SEQ|TIME|now", "show the volume as it was after a journal entry, at a time (UTC), or now: read-only, and nothing changes") \
    X(noexec,         FLAG,     "noexec",         NULL,     NULL,       "no program can be run from the mount")                      \
    X(debug,          FLAG,     "debug",          NULL,     NULL,       "log what is going on, in detail")

#define OPTION_CTYPE_PATH char *
#define OPTION_CTYPE_STRING char *
#define OPTION_CTYPE_WORD char *            /* one of those that its argument names; never NULL */
#define OPTION_CTYPE_PATTERNS char *        /* as tree/name_kind.h takes it */
#define OPTION_CTYPE_SIZE uint64_t
#define OPTION_CTYPE_COUNT int64_t
#define OPTION_CTYPE_NUMBER int64_t         /* not negative */
#define OPTION_CTYPE_DURATION int64_t       /* ns */
#define OPTION_CTYPE_DURABILITY enum durability
#define OPTION_CTYPE_ID int64_t             /* -1: not given */
#define OPTION_CTYPE_OCTAL int64_t          /* -1: not given */
#define OPTION_CTYPE_FLAG bool

struct options {
#define X(field, type, name, def, arg, help) OPTION_CTYPE_##type field;
    OPTIONS(X)
#undef X
    char *volume; /* as the user named it */
    char *url;    /* file:///srv/bucket, s3://bucket/prefix */
};

/* Fills in the defaults. options_free() releases the strings. */
void options_init(struct options *);
void options_free(struct options *);

/* One "name=value" or "flag" (also "name" alone for a flag, "flag=yes|no"). -EINVAL with one sentence in `why` (unknown option - with the nearest name -, bad value, missing value).
 * What mount(8), fstab and systemd write and what means nothing here (defaults, auto, noauto, nofail, _netdev, user, nosuid, nodev, noatime, x-*, comment=, ...) is
 * accepted; "rw" and "exec" take back "ro" and "noexec"; suid, dev, sync and dirsync are refused, for they promise what is not there. See options.c. */
int options_set(struct options *, const char *assignment, struct buf *why) ATTR_WARN_UNUSED;
/* A comma-separated list as after -o; "\," is a comma inside a value. Empty items are skipped; the first error ends it. */
int options_set_list(struct options *, const char *list, struct buf *why) ATTR_WARN_UNUSED;

/* Finds VOLUME: an URL (contains "://", no file is read then), or the name of a [volume NAME] section, which must have `url =`; sets volume, url and the options of the
 * section. A default file that is not there counts as empty, a -c FILE must be there. Paths in a file are absolute or begin with "~/".
 * conf: the -c FILE, or NULL for the default files. -ENOENT: no such volume (why lists those there are), -EINVAL: an error in a file (why has file and line). */
int options_load(struct options *, const char *conf, const char *volume, struct buf *why) ATTR_WARN_UNUSED;
/* $XDG_CONFIG_HOME/assetfs/assetfs.conf, or below $HOME/.config; malloc'd; NULL if neither variable is set. */
char *options_user_file(void);
/* True for the name of an option whose value is a path. After -o a relative one is made absolute at once: the daemon's working directory is "/". */
bool options_is_path(const char *name);
/* What contradicts itself, after all is set. -EINVAL with a sentence. */
int options_check(const struct options *, struct buf *why) ATTR_WARN_UNUSED;

/* Nothing can be written: ro, or a past state. */
static inline bool options_read_only(const struct options *o) {
    return o->ro || o->at;
}

/* The table as text: one option a line for --help. */
void options_help(struct buf *);
/* The table as mdoc(7) list items for assetfs(1). */
void options_mdoc(struct buf *);

#endif
