/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Journal entries (assetfs-format(5)), unsealed. What is taken is written back as something that is taken and means the same; a record, to the byte.
 */
#include "fuzz_main.h"
#include "tree/entry.h"

static void check_record(const struct record *rec) {
    CLEANUP_BUF struct buf b = BUF_INIT(RECORD_MAX);
    CLEANUP_RECORD struct record again = {0};
    record_encode(rec, &b);
    MUST(record_parse(b.data, b.len, &again) == 0);
    MUST(record_equal(rec, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    CLEANUP_ENTRY struct entry e = {0}, again = {0};
    CLEANUP_BUF struct buf once = BUF_INIT(2 * ENTRY_MAX), twice = BUF_INIT(2 * ENTRY_MAX);
    if (entry_parse(p, n, &e) < 0)
        return 0;
    for (size_t i = 0; i < e.n_changes; i++)
        for (size_t k = 0; k < e.changes[i].n_inodes; k++)
            check_record(&e.changes[i].inodes[k].rec);
    entry_encode(&e, &once);
    MUST(entry_parse(once.data, once.len, &again) == 0);
    entry_encode(&again, &twice);
    MUST(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
    return 0;
}
