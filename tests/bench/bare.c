/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The limit that benchmarks compare with: libcurl alone, one thread, N requests at a time, and nothing done
 * with the bytes. It puts and gets the same bytes as the program that is measured, with the same options of
 * libcurl as src/net/http_transfer.c, signs puts, and hashes nothing.
 *
 *     bare put N URL          of each line "FILE\tOFFSET\tLENGTH\tKEY" of standard input: that part of the file to
 *                             URL/KEY, as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
 *     bare get N URL          of each line "KEY\tOFFSET\tLENGTH": that range of URL/KEY; LENGTH 0: all of it
 *     bare get-signed N URL   the same, as they
 *
 * Prints "MICROSECONDS REQUESTS BYTES": from the first request to the end of the last. Any answer from 300
 * on, or none, ends it with status 1.
 */
#include "base/file.h"
#include "net/sigv4.h"
#include "net/url.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

struct item {
    char *file; /* NULL: a get */
    uint64_t off, len;
    char *key;
};

struct slot {
    CURL *easy;
    const struct item *item;
    struct curl_slist *headers;
    void *map; /* of a put's file */
    size_t map_size;
    uint64_t got;
};

static struct item *items;
static size_t n_items, next_item;
static struct url base;
static const char *access_key, *secret_key, *region, *ca_file;
static bool putting, signing;
static uint64_t bytes;

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fputs("bare: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

static uint64_t number(const char *text) {
    char *end;
    uint64_t n = strtoull(text ? text : "", &end, 10);
    if (!text || !*text || *end)
        die("%s is not a number", text ? text : "nothing");
    return n;
}

static void read_list(void) {
    size_t room = 0, size = 0;
    char *line = NULL;
    ssize_t n;
    while ((n = getline(&line, &size, stdin)) > 0) {
        char *rest = line;
        if (line[n - 1] == '\n')
            line[n - 1] = '\0';
        if (n_items == room)
            items = xrealloc(items, (room = 2 * room + 64) * sizeof *items);
        struct item *i = &items[n_items++];
        i->file = putting ? xstrdup(strsep(&rest, "\t")) : NULL;
        if (!putting)
            i->key = xstrdup(strsep(&rest, "\t"));
        i->off = number(strsep(&rest, "\t"));
        i->len = number(strsep(&rest, "\t"));
        if (putting)
            i->key = xstrdup(rest ? rest : "");
    }
    free(line);
}

static size_t on_body(char *p, size_t size, size_t n, void *arg) {
    (void)p;
    ((struct slot *)arg)->got += size * n;
    return size * n;
}

static void add_header(struct slot *s, const char *line) {
    s->headers = curl_slist_append(s->headers, line);
    if (!s->headers)
        die("no memory");
}

static void sign(struct slot *s, const char *path) {
    CLEANUP_BUF struct buf signature = BUF_INIT((size_t)64 << 10);
    const struct sigv4_key key = {
        .access_key = access_key, .secret_key = secret_key, .region = region, .service = "s3"};
    const struct sigv4_pair headers[] = {{"Host", base.authority}};
    const struct sigv4_request request = {.method = putting ? "PUT" : "GET",
                                          .path = path,
                                          .headers = headers,
                                          .n_headers = 1,
                                          .payload = SIGV4_UNSIGNED_PAYLOAD,
                                          .time = time(NULL)};
    sigv4_sign(&key, &request, &signature);
    if (signature.err)
        die("no signature: %s", strerror(-signature.err));
    for (size_t at = 0; at < signature.len; at += strlen((char *)signature.data + at) + 1)
        add_header(s, (char *)signature.data + at);
}

static void map_file(struct slot *s) {
    const struct item *i = s->item;
    int fd = open(i->file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        die("%s: %s", i->file, strerror(errno));
    s->map_size = i->len;
    s->map = i->len ? mmap(NULL, i->len, PROT_READ, MAP_PRIVATE, fd, (off_t)i->off) : NULL;
    if (s->map == MAP_FAILED)
        die("%s: %s", i->file, strerror(errno));
    close(fd);
}

static void begin_put(struct slot *s) {
    map_file(s);
    add_header(s, "If-None-Match: *");
    add_header(s, "Content-Type: application/octet-stream");
    add_header(s, "Expect:");
    curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, s->map ? s->map : "");
    curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)s->item->len);
    curl_easy_setopt(s->easy, CURLOPT_CUSTOMREQUEST, "PUT");
}

static void begin_get(struct slot *s) {
    char range[64];
    if (s->item->len == 0)
        return;
    snprintf(range, sizeof range, "%llu-%llu", (unsigned long long)s->item->off,
             (unsigned long long)(s->item->off + s->item->len - 1));
    curl_easy_setopt(s->easy, CURLOPT_RANGE, range);
}

static void begin(CURLM *multi, struct slot *s) {
    CLEANUP_BUF struct buf path = BUF_INIT((size_t)16 << 10);
    s->item = &items[next_item++];
    s->got = 0;
    buf_append_str(&path, base.path);
    buf_append_byte(&path, '/');
    url_encode(&path, s->item->key, strlen(s->item->key), true);
    CLEANUP_FREE char *text = xasprintf("%s://%s%s", base.https ? "https" : "http", base.authority,
                                        buf_str(&path) ? buf_str(&path) : "/");
    curl_easy_reset(s->easy);
    curl_easy_setopt(s->easy, CURLOPT_URL, text);
    curl_easy_setopt(s->easy, CURLOPT_PRIVATE, s);
    curl_easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(s->easy, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(s->easy, CURLOPT_BUFFERSIZE, 512L << 10);
    curl_easy_setopt(s->easy, CURLOPT_UPLOAD_BUFFERSIZE, 2L << 20);
    curl_easy_setopt(s->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(s->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(s->easy, CURLOPT_PROXY, "");
    if (ca_file)
        curl_easy_setopt(s->easy, CURLOPT_CAINFO, ca_file);
    if (signing)
        sign(s, buf_str(&path));
    if (putting)
        begin_put(s);
    else
        begin_get(s);
    if (s->headers)
        curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, s->headers);
    curl_multi_add_handle(multi, s->easy);
}

static void end(CURLM *multi, struct slot *s, CURLcode result) {
    long status = 0;
    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    if (result != CURLE_OK)
        die("%s: %s", s->item->key, curl_easy_strerror(result));
    if (status >= 300)
        die("%s: status %ld", s->item->key, status);
    if (!putting && s->item->len && s->got != s->item->len)
        die("%s: %llu bytes instead of %llu", s->item->key, (unsigned long long)s->got,
            (unsigned long long)s->item->len);
    bytes += putting ? s->item->len : s->got;
    curl_multi_remove_handle(multi, s->easy);
    curl_slist_free_all(s->headers);
    s->headers = NULL;
    if (s->map)
        munmap(s->map, s->map_size);
    s->map = NULL;
}

static void run(CURLM *multi, struct slot *slots, size_t n) {
    int running = 0, left;
    for (size_t i = 0; i < n && next_item < n_items; i++, running++)
        begin(multi, &slots[i]);
    while (running > 0) {
        CURLMsg *m;
        if (curl_multi_perform(multi, &left) != CURLM_OK)
            die("curl fails");
        while ((m = curl_multi_info_read(multi, &left))) {
            struct slot *s;
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&s);
            end(multi, s, m->data.result);
            if (next_item < n_items)
                begin(multi, s);
            else
                running--;
        }
        if (running > 0)
            curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
}

static int64_t microseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000ll + t.tv_nsec / 1000;
}

int main(int argc, char **argv) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    putting = argc == 4 && !strcmp(argv[1], "put");
    signing = putting || (argc == 4 && !strcmp(argv[1], "get-signed"));
    if (argc != 4 || (!signing && strcmp(argv[1], "get") != 0)) {
        fprintf(stderr, "Usage: bare put|get|get-signed CONNECTIONS URL < LIST\n");
        return 2;
    }
    size_t n = number(argv[2]);
    if (n < 1 || n > 1024)
        die("%s connections?", argv[2]);
    if (url_parse(argv[3], &base, &why) < 0)
        die("%s", buf_str(&why));
    access_key = getenv("AWS_ACCESS_KEY_ID");
    secret_key = getenv("AWS_SECRET_ACCESS_KEY");
    region = getenv("AWS_REGION") ? getenv("AWS_REGION") : "us-east-1";
    ca_file = getenv("CA_FILE");
    if (signing && (!access_key || !secret_key))
        die("no keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
    read_list();
    curl_global_init(CURL_GLOBAL_ALL);
    CURLM *multi = curl_multi_init();
    struct slot *slots = xcalloc(n, sizeof *slots);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)n);
    for (size_t i = 0; i < n; i++)
        if (!(slots[i].easy = curl_easy_init()))
            die("no memory");
    int64_t began = microseconds();
    run(multi, slots, n);
    printf("%lld %zu %llu\n", (long long)(microseconds() - began), n_items, (unsigned long long)bytes);
    return fflush(stdout) == 0 ? 0 : 1;
}
