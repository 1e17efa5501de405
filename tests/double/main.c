/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * assetfs-double: S3 and a CDN in one process on loopback, for tests of assetfs: s3.h, cdn.h, faults.h and
 * control.h say what they do.
 */
#include "cdn.h"
#include "control.h"
#include "s3.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static const char usage[] =
    "usage: assetfs-double --objects DIR [OPTION...]\n"
    "  --objects DIR         where the objects are kept, in the layout of a directory bucket\n"
    "  --work DIR            for what is being made, on the same file system; removed at the end (DIR.work)\n"
    "  --ready FILE          written when all answer: S3=URL, CDN=URL, CONTROL=URL, a line each (they are "
    "printed in any case)\n"
    "  --s3-port N, --cdn-port N, --control-port N    0: any (0)\n"
    "  --cert FILE --key FILE    PEM: S3 and CDN by TLS\n"
    "  --tls-priorities TEXT     of GnuTLS: which versions S3 and CDN speak\n"
    "  --bucket NAME         (assets)     --region NAME    (us-east-1)\n"
    "  --domain NAME         bucket.NAME is an address of the bucket, too (localhost, and what is given)\n"
    "  --credential LINE     \"writer|reader|owner ACCESS SECRET [TOKEN]\"; there are writer WRITERKEY "
    "writersecret, reader CDNKEY cdnsecret,\n"
    "                        owner OWNERKEY ownersecret\n"
    "  --uncached PATTERN    keys that the CDN does not cache (*.assetfs/journal/*, unless there are "
    "others)\n"
    "  --private PATTERN     keys that the CDN gives to signed URLs and cookies only\n"
    "  --signer ID=FILE      whose signatures count: a Key-Pair-Id and its public key, PEM\n"
    "  --set NAME=VALUE      demand-condition=1 early-412=0 small-parts=0 cache-all=0 error-ttl=10 "
    "latency=0\n"
    "  --small-parts         --set small-parts=1\n"
    "  --error-ttl SECONDS   --set error-ttl=SECONDS\n"
    "  --latency MS          --set latency=MS\n"
    "  --faults RULES        as by POST /faults\n"
    "  --log FILE            a line for each request\n"
    "  --with-parent         ends with the process that started it\n";

enum {
    OPTION_OBJECTS = 256,
    OPTION_WORK,
    OPTION_READY,
    OPTION_S3_PORT,
    OPTION_CDN_PORT,
    OPTION_CONTROL_PORT,
    OPTION_CERT,
    OPTION_KEY,
    OPTION_TLS_PRIORITIES,
    OPTION_BUCKET,
    OPTION_REGION,
    OPTION_DOMAIN,
    OPTION_CREDENTIAL,
    OPTION_UNCACHED,
    OPTION_PRIVATE,
    OPTION_SIGNER,
    OPTION_SET,
    OPTION_SMALL_PARTS,
    OPTION_ERROR_TTL,
    OPTION_LATENCY,
    OPTION_FAULTS,
    OPTION_LOG,
    OPTION_WITH_PARENT,
    OPTION_HELP
};

static const struct option OPTIONS[] = {
    {"objects", required_argument, NULL, OPTION_OBJECTS},
    {"work", required_argument, NULL, OPTION_WORK},
    {"ready", required_argument, NULL, OPTION_READY},
    {"s3-port", required_argument, NULL, OPTION_S3_PORT},
    {"cdn-port", required_argument, NULL, OPTION_CDN_PORT},
    {"control-port", required_argument, NULL, OPTION_CONTROL_PORT},
    {"cert", required_argument, NULL, OPTION_CERT},
    {"key", required_argument, NULL, OPTION_KEY},
    {"tls-priorities", required_argument, NULL, OPTION_TLS_PRIORITIES},
    {"bucket", required_argument, NULL, OPTION_BUCKET},
    {"region", required_argument, NULL, OPTION_REGION},
    {"domain", required_argument, NULL, OPTION_DOMAIN},
    {"credential", required_argument, NULL, OPTION_CREDENTIAL},
    {"uncached", required_argument, NULL, OPTION_UNCACHED},
    {"private", required_argument, NULL, OPTION_PRIVATE},
    {"signer", required_argument, NULL, OPTION_SIGNER},
    {"set", required_argument, NULL, OPTION_SET},
    {"small-parts", no_argument, NULL, OPTION_SMALL_PARTS},
    {"error-ttl", required_argument, NULL, OPTION_ERROR_TTL},
    {"latency", required_argument, NULL, OPTION_LATENCY},
    {"faults", required_argument, NULL, OPTION_FAULTS},
    {"log", required_argument, NULL, OPTION_LOG},
    {"with-parent", no_argument, NULL, OPTION_WITH_PARENT},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

struct start {
    struct site site;
    const char *objects, *work, *ready, *log;
    const char *priorities;
    char *cert, *key; /* the files' text */
    unsigned s3_port, cdn_port, control_port;
};

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fputs("assetfs-double: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(2);
}

static char *read_file(const char *path) {
    FILE *f = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    if (!f || getdelim(&text, &size, '\0', f) < 0)
        die("cannot read %s: %s", path, strerror(errno));
    fclose(f);
    return text;
}

static unsigned port_of(const char *text) {
    uint64_t n;
    if (!text_number(text, &n) || n > 65535)
        die("not a port: %s", text);
    return (unsigned)n;
}

static void add_name(const char **list, size_t max, const char *name) {
    size_t n = 0;
    while (list[n])
        n++;
    if (n + 1 == max)
        die("too many of them: %s", name);
    list[n] = name;
}

static void set(struct site *site, const char *name, const char *value) {
    CLEANUP_FREE char *text = *name ? xasprintf("%s=%s", name, value) : xstrdup(value);
    if (!control_set(site, text))
        die("not a setting: %s", text);
}

/* Options that can be given several times, or say something in short. */
static void take_other(struct start *s, int option, const char *value) {
    switch (option) {
    case OPTION_DOMAIN:
        add_name(s->site.domains, SITE_DOMAINS, value);
        break;
    case OPTION_UNCACHED:
        add_name(s->site.uncached, SITE_PATTERNS, value);
        break;
    case OPTION_PRIVATE:
        add_name(s->site.private, SITE_PATTERNS, value);
        break;
    case OPTION_SIGNER:
        if (!url_keys_add(s->site.url_keys, value))
            die("not a public key: %s", value);
        break;
    case OPTION_CREDENTIAL:
        if (!keyring_command(s->site.keys, value))
            die("not a credential: %s", value);
        break;
    case OPTION_FAULTS:
        if (!faults_add(s->site.faults, value, stderr))
            exit(2);
        break;
    case OPTION_SET:
        set(&s->site, "", value);
        break;
    case OPTION_SMALL_PARTS:
        set(&s->site, "small-parts", "1");
        break;
    case OPTION_ERROR_TTL:
        set(&s->site, "error-ttl", value);
        break;
    case OPTION_LATENCY:
        set(&s->site, "latency", value);
        break;
    case OPTION_WITH_PARENT:
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        break;
    case OPTION_HELP:
        fputs(usage, stdout);
        exit(0);
    default:
        fputs(usage, stderr);
        exit(2);
    }
}

static void take_option(struct start *s, int option, char *value) {
    switch (option) {
    case OPTION_OBJECTS:
        s->objects = value;
        break;
    case OPTION_WORK:
        s->work = value;
        break;
    case OPTION_READY:
        s->ready = value;
        break;
    case OPTION_LOG:
        s->log = value;
        break;
    case OPTION_S3_PORT:
        s->s3_port = port_of(value);
        break;
    case OPTION_CDN_PORT:
        s->cdn_port = port_of(value);
        break;
    case OPTION_CONTROL_PORT:
        s->control_port = port_of(value);
        break;
    case OPTION_CERT:
        s->cert = read_file(value);
        break;
    case OPTION_KEY:
        s->key = read_file(value);
        break;
    case OPTION_TLS_PRIORITIES:
        s->priorities = value;
        break;
    case OPTION_BUCKET:
        s->site.bucket_name = value;
        break;
    case OPTION_REGION:
        s->site.region = value;
        break;
    default:
        take_other(s, option, value);
    }
}

static void parse(struct start *s, int argc, char **argv) {
    for (int option; (option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;)
        take_option(s, option, optarg);
    if (!s->objects || optind != argc || !s->cert != !s->key) {
        fputs(usage, stderr);
        exit(2);
    }
    add_name(s->site.domains, SITE_DOMAINS, "localhost");
    if (!s->site.uncached[0])
        add_name(s->site.uncached, SITE_PATTERNS, "*.assetfs/journal/*");
}

/* A part of an upload is an open file. */
static void allow_many_files(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void say_ready(const char *path, const char *text) {
    fputs(text, stdout);
    fflush(stdout);
    if (!path)
        return;
    CLEANUP_FREE char *tmp = xasprintf("%s.new", path);
    FILE *f = fopen(tmp, "we");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0 || rename(tmp, path) < 0)
        die("cannot write %s: %s", path, strerror(errno));
}

static void serve(struct start *s, const sigset_t *ends) {
    struct site *site = &s->site;
    struct control control = {.site = site};
    const struct service s3 = s3_service(site), cdn = cdn_service(site), steering = control_service(&control);
    struct server_config config = {.service = &s3,
                                   .faults = site->faults,
                                   .tally = site->tally,
                                   .cert = s->cert,
                                   .key = s->key,
                                   .priorities = s->priorities,
                                   .latency = &site->latency};
    control.s3 = server_new(&config, s->s3_port);
    config.service = &cdn;
    control.cdn = control.s3 ? server_new(&config, s->cdn_port) : NULL;
    config = (struct server_config){.service = &steering, .tally = site->tally};
    struct server *steer = control.cdn ? server_new(&config, s->control_port) : NULL;
    if (!steer)
        exit(1);
    CLEANUP_FREE char *s3_url = server_url(control.s3);
    CLEANUP_FREE char *cdn_url = server_url(control.cdn);
    CLEANUP_FREE char *control_url = server_url(steer);
    CLEANUP_FREE char *text = xasprintf("S3=%s\nCDN=%s\nCONTROL=%s\n", s3_url, cdn_url, control_url);
    say_ready(s->ready, text);
    int which;
    sigwait(ends, &which);
    server_free(steer);
    server_free(control.cdn);
    server_free(control.s3);
}

int main(int argc, char **argv) {
    struct start s = {.site = {.bucket_name = "assets", .region = "us-east-1"}};
    struct site *site = &s.site;
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL); /* all threads will have it so */
    signal(SIGPIPE, SIG_IGN);
    umask(022);
    allow_many_files();
    site->demand_condition = 1;
    site->error_ttl = 10;
    site->keys = keyring_new();
    site->url_keys = url_keys_new();
    site->authoriser = authoriser_new();
    site->faults = faults_new();
    parse(&s, argc, argv);
    CLEANUP_FREE char *work = s.work ? xstrdup(s.work) : xasprintf("%s.work", s.objects);
    site->tally = tally_new(s.log);
    if (!site->tally)
        die("cannot write %s: %s", s.log, strerror(errno));
    site->bucket = bucket_new(s.objects, work);
    if (!site->bucket)
        return 1;
    site->uploads = uploads_new(site->bucket);
    site->cache = cdn_cache_new(site->bucket);
    serve(&s, &ends);
    cdn_cache_free(site->cache);
    uploads_free(site->uploads);
    bucket_free(site->bucket);
    tally_free(site->tally);
    keyring_free(site->keys);
    url_keys_free(site->url_keys);
    authoriser_free(site->authoriser);
    faults_free(site->faults);
    free(s.cert);
    free(s.key);
    return 0;
}
