/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One rule, and how it is written (faults.h). Pure.
 */
#ifndef DOUBLE_FAULT_RULE_H
#define DOUBLE_FAULT_RULE_H

#include "faults.h"

struct fault_rule {
    unsigned ops; /* enum op, joined */
    enum fault_kind kind;
    int64_t value;
    char code[64], retry_after[64], to[128], region[64], message[160];
    char *prefix;   /* malloc'd; NULL: every key */
    bool whole_key; /* prefix is a key */
    unsigned nth, count;
    double probability;
    uint64_t seed;
};

/* Changes text. False: it is not a rule; what was allocated is freed. */
bool fault_rule_parse(char *text, struct fault_rule *ret);
void fault_rule_clear(struct fault_rule *);

#endif
