/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fault_rule.h"
#include "s3_error.h"
#include "text.h"

static const struct {
    const char *name;
    unsigned ops;
} TARGETS[] = {
    {"put", OP_PUT},           {"create", OP_CREATE},           {"part", OP_PART},
    {"complete", OP_COMPLETE}, {"get", OP_S3_GET | OP_CDN_GET}, {"s3", OPS_S3},
    {"cdn", OPS_CDN},          {"origin", OP_ORIGIN},           {"any", OPS_S3 | OPS_CDN},
};

enum takes { NOTHING, NUMBER, MAYBE_NUMBER, SIGNED, STATUS, MAYBE_STATUS, MAYBE_CODE };

static const struct {
    const char *name;
    enum fault_kind kind;
    enum takes takes;
    int64_t value; /* where none is given */
} KINDS[] = {
    {"delay", FAULT_DELAY, NUMBER, 0},
    {"hang", FAULT_HANG, NOTHING, 0},
    {"reset", FAULT_RESET, NOTHING, 0},
    {"clock", FAULT_CLOCK, SIGNED, 0},
    {"cut-request", FAULT_CUT_REQUEST, NUMBER, 0},
    {"throttle", FAULT_THROTTLE, NUMBER, 0},
    {"fail", FAULT_FAIL, STATUS, 0},
    {"status", FAULT_FAIL, STATUS, 0},
    {"refuse", FAULT_FAIL, NOTHING, 403},
    {"html", FAULT_HTML, MAYBE_STATUS, 403},
    {"error200", FAULT_ERROR200, MAYBE_CODE, 200},
    {"late", FAULT_LATE, NUMBER, 0},
    {"lose", FAULT_LOSE, NOTHING, 0},
    {"garbage", FAULT_GARBAGE, NOTHING, 0},
    {"spa", FAULT_SPA, NOTHING, 0},
    {"cut", FAULT_CUT, NUMBER, 0},
    {"truncate", FAULT_TRUNCATE, NUMBER, 0},
    {"corrupt", FAULT_CORRUPT, MAYBE_NUMBER, 0},
    {"rot", FAULT_ROT, MAYBE_NUMBER, 0},
    {"whole", FAULT_WHOLE, NOTHING, 0},
    {"wrong-range", FAULT_WRONG_RANGE, NOTHING, 0},
    {"chunked", FAULT_CHUNKED, NOTHING, 0},
    {"close", FAULT_CLOSE, NOTHING, 0},
    {"backwards", FAULT_BACKWARDS, NUMBER, 0},
    {"writes", FAULT_WRITES, NUMBER, 0},
};

static bool parse_number(const char *s, int64_t *ret) {
    uint64_t n;
    if (!text_number(s, &n) || n > INT64_MAX / 2)
        return false;
    *ret = (int64_t)n;
    return true;
}

static bool copy_text(char *to, size_t size, const char *from) {
    return *from && (size_t)snprintf(to, size, "%s", from) < size;
}

/* "503", "503:SlowDown" */
static bool parse_status(char *s, struct fault_rule *r) {
    char *code = strchr(s, ':');
    if (code)
        *code++ = '\0';
    if (!parse_number(s, &r->value) || r->value < 200 || r->value > 599)
        return false;
    return copy_text(r->code, sizeof r->code, code ? code : s3_error_code((int)r->value));
}

static bool parse_value(enum takes takes, char *value, struct fault_rule *r) {
    if (!value)
        return takes == NOTHING || takes == MAYBE_NUMBER || takes == MAYBE_STATUS || takes == MAYBE_CODE;
    switch (takes) {
    case NOTHING:
        return false;
    case NUMBER:
    case MAYBE_NUMBER:
        return parse_number(value, &r->value);
    case SIGNED:
        if (*value != '-')
            return parse_number(value + (*value == '+'), &r->value);
        if (!parse_number(value + 1, &r->value))
            return false;
        r->value = -r->value;
        return true;
    case STATUS:
    case MAYBE_STATUS:
        return parse_status(value, r);
    case MAYBE_CODE:
        return copy_text(r->code, sizeof r->code, value);
    }
    return false;
}

static bool parse_kind(const char *name, char *value, struct fault_rule *r) {
    for (size_t i = 0; i < ARRAY_SIZE(KINDS); i++) {
        if (strcmp(name, KINDS[i].name) != 0)
            continue;
        r->kind = KINDS[i].kind;
        r->value = KINDS[i].value;
        strcpy(r->code, r->kind == FAULT_ERROR200 ? "InternalError" : "AccessDenied");
        return parse_value(KINDS[i].takes, value, r);
    }
    return false;
}

static bool parse_probability(const char *value, double *ret) {
    char *end;
    *ret = strtod(value, &end);
    return *value && !*end && *ret >= 0 && *ret <= 1;
}

static bool parse_name(const char *name, const char *value, struct fault_rule *r) {
    int64_t n;
    if (!value)
        return false;
    if (!strcmp(name, "prefix") || !strcmp(name, "key")) {
        free(r->prefix);
        r->prefix = xstrdup(value);
        r->whole_key = name[0] == 'k';
        return true;
    }
    if (!strcmp(name, "probability"))
        return parse_probability(value, &r->probability);
    if (!strcmp(name, "retry-after"))
        return copy_text(r->retry_after, sizeof r->retry_after, value);
    if (!strcmp(name, "to"))
        return copy_text(r->to, sizeof r->to, value);
    if (!strcmp(name, "message"))
        return copy_text(r->message, sizeof r->message, value);
    if (!strcmp(name, "region"))
        return copy_text(r->region, sizeof r->region, value);
    if (!parse_number(value, &n))
        return false;
    if (!strcmp(name, "seed"))
        r->seed = (uint64_t)n;
    else if (!strcmp(name, "nth") && n >= 1 && n < INT32_MAX)
        r->nth = (unsigned)n;
    else if (!strcmp(name, "count") && n < INT32_MAX)
        r->count = (unsigned)n;
    else
        return false;
    return true;
}

static bool parse_target(const char *name, unsigned *ret) {
    for (size_t i = 0; i < ARRAY_SIZE(TARGETS); i++) {
        if (!strcmp(name, TARGETS[i].name)) {
            *ret = TARGETS[i].ops;
            return true;
        }
    }
    return false;
}

void fault_rule_clear(struct fault_rule *r) {
    free(r->prefix);
    *r = (struct fault_rule){0};
}

bool fault_rule_parse(char *text, struct fault_rule *ret) {
    struct fault_rule r = {.nth = 1, .probability = 1, .seed = 1};
    text += strspn(text, " \t\r\n");
    text[strcspn(text, "\r\n")] = '\0';
    char *target = strsep(&text, ":");
    bool good = text && parse_target(target, &r.ops), first = true;
    for (char *name; good && (name = strsep(&text, ","));) {
        char *value = strchr(name, '=');
        if (value)
            *value++ = '\0';
        good = first ? parse_kind(name, value, &r) : parse_name(name, value, &r);
        first = false;
    }
    if (good)
        *ret = r;
    else
        fault_rule_clear(&r);
    return good;
}
