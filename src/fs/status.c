/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/status.h"
#include "base/env.h"
#include "base/units.h"
#include <inttypes.h>

static void json_text(struct buf *b, const char *name, const char *value) {
    buf_printf(b, "\"%s\":", name);
    if (value)
        buf_append_json(b, value, strlen(value));
    else
        buf_append_str(b, "null");
    buf_append_byte(b, ',');
}

static void json_number(struct buf *b, const char *name, uint64_t value) {
    buf_printf(b, "\"%s\":%" PRIu64 ",", name, value);
}

static void json_bool(struct buf *b, const char *name, bool value) {
    buf_printf(b, "\"%s\":%s,", name, value ? "true" : "false");
}

static void json_time(struct buf *b, const char *name, int64_t ns) {
    char when[UNITS_SIZE];
    json_text(b, name, ns ? time_format(ns, when) : NULL);
}

static void json_tree(struct buf *b, const struct tree_status *t) {
    json_text(b, "volume", t->volume);
    json_number(b, "sequence", t->sequence);
    json_number(b, "head", t->head);
    json_time(b, "head_seen", t->head_seen_ns);
    json_time(b, "head_unproven_since", t->head_unproven_ns);
    json_number(b, "local_files", t->local_files);
    json_number(b, "local_bytes", t->local_bytes);
    json_number(b, "uploading_files", t->uploading_files);
    json_number(b, "uploading_bytes", t->uploading_bytes);
    json_number(b, "stuck_files", t->stuck_files);
    json_number(b, "held_removals", t->held_removals);
    json_number(b, "pending_changes", t->pending_changes);
    json_number(b, "local_only_files", t->local_only_files);
    json_number(b, "local_only_bytes", t->local_only_bytes);
    json_bool(b, "read_only", t->read_only);
    json_bool(b, "offline", t->offline);
    json_bool(b, "past", t->past);
    json_text(b, "reason", t->reason);
    json_text(b, "stuck_reason", t->stuck_reason);
    json_text(b, "damaged_writer", t->damaged);
}

void status_json(const struct fs_status *s, struct buf *b) {
    buf_append_byte(b, '{');
    json_text(b, "url", s->url);
    json_text(b, "mountpoint", s->mountpoint);
    json_number(b, "pid", (uint64_t)getpid());
    json_tree(b, &s->tree);
    json_text(b, "local_only", s->local_only);
    json_bool(b, "draining", s->refuses);
    json_number(b, "cache_bytes", s->cache_bytes);
    json_number(b, "spool_bytes", s->spool_bytes);
    counters_json(s->counters, b);
    buf_append_str(b, ",\"fuse_ops\":{");
    const char *comma = "";
    for (size_t i = 0; i < s->n_ops; i++) {
        if (s->op_counts[i] == 0)
            continue;
        buf_printf(b, "%s\"%s\":%" PRIu64, comma, s->op_names[i], s->op_counts[i]);
        comma = ",";
    }
    buf_append_str(b, "}}");
}

static void text_files(struct buf *b, const char *label, uint64_t files, uint64_t bytes) {
    char size[UNITS_SIZE];
    buf_printf(b, "  %-12s %" PRIu64 " file%s, %s\n", label, files, files == 1 ? "" : "s",
               size_format(bytes, size));
}

static void text_queue(struct buf *b, const struct tree_status *t) {
    if (!t->local_files && !t->uploading_files && !t->pending_changes && !t->stuck_files) {
        buf_append_str(b, "  everything written here is durable\n");
        return;
    }
    if (t->local_files)
        text_files(b, "local", t->local_files, t->local_bytes);
    if (t->uploading_files)
        text_files(b, "uploading", t->uploading_files, t->uploading_bytes);
    if (t->pending_changes)
        buf_printf(b, "  %-12s %" PRIu64 " change%s not committed yet\n", "pending", t->pending_changes,
                   t->pending_changes == 1 ? "" : "s");
    if (t->held_removals)
        buf_printf(b, "  %-12s %" PRIu64 " removal%s wait%s for uploads\n", "held", t->held_removals,
                   t->held_removals == 1 ? "" : "s", t->held_removals == 1 ? "s" : "");
    if (t->stuck_files)
        buf_printf(b, "  %-12s %" PRIu64 " file%s: %s\n", "STUCK", t->stuck_files,
                   t->stuck_files == 1 ? "" : "s", t->stuck_reason ? t->stuck_reason : "refused");
}

static void text_local_only(struct buf *b, const struct fs_status *s) {
    char size[UNITS_SIZE];
    uint64_t files = s->tree.local_only_files;
    if (files)
        buf_printf(b, "  %-12s %" PRIu64 " file%s, %s: by name (%s)\n", "local only", files, files == 1 ? "" : "s",
                   size_format(s->tree.local_only_bytes, size), s->local_only ? s->local_only : "none");
}

static void text_head(struct buf *b, const struct fs_status *s) {
    char age[UNITS_SIZE];
    const struct tree_status *t = &s->tree;
    buf_printf(b, "  %-12s %" PRIu64, "sequence", t->sequence);
    if (t->head > t->sequence)
        buf_printf(b, " of %" PRIu64, t->head);
    if (t->head_seen_ns)
        buf_printf(b, ", the bucket answered %s ago",
                   duration_format(MAX(s->now_ns - t->head_seen_ns, 0), age));
    buf_append_byte(b, '\n');
    if (t->head_unproven_ns)
        buf_printf(b,
                   "  %-12s journal entries come out of a cache: for %s nothing has shown that %" PRIu64
                   " is the newest\n",
                   "UNPROVEN", duration_format(MAX(s->now_ns - t->head_unproven_ns, 0), age), t->sequence);
    if (t->offline)
        buf_printf(b, "  %-12s %s\n", "OFFLINE", t->reason ? t->reason : "the bucket does not answer");
    else if (t->read_only)
        buf_printf(b, "  %-12s %s\n", "read-only",
                   t->reason ? t->reason
                   : t->past ? "mounted with at=: the volume as it was after this entry"
                             : "mounted so");
    else if (t->reason)
        buf_printf(b, "  %-12s %s\n", "REFUSED", t->reason);
    if (t->damaged)
        buf_printf(b, "  %-12s %s\n", "DAMAGED", t->damaged);
}

void status_text(const struct fs_status *s, struct buf *b) {
    char cache[UNITS_SIZE], spool[UNITS_SIZE];
    buf_printf(b, "%s on %s\n", s->url, s->mountpoint);
    buf_printf(b, "  %-12s %s\n", "volume", s->tree.volume);
    text_head(b, s);
    text_queue(b, &s->tree);
    text_local_only(b, s);
    buf_printf(b, "  %-12s %s cached, %s in the spool\n", "disk", size_format(s->cache_bytes, cache),
               size_format(s->spool_bytes, spool));
    buf_printf(b, "  %-12s %" PRIu64 " hits, %" PRIu64 " misses\n", "cache",
               counter_get(s->counters, COUNTER_CACHE_HITS), counter_get(s->counters, COUNTER_CACHE_MISSES));
}
