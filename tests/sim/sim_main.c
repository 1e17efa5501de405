/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "world.h"
#include "base/log.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>

/* A schedule takes a fraction of a second of the processor's time, however busy the machine is with other things; this one does not end. */
#define SCHEDULE_MAX_S 120
static uint64_t running, *at_seed = &running;

static void on_alarm(int sig) {
    char text[96];
    (void)sig;
    int n = snprintf(text, sizeof text, "hosts-sim: seed %" PRIu64 " does not come to an end\n", running);
    if (write(2, text, (size_t)n) == n)
        abort();
    _exit(1);
}

static void run_watched(uint64_t seed, const struct how *how, struct world *totals) {
    running = *at_seed = seed;
    setitimer(ITIMER_PROF, &(struct itimerval){.it_value.tv_sec = SCHEDULE_MAX_S}, NULL);
    run_schedule(seed, how, totals);
}

/* Each schedule that may fail runs in a process of its own when it is made shorter. */
static bool fails(uint64_t seed, const struct how *how) {
    pid_t pid = fork();
    if (pid == 0) {
        struct world totals = {0};
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, 1);
        dup2(null, 2);
        run_watched(seed, how, &totals);
        _exit(0);
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return false;
    return status != 0;
}

/* Leaves out steps, half of them, a quarter, ... one, as long as it still fails; then says which are left, and shows the failure. */
static void make_short(uint64_t seed, const struct how *given) {
    bool out[STEPS_MAX] = {0};
    struct how how = {.hosts = given->hosts, .steps = given->steps, .left_out = out};
    unsigned steps = steps_of(seed, given);
    if (given->left_out)
        memcpy(out, given->left_out, sizeof out);
    for (unsigned size = MAX(1, steps / 2); size; size /= 2)
        for (unsigned at = 0; at < steps; at += size) {
            bool before[STEPS_MAX];
            memcpy(before, out, sizeof out);
            memset(out + at, true, MIN(size, how.steps - at));
            if (!memcmp(before, out, sizeof out) || !fails(seed, &how))
                memcpy(out, before, sizeof out);
        }
    fprintf(stderr, "the same, shorter: hosts-sim --seed %" PRIu64, seed);
    if (given->steps)
        fprintf(stderr, " --steps %u", given->steps);
    if (given->hosts)
        fprintf(stderr, " --hosts %u", given->hosts);
    fprintf(stderr, "%s --only ", lazy_is_on() ? " --lazy" : "");
    for (unsigned i = 0, n = 0; i < steps; i++)
        if (!out[i])
            fprintf(stderr, "%s%u", n++ ? "," : "", i);
    fprintf(stderr, " -v\n");
    struct world totals = {0};
    run_schedule(seed, &how, &totals);
}

static void parse_only(const char *text, bool out[STEPS_MAX]) {
    memset(out, true, STEPS_MAX);
    for (char *end; *text; text = *end ? end + 1 : end) {
        unsigned long i = strtoul(text, &end, 10);
        if (end == text)
            break;
        if (i < STEPS_MAX)
            out[i] = false;
    }
}

/* In a process of their own, so that a failure can be made shorter by another one. 0, or the seed that failed. */
static uint64_t run_all(uint64_t first, uint64_t n, const struct how *how, struct world *ret_totals) {
    struct shared {
        uint64_t seed;
        struct world totals;
    } *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;
    if (shared == MAP_FAILED)
        abort();
    at_seed = &shared->seed;
    pid_t pid = fork();
    if (pid == 0) {
        for (uint64_t i = 0; i < n; i++)
            run_watched(first + i, how, &shared->totals);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        abort();
    *ret_totals = shared->totals;
    return status != 0 ? shared->seed : 0;
}

struct wanted {
    uint64_t seed, schedules;
    struct how how;
    bool left_out[STEPS_MAX];
};

static bool parse(int argc, char **argv, struct wanted *ret) {
    static const struct option options[] = {{"seed", required_argument, NULL, 's'}, {"steps", required_argument, NULL, 'n'}, {"schedules", required_argument, NULL, 'c'},
                                            {"lazy", no_argument, NULL, 'l'}, {"hosts", required_argument, NULL, 'h'}, {"only", required_argument, NULL, 'o'}, {0}};
    bool one = false, count = false;
    for (int o; (o = getopt_long(argc, argv, "v", options, NULL)) != -1;) {
        if (o == 's')
            ret->seed = strtoull(optarg, NULL, 10), one = true;
        else if (o == 'n')
            ret->how.steps = (unsigned)MIN(strtoul(optarg, NULL, 10), STEPS_MAX);
        else if (o == 'c')
            ret->schedules = strtoull(optarg, NULL, 10), count = true;
        else if (o == 'h')
            ret->how.hosts = (unsigned)MIN(MAX(strtoul(optarg, NULL, 10), 2), HOSTS_MAX);
        else if (o == 'o')
            parse_only(optarg, ret->left_out), ret->how.left_out = ret->left_out;
        else if (o == 'l')
            lazy_turn_on();
        else if (o == 'v')
            verbose = true;
        else
            return false;
    }
    if (one && !count)
        ret->schedules = 1;
    return true;
}

int sim_main(int argc, char **argv, uint64_t first, uint64_t schedules) {
    struct wanted w = {.seed = first, .schedules = schedules};
    struct world totals = {0};
    if (!parse(argc, argv, &w))
        return 2;
    state_dirs_make();
    signal(SIGPROF, on_alarm);
    log_set_level(verbose ? LOG_LEVEL_DEBUG : 0);
    if (verbose) {
        for (uint64_t i = 0; i < w.schedules; i++)
            run_watched(w.seed + i, &w.how, &totals);
        return 0;
    }
    uint64_t bad = run_all(w.seed, w.schedules, &w.how, &totals);
    if (bad) {
        make_short(bad, &w.how);
        return 1;
    }
    printf("%" PRIu64 " schedules, %lu calls, %lu entries, %lu conflicts, %lu kills: all well\n", w.schedules, totals.calls, totals.entries,
           totals.conflicts, totals.kills);
    return 0;
}
