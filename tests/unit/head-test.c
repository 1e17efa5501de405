/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The head of the journal as it can be told behind a CDN: entries out of a cache prove nothing, an absence
 * may be a cache's memory, and a page may stand where an error should. Host a writes straight into the
 * bucket; host b reads through what the tests make of it.
 */
#include "tree/state.h"
#include "tree_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define JOURNAL ".assetfs/journal/"

static struct sim *sim;
static struct mem_bucket *bucket;
static struct tree_box *a, *b;

static int setup(void **state) {
    (void)state;
    sim = sim_new(1);
    bucket = mem_bucket_new();
    tree_box_init(sim, bucket);
    int r;
    a = tree_box_open(&(struct tree_box_config){.sim = sim, .bucket = bucket, .label = "a"}, &r);
    assert_int_equal(r, 0);
    assert_int_equal(box_claim(a), 0);
    b = NULL;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tree_box_free(a);
    tree_box_free(b);
    sim_free(sim);
    mem_bucket_free(bucket);
    return 0;
}

/* ---- helpers */

/* What stands between b and the bucket: faults, and an absence that may be untrue for 15 seconds. */
static struct store *cdn(struct env *env) {
    struct store *s = store_fault_new(store_mem_new(bucket, env, NULL));
    s->absence_ns = STORE_ABSENCE_NS;
    return s;
}

static int open_b(struct store *s, struct env *env, bool read_only) {
    int r;
    b = tree_box_open(&(struct tree_box_config){.sim = sim,
                                                .bucket = bucket,
                                                .env = env,
                                                .store = s,
                                                .label = "b",
                                                .timeout_ns = 60 * NS_PER_S,
                                                .read_only = read_only},
                      &r);
    b->cfg.timeout_ns = 0;
    if (b->tree)
        b->tree->cfg.timeout_ns = 0; /* it has started: from now on nobody waits in real time for a session */
    return r;
}

/* b, up to date, over a CDN without faults. */
static void start_b(void) {
    struct env *env = sim_env_new(sim, 0);
    assert_int_equal(open_b(cdn(env), env, false), 0);
    assert_int_equal(box_claim(b), 0);
}

static void write_files(int n) {
    for (int i = 0; i < n; i++) {
        CLEANUP_FREE char *name = xasprintf("f%d-%zu", i, mem_bucket_count(bucket, JOURNAL));
        assert_int_equal(box_put(a, name, "text"), 0);
        box_commit(a);
    }
}

static uint64_t head(void) {
    return mem_bucket_count(bucket, JOURNAL);
}

static char *entry(uint64_t n) {
    return xasprintf(JOURNAL "%016llu", (unsigned long long)n);
}

static void hide(struct store *s, uint64_t n) {
    CLEANUP_FREE char *key = entry(n);
    store_fault_hide(s, key);
}

static void cache_journal(struct store *s) {
    store_fault_add(s, &(struct fault_rule){.kind = FAULT_CACHED, .ops = FAULT_GET, .prefix = JOURNAL});
}

static void make_pages(struct store *s) {
    store_fault_add(s, &(struct fault_rule){.kind = FAULT_PAGE, .ops = FAULT_GET});
}

static struct tree_status status(void) {
    struct tree_status st;
    tree_status(b->tree, &st);
    return st;
}

static bool is_unproven(void) {
    struct tree_status st = status();
    bool yes = st.head_unproven_ns != 0;
    tree_status_free(&st);
    return yes;
}

static bool is_read_only(void) {
    struct tree_status st = status();
    bool yes = st.read_only;
    tree_status_free(&st);
    return yes;
}

static bool is_offline(const char *reason) {
    struct tree_status st = status();
    bool yes = st.offline && (!reason || (st.reason && strstr(st.reason, reason)));
    tree_status_free(&st);
    return yes;
}

static uint64_t sequence(void) {
    struct tree_status st = status();
    uint64_t n = st.sequence;
    tree_status_free(&st);
    return n;
}

/* ---- a mount that runs */

static void a_fresh_witness_proves_the_head(void **state) {
    (void)state;
    start_b();
    write_files(2);
    sim_run(sim, 10 * NS_PER_S);
    assert_int_equal(sequence(), head());
    assert_false(is_unproven());
}

static void a_cached_witness_proves_nothing(void **state) {
    (void)state;
    write_files(3);
    start_b();
    uint64_t was = sequence();
    cache_journal(b->store);
    sim_run(sim, 60 * NS_PER_S);
    assert_true(is_unproven());
    assert_false(is_offline(NULL));
    assert_false(is_read_only());
    assert_int_equal(sequence(), was);
    CLEANUP_FREE char *view = box_print(b);
    assert_non_null(strstr(view, "f2-"));
}

static void it_says_since_when(void **state) {
    (void)state;
    start_b();
    cache_journal(b->store);
    sim_run(sim, 10 * NS_PER_S);
    struct tree_status before = status();
    sim_run(sim, 60 * NS_PER_S);
    struct tree_status after = status();
    assert_true(before.head_unproven_ns != 0);
    assert_int_equal(after.head_unproven_ns, before.head_unproven_ns);
    tree_status_free(&before);
    tree_status_free(&after);
}

static void older_entries_are_asked_for(void **state) {
    (void)state;
    write_files(8);
    start_b();
    uint64_t n = sequence();
    CLEANUP_FREE char *newest = entry(n);
    unsigned rule = store_fault_add(
        b->store,
        &(struct fault_rule){.kind = FAULT_CACHED, .ops = FAULT_GET, .prefix = newest, .whole_key = true});
    sim_run(sim, 6 * NS_PER_S);
    assert_true(store_fault_hits(b->store, rule) > 0);
    for (int i = 0; i < 20 && is_unproven(); i++) {
        tree_poll_now(b->tree);
        sim_run(sim, NS_PER_S);
    }
    assert_false(is_unproven());
}

static void a_commit_goes_on_and_is_the_proof(void **state) {
    (void)state;
    start_b();
    cache_journal(b->store);
    sim_run(sim, 30 * NS_PER_S);
    assert_true(is_unproven());
    uint64_t before = head();
    assert_int_equal(box_put(b, "mine", "text"), 0);
    for (int i = 0; i < 60 && head() == before; i++)
        sim_run(sim, NS_PER_S);
    assert_int_equal(head(), before + 1);
    assert_false(is_unproven());
}

static void a_newest_entry_that_is_absent_for_seconds_is_a_caches_memory(void **state) {
    (void)state;
    write_files(2);
    start_b();
    hide(b->store, sequence());
    sim_run(sim, 10 * NS_PER_S);
    assert_false(is_read_only());
    store_fault_clear(b->store);
    write_files(1);
    sim_run(sim, 20 * NS_PER_S);
    assert_int_equal(sequence(), head());
    assert_false(is_read_only());
}

static void a_newest_entry_that_stays_absent_means_backwards(void **state) {
    (void)state;
    write_files(2);
    start_b();
    hide(b->store, sequence());
    sim_run(sim, 60 * NS_PER_S);
    assert_true(is_read_only());
    struct tree_status st = status();
    assert_non_null(strstr(st.reason, "went backwards"));
    tree_status_free(&st);
}

static void a_first_entry_out_of_a_cache_does_not_mean_backwards(void **state) {
    (void)state;
    write_files(2);
    start_b();
    CLEANUP_FREE char *first = entry(1);
    hide(b->store, sequence());
    store_fault_add(
        b->store,
        &(struct fault_rule){.kind = FAULT_CACHED, .ops = FAULT_GET, .prefix = first, .whole_key = true});
    sim_run(sim, 300 * NS_PER_S);
    assert_false(is_read_only());
    assert_true(is_unproven());
}

/* ---- garbage, and pages */

static void garbage_is_void_only_after_a_while(void **state) {
    (void)state;
    write_files(1);
    start_b();
    CLEANUP_FREE char *key = entry(head() + 1);
    mem_bucket_set(bucket, key, "garbage", 7);
    sim_run(sim, 12 * NS_PER_S);
    assert_int_equal(sequence(), head() - 1);
    sim_run(sim, 30 * NS_PER_S);
    assert_int_equal(sequence(), head());
    assert_int_equal(counter_get(&b->counters, COUNTER_ENTRIES_VOID), 1);
    box_follow(a);
    write_files(1);
    sim_run(sim, 10 * NS_PER_S);
    assert_int_equal(sequence(), head());
}

/* Who does not look meanwhile finds out when it wants the number itself. */
static void garbage_that_wins_a_race_is_found_out(void **state) {
    (void)state;
    start_b();
    b->tree->cfg.poll_ns = 3600 * NS_PER_S;
    sim_run(sim, 10 * NS_PER_S);
    CLEANUP_FREE char *key = entry(head() + 1);
    mem_bucket_set(bucket, key, "garbage", 7);
    assert_int_equal(box_put(b, "mine", "text"), 0);
    box_commit(b);
    assert_int_equal(counter_get(&b->counters, COUNTER_ENTRIES_VOID), 1);
    assert_int_equal(sequence(), head());
}

static void a_page_in_the_place_of_an_error_is_no_entry(void **state) {
    (void)state;
    write_files(1);
    start_b();
    uint64_t was = sequence();
    make_pages(b->store);
    sim_run(sim, 300 * NS_PER_S);
    assert_int_equal(sequence(), was);
    assert_int_equal(counter_get(&b->counters, COUNTER_ENTRIES_VOID), 0);
    assert_true(is_offline("a page of its own"));
    store_fault_clear(b->store);
    write_files(1);
    sim_run(sim, 120 * NS_PER_S);
    assert_int_equal(sequence(), head());
    assert_false(is_offline(NULL));
}

static void pages_that_differ_are_seen_through_as_well(void **state) {
    (void)state;
    write_files(1);
    start_b();
    uint64_t was = sequence();
    store_fault_add(b->store, &(struct fault_rule){.kind = FAULT_PAGE, .ops = FAULT_GET, .value = 1});
    sim_run(sim, 30 * NS_PER_S);
    assert_true(is_offline("a page of its own"));
    assert_int_equal(sequence(), was);
}

/* A page that comes and goes: while it is there for the journal's next number, it is not for the other one. */
static void a_page_now_and_then_makes_no_number_void(void **state) {
    (void)state;
    write_files(1);
    start_b();
    CLEANUP_FREE char *next = entry(head() + 1);
    for (int i = 0; i < 20; i++) {
        store_fault_add(b->store, &(struct fault_rule){.kind = FAULT_PAGE, .ops = FAULT_GET, .prefix = next, .whole_key = true});
        sim_run(sim, 9 * NS_PER_S);
        store_fault_clear(b->store);
        sim_run(sim, 9 * NS_PER_S);
    }
    assert_int_equal(counter_get(&b->counters, COUNTER_ENTRIES_VOID), 0);
    write_files(1);
    sim_run(sim, 60 * NS_PER_S);
    assert_int_equal(sequence(), head());
}

static void a_commit_behind_pages_makes_no_number_void(void **state) {
    (void)state;
    start_b();
    make_pages(b->store);
    assert_int_equal(box_put(b, "mine", "text"), 0);
    sim_run(sim, 60 * NS_PER_S);
    write_files(2);
    store_fault_clear(b->store);
    sim_run(sim, 120 * NS_PER_S);
    box_follow(a);
    assert_int_equal(counter_get(&b->counters, COUNTER_ENTRIES_VOID), 0);
    assert_int_equal(counter_get(&a->counters, COUNTER_ENTRIES_VOID), 0);
    assert_true(box_ino(a, "mine") != 0);
    assert_int_equal(sequence(), head());
}

/* ---- a mount that knows nothing */

static void a_fresh_mount_reads_everything(void **state) {
    (void)state;
    write_files(20);
    struct env *env = sim_env_new(sim, 0);
    assert_int_equal(open_b(cdn(env), env, true), 0);
    assert_int_equal(sequence(), head());
    assert_false(is_unproven());
}

static void one_entry_past_the_caches_is_enough(void **state) {
    (void)state;
    write_files(12);
    struct env *env = sim_env_new(sim, 0);
    struct store *s = cdn(env);
    for (uint64_t n = 1; n <= head(); n++) {
        CLEANUP_FREE char *key = entry(n);
        if (n % 3)
            store_fault_add(s, &(struct fault_rule){
                                   .kind = FAULT_CACHED, .ops = FAULT_GET, .prefix = key, .whole_key = true});
    }
    assert_int_equal(open_b(s, env, true), 0);
    assert_int_equal(sequence(), head());
}

static void read_only_it_does_not_begin_on_cached_entries_alone(void **state) {
    (void)state;
    write_files(3);
    struct env *env = sim_env_new(sim, 0);
    struct store *s = cdn(env);
    cache_journal(s);
    assert_int_equal(open_b(s, env, true), -EIO);
    assert_non_null(strstr(buf_str(&b->why), "without caching"));
    assert_non_null(strstr(buf_str(&b->why), ".assetfs/journal/"));
}

static void read_write_it_proves_the_head_by_an_entry(void **state) {
    (void)state;
    write_files(3);
    uint64_t before = head();
    struct env *env = sim_env_new(sim, 0);
    struct store *s = cdn(env);
    cache_journal(s);
    assert_int_equal(open_b(s, env, false), 0);
    assert_int_equal(head(), before + 1);
    assert_int_equal(sequence(), before + 1);
    assert_false(is_unproven());
}

static void hidden_entries_stop_a_fresh_mount(void **state) {
    (void)state;
    write_files(3);
    uint64_t before = head();
    struct env *env = sim_env_new(sim, 0);
    struct store *s = cdn(env);
    cache_journal(s);
    hide(s, before);
    int64_t began = sim_mono(sim);
    assert_int_equal(open_b(s, env, false), -EIO);
    assert_true(sim_mono(sim) - began < 30 * NS_PER_S);
    assert_non_null(strstr(buf_str(&b->why), "cannot be read"));
    assert_int_equal(head(), before);
}

static void show_again(void *arg) {
    store_fault_clear(arg);
}

static void an_entry_hidden_for_seconds_is_waited_for(void **state) {
    (void)state;
    write_files(3);
    uint64_t before = head();
    struct env *env = sim_env_new(sim, 0);
    struct store *s = cdn(env);
    cache_journal(s);
    hide(s, before);
    sim_after(sim, 8 * NS_PER_S, show_again, s);
    assert_int_equal(open_b(s, env, false), 0);
    assert_int_equal(sequence(), before + 1);
    CLEANUP_FREE char *view = box_print(b);
    assert_non_null(strstr(view, "f2-"));
}

static void a_refused_proof_is_explained(void **state) {
    (void)state;
    write_files(1);
    struct env *env = sim_env_new(sim, 0);
    struct store *s = cdn(env);
    cache_journal(s);
    store_fault_refuse_puts(s);
    assert_int_equal(open_b(s, env, false), -EIO);
    assert_non_null(strstr(buf_str(&b->why), "refuses"));
}

static void with_local_state_it_begins_unproven(void **state) {
    (void)state;
    write_files(3);
    start_b();
    uint64_t was = sequence();
    cache_journal(b->store);
    tree_box_reopen(b);
    assert_int_equal(sequence(), was);
    assert_true(is_unproven());
    assert_int_equal(head(), was);
}

static void with_local_state_an_absent_newest_entry_is_trouble(void **state) {
    (void)state;
    write_files(3);
    start_b();
    uint64_t was = sequence();
    hide(b->store, was);
    tree_box_reopen(b);
    assert_int_equal(sequence(), was);
    assert_true(is_offline(NULL));
    assert_false(is_read_only());
    store_fault_clear(b->store);
    write_files(1);
    sim_run(sim, 20 * NS_PER_S);
    assert_int_equal(sequence(), head());
    assert_false(is_offline(NULL));
}

static void pages_stop_a_fresh_mount(void **state) {
    (void)state;
    write_files(3);
    struct env *env = sim_env_new(sim, 0);
    struct store *s = cdn(env);
    make_pages(s);
    assert_int_equal(open_b(s, env, false), -EIO);
    assert_non_null(strstr(buf_str(&b->why), "custom error responses"));
}

static void trouble_on_the_way_is_waited_out(void **state) {
    (void)state;
    write_files(3);
    struct env *env = sim_env_new(sim, 0);
    struct store *s = cdn(env);
    store_fault_fail(s, FAULT_GET, NULL, 1, 25, -EIO);
    assert_int_equal(open_b(s, env, false), 0);
    assert_int_equal(sequence(), head());
}

static void garbage_before_an_entry_is_void_at_once(void **state) {
    (void)state;
    write_files(2);
    CLEANUP_FREE char *key = entry(head() + 1);
    mem_bucket_set(bucket, key, "garbage", 7);
    sim_run(sim, 20 * NS_PER_S);
    write_files(2);
    struct env *env = sim_env_new(sim, 0);
    int64_t began = sim_mono(sim);
    assert_int_equal(open_b(cdn(env), env, true), 0);
    assert_true(sim_mono(sim) - began < 5 * NS_PER_S);
    assert_int_equal(sequence(), head());
    assert_int_equal(counter_get(&b->counters, COUNTER_ENTRIES_VOID), 1);
}

static void garbage_at_the_end_is_looked_at_twice(void **state) {
    (void)state;
    write_files(2);
    CLEANUP_FREE char *key = entry(head() + 1);
    mem_bucket_set(bucket, key, "garbage", 7);
    struct env *env = sim_env_new(sim, 0);
    int64_t began = sim_mono(sim);
    assert_int_equal(open_b(cdn(env), env, true), 0);
    assert_true(sim_mono(sim) - began >= STORE_ABSENCE_NS);
    assert_int_equal(sequence(), head());
}

/* A mount that knows nothing, and a page at the next number for so many looks at it: how often there was one. */
static unsigned mount_with_pages(unsigned count, uint64_t *ret_void) {
    CLEANUP_FREE char *next = entry(head() + 1);
    struct env *env = sim_env_new(sim, 0);
    struct store *s = cdn(env);
    unsigned rule = store_fault_add(
        s, &(struct fault_rule){
               .kind = FAULT_PAGE, .ops = FAULT_GET, .prefix = next, .whole_key = true, .count = count});
    int r = open_b(s, env, true);
    assert_true((r == 0) == (count == 0));
    *ret_void = r == 0 ? counter_get(&b->counters, COUNTER_ENTRIES_VOID) : 0;
    unsigned hits = r == 0 ? store_fault_hits(s, rule) : count;
    tree_box_free(b);
    b = NULL;
    return hits;
}

static void what_goes_away_while_it_is_looked_at_is_not_void(void **state) {
    (void)state;
    uint64_t n_void;
    write_files(2);
    unsigned looks = mount_with_pages(0, &n_void);
    assert_int_equal(n_void, 1); /* the bucket's own bytes look the same */
    assert_true(looks >= 4);     /* the head's search, and three times: before, after and once more beside an absent number */
    for (unsigned n = 2; n < looks; n++) {
        (void)mount_with_pages(n, &n_void);
        assert_int_equal(n_void, 0);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(a_fresh_witness_proves_the_head),
        T(a_cached_witness_proves_nothing),
        T(it_says_since_when),
        T(older_entries_are_asked_for),
        T(a_commit_goes_on_and_is_the_proof),
        T(a_newest_entry_that_is_absent_for_seconds_is_a_caches_memory),
        T(a_newest_entry_that_stays_absent_means_backwards),
        T(a_first_entry_out_of_a_cache_does_not_mean_backwards),
        T(garbage_is_void_only_after_a_while),
        T(garbage_that_wins_a_race_is_found_out),
        T(a_page_in_the_place_of_an_error_is_no_entry),
        T(pages_that_differ_are_seen_through_as_well),
        T(a_page_now_and_then_makes_no_number_void),
        T(a_commit_behind_pages_makes_no_number_void),
        T(a_fresh_mount_reads_everything),
        T(one_entry_past_the_caches_is_enough),
        T(read_only_it_does_not_begin_on_cached_entries_alone),
        T(read_write_it_proves_the_head_by_an_entry),
        T(hidden_entries_stop_a_fresh_mount),
        T(an_entry_hidden_for_seconds_is_waited_for),
        T(a_refused_proof_is_explained),
        T(with_local_state_it_begins_unproven),
        T(with_local_state_an_absent_newest_entry_is_trouble),
        T(pages_stop_a_fresh_mount),
        T(trouble_on_the_way_is_waited_out),
        T(garbage_before_an_entry_is_void_at_once),
        T(garbage_at_the_end_is_looked_at_twice),
        T(what_goes_away_while_it_is_looked_at_is_not_void),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
