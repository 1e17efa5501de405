/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Every secret of these tests has "hush" in it; no sentence and no log line may. Files younger than two
 * seconds are read again at each look, so tests of what has changed give their files an old time, as AGED
 * says.
 */
#include "net/credentials.h"
#include "base/file.h"
#include "base/log.h"
#include "fake_env.h"
#include "net/aws_environment.h"
#include "tmpdir.h"
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <time.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* A home directory with an empty .aws, no variable of AWS set, and what is logged. */
struct fixture {
    char *home, *log;
    int log_fd;
    struct fake_env *fake;
    struct credentials *c;
};

static int setup(void **state) {
    struct fixture *f = xcalloc(1, sizeof *f);
    for (size_t i = 0; i < AWS_VARIABLES; i++)
        unsetenv(aws_variable_names[i]);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    f->home = tmpdir_new();
    f->log = tmpdir_path(f->home, "log");
    f->log_fd = open(f->log, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(f->log_fd >= 0);
    setenv("HOME", f->home, 1);
    CLEANUP_FREE char *aws = tmpdir_path(f->home, ".aws");
    assert_int_equal(mkdir(aws, 0700), 0);
    f->fake = fake_env_new();
    fake_env_set_now(f->fake, (int64_t)time(NULL) * NS_PER_S);
    log_to_fd(f->log_fd);
    *state = f;
    return 0;
}

static void assert_tells_no_secret(const char *text) {
    if (strstr(text, "hush"))
        fail_msg("a secret is in \"%s\"", text);
}

/* What was logged until now, malloc'd. */
static char *logged(struct fixture *f) {
    struct buf b = BUF_INIT(1 << 20);
    assert_int_equal(file_load(f->log, &b), 0);
    char *ret = (char *)buf_take(&b, NULL);
    assert_tells_no_secret(ret);
    return ret;
}

static size_t count(const char *text, const char *part) {
    size_t n = 0;
    while ((text = strstr(text, part))) {
        n++;
        text += strlen(part);
    }
    return n;
}

/* So many lines were logged that have this part. */
static void assert_logged(struct fixture *f, const char *part, size_t times) {
    CLEANUP_FREE char *log = logged(f);
    if (count(log, part) != times)
        fail_msg("\"%s\" is not %zu times in:\n%s", part, times, log);
}

static int teardown(void **state) {
    struct fixture *f = *state;
    f->c = credentials_free(f->c);
    assert_null(f->c);
    fake_env_run(f->fake);
    log_to_fd(-1);
    free(logged(f));
    close(f->log_fd);
    fake_env_free(f->fake);
    tmpdir_free(f->home);
    free(f->log);
    free(f);
    return 0;
}

/* Writes it in place: the file stays the same one. */
static void write_file(struct fixture *f, const char *name, const char *text) {
    CLEANUP_FREE char *path = tmpdir_path(f->home, name);
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(file_pwrite_all(fd, text, strlen(text), 0), 0);
}

/* AGED: it was written that many seconds ago. */
static void age(struct fixture *f, const char *name, time_t seconds) {
    CLEANUP_FREE char *path = tmpdir_path(f->home, name);
    struct timespec when[2] = {{.tv_sec = time(NULL) - seconds}, {.tv_sec = time(NULL) - seconds}};
    assert_int_equal(utimensat(AT_FDCWD, path, when, AT_SYMLINK_NOFOLLOW), 0);
}

#define CREDENTIALS ".aws/credentials"
#define CONFIG ".aws/config"
#define KEYS(id) "aws_access_key_id = " id "\naws_secret_access_key = hush" id "\n"

static struct fake_env *the_fake; /* of the test that runs */

static struct credentials *look(struct fixture *f, const char *profile) {
    credentials_free(f->c);
    fake_env_run(f->fake);
    the_fake = f->fake;
    return f->c = credentials_new(fake_env(f->fake), &(struct credentials_config){.profile = profile});
}

/* What is known once somebody has looked. */
static int get(struct credentials *c, struct credential *ret, struct buf *why) {
    CLEANUP_BUF struct buf before = BUF_INIT(8192);
    if (credentials_get(c, false, ret, &before) == 0)
        credential_free(ret);
    fake_env_run(the_fake);
    return credentials_get(c, true, ret, why);
}

/* Whether there are others, once somebody has looked. */
static bool refused(struct credentials *c, unsigned generation) {
    struct credential k = {0};
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    if (credentials_refused(c, generation, true) == 0)
        return true;
    fake_env_run(the_fake);
    bool others = credentials_get(c, true, &k, &why) == 0 && k.generation != generation;
    credential_free(&k);
    return others;
}

/* The keys that hold now are those of KEYS(id). */
static unsigned assert_keys(struct credentials *c, const char *id) {
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    if (get(c, &k, &why) < 0)
        fail_msg("%s", buf_str(&why));
    CLEANUP_FREE char *secret = xasprintf("hush%s", id);
    unsigned generation = k.generation;
    assert_string_equal(k.access_key, id);
    assert_string_equal(k.secret_key, secret);
    assert_int_equal(why.len, 0);
    credential_free(&k);
    assert_null(k.secret_key);
    return generation;
}

/* There are none, and the sentence has all these parts; the last is NULL. */
static void assert_none(struct credentials *c, ...) {
    struct credential k = {0};
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    assert_int_equal(get(c, &k, &why), -EACCES);
    assert_null(k.access_key);
    assert_tells_no_secret(buf_str(&why));
    va_list ap;
    va_start(ap, c);
    for (const char *part; (part = va_arg(ap, const char *));)
        if (!strstr(buf_str(&why), part))
            fail_msg("\"%s\" does not say \"%s\"", buf_str(&why), part);
    va_end(ap);
}

static void set_environment(const char *id) {
    CLEANUP_FREE char *secret = xasprintf("hush%s", id);
    setenv("AWS_ACCESS_KEY_ID", id, 1);
    setenv("AWS_SECRET_ACCESS_KEY", secret, 1);
}

/* Where keys come from */

static void keys_of_the_environment(void **state) {
    struct fixture *f = *state;
    set_environment("ENV");
    assert_keys(look(f, NULL), "ENV");
}

static void white_space_around_a_variable_is_none_of_it(void **state) {
    struct fixture *f = *state;
    setenv("AWS_ACCESS_KEY_ID", " ENV\n", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "hushENV\r\n", 1);
    assert_keys(look(f, NULL), "ENV");
}

static void a_session_token_and_its_end(void **state) {
    struct fixture *f = *state;
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    set_environment("ENV");
    setenv("AWS_SESSION_TOKEN", "hush-token", 1);
    setenv("AWS_CREDENTIAL_EXPIRATION", "2026-11-22T02:29:36+00:00", 1);
    assert_int_equal(get(look(f, NULL), &k, &why), 0);
    assert_string_equal(k.session_token, "hush-token");
    assert_int_equal(k.expires, 1795314576);
    credential_free(&k);
}

static void the_environment_is_read_once(void **state) {
    struct fixture *f = *state;
    set_environment("ENV");
    struct credentials *c = look(f, NULL);
    set_environment("OTHER");
    assert_keys(c, "ENV");
}

static void half_of_the_environments_keys(void **state) {
    struct fixture *f = *state;
    write_file(f, CREDENTIALS, "[default]\n" KEYS("FILE"));
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    assert_none(look(f, NULL), "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not", NULL);
    unsetenv("AWS_ACCESS_KEY_ID");
    setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
    assert_none(look(f, NULL), "AWS_SECRET_ACCESS_KEY is set, but AWS_ACCESS_KEY_ID is not", NULL);
}

static void an_empty_variable_is_not_set(void **state) {
    struct fixture *f = *state;
    write_file(f, CREDENTIALS, "[default]\n" KEYS("FILE"));
    setenv("AWS_ACCESS_KEY_ID", "", 1);
    setenv("AWS_SECRET_ACCESS_KEY", " ", 1);
    setenv("AWS_PROFILE", "", 1);
    assert_keys(look(f, ""), "FILE");
}

static void keys_that_cannot_be_any(void **state) {
    struct fixture *f = *state;
    set_environment("ENV");
    setenv("AWS_SECRET_ACCESS_KEY", "hush\nX-Amz-Evil: 1", 1);
    assert_none(look(f, NULL), "AWS_SECRET_ACCESS_KEY has a character that cannot be in one", NULL);
    set_environment("ENV");
    setenv("AWS_SESSION_TOKEN", "hush hush", 1);
    assert_none(look(f, NULL), "AWS_SESSION_TOKEN has a character", NULL);
    write_file(f, CREDENTIALS, "[x]\naws_access_key_id = \xc3\xa4\naws_secret_access_key = hush\n");
    assert_none(look(f, "x"), "[x] of ", "credentials: aws_access_key_id has a character", NULL);
}

static void the_default_profile(void **state) {
    struct fixture *f = *state;
    write_file(f, CREDENTIALS,
               "[other]\n" KEYS("OTHER") "[default]\n" KEYS("FILE") "aws_session_token = hush-t\n");
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    assert_int_equal(get(look(f, NULL), &k, &why), 0);
    assert_string_equal(k.access_key, "FILE");
    assert_string_equal(k.session_token, "hush-t");
    assert_int_equal(k.expires, 0);
    credential_free(&k);
}

static void the_token_by_its_old_name(void **state) {
    struct fixture *f = *state;
    write_file(f, CREDENTIALS, "[default]\n" KEYS("FILE") "aws_security_token = hush-old\n");
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    assert_int_equal(get(look(f, NULL), &k, &why), 0);
    assert_string_equal(k.session_token, "hush-old");
    credential_free(&k);
}

static void the_environment_goes_before_the_default_profile(void **state) {
    struct fixture *f = *state;
    write_file(f, CREDENTIALS, "[default]\n" KEYS("FILE"));
    set_environment("ENV");
    assert_keys(look(f, NULL), "ENV");
}

static void an_explicit_profile_goes_before_the_environment(void **state) {
    struct fixture *f = *state;
    write_file(f, CREDENTIALS, "[x]\n" KEYS("X") "[y]\n" KEYS("Y"));
    set_environment("ENV");
    setenv("AWS_PROFILE", "y", 1);
    assert_keys(look(f, "x"), "X");
}

static void aws_profile_names_the_profile(void **state) {
    struct fixture *f = *state;
    write_file(f, CREDENTIALS, "[default]\n" KEYS("FILE") "[y]\n" KEYS("Y"));
    setenv("AWS_PROFILE", "y", 1);
    assert_keys(look(f, NULL), "Y");
    set_environment("ENV");
    assert_keys(look(f, NULL), "ENV");
}

static void keys_in_the_configuration_file(void **state) {
    struct fixture *f = *state;
    write_file(f, CONFIG, "[x]\n" KEYS("WRONG") "[profile x]\n" KEYS("X") "[default]\n" KEYS("DEFAULT"));
    assert_keys(look(f, "x"), "X");
    assert_keys(look(f, NULL), "DEFAULT");
    write_file(f, CREDENTIALS, "[x]\n" KEYS("FIRST"));
    assert_keys(look(f, "x"), "FIRST");
}

static void profile_default_goes_before_default(void **state) {
    struct fixture *f = *state;
    write_file(f, CONFIG,
               "[default]\naws_session_token = hush\n" KEYS("A") "[profile default]\n" KEYS(
                   "B") "[default]\n" KEYS("C"));
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    assert_int_equal(get(look(f, NULL), &k, &why), 0);
    assert_string_equal(k.access_key, "B");
    assert_null(k.session_token);
    credential_free(&k);
}

static void files_named_by_variables(void **state) {
    struct fixture *f = *state;
    CLEANUP_FREE char *path = tmpdir_path(f->home, "elsewhere");
    write_file(f, "elsewhere", "[default]\n" KEYS("ELSEWHERE"));
    write_file(f, "config-elsewhere", "[default]\nregion = mars\n");
    setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    setenv("AWS_CONFIG_FILE", "~/config-elsewhere", 1);
    assert_keys(look(f, NULL), "ELSEWHERE");
    CLEANUP_FREE char *region = credentials_region(f->c);
    assert_string_equal(region, "mars");
}

/* A daemon changes its directory. */
static void a_relative_path_is_made_absolute(void **state) {
    struct fixture *f = *state;
    CLEANUP_FREE char *before = get_current_dir_name();
    write_file(f, "relative", "[default]\n" KEYS("RELATIVE"));
    setenv("AWS_SHARED_CREDENTIALS_FILE", "relative", 1);
    assert_int_equal(chdir(f->home), 0);
    struct credentials *c = look(f, NULL);
    assert_int_equal(chdir(before), 0);
    assert_keys(c, "RELATIVE");
}

static void dev_null_is_an_empty_file(void **state) {
    struct fixture *f = *state;
    write_file(f, CREDENTIALS, "[default]\n" KEYS("FILE"));
    setenv("AWS_CONFIG_FILE", "/dev/null", 1);
    assert_keys(look(f, NULL), "FILE");
    assert_logged(f, "warning", 0);
}

/* Where there are none */

static void the_sentence_lists_every_place(void **state) {
    struct fixture *f = *state;
    CLEANUP_FREE char *credentials = tmpdir_path(f->home, CREDENTIALS " is not there");
    CLEANUP_FREE char *config = tmpdir_path(f->home, CONFIG " has no [default]");
    write_file(f, CONFIG, "[profile x]\nregion = eu\n");
    assert_none(look(f, NULL), "AWS_ACCESS_KEY_ID is not set", credentials, config,
                "AWS_EC2_METADATA_DISABLED is set", "set AWS_ACCESS_KEY_ID and", "profile=", NULL);
}

static void the_sentence_for_a_profile(void **state) {
    struct fixture *f = *state;
    set_environment("ENV");
    write_file(f, CREDENTIALS, "[y]\n" KEYS("Y"));
    write_file(f, CONFIG, "[profile x]\nregion = eu\n");
    assert_none(look(f, "x"), "/.aws/credentials has no [x]", "[profile x] of ", "/.aws/config has no keys",
                NULL);
    assert_none(look(f, "z"), "/.aws/credentials has no [z]", "/.aws/config has no [profile z]", NULL);
}

static void half_of_a_profiles_keys(void **state) {
    struct fixture *f = *state;
    write_file(f, CREDENTIALS, "[default]\naws_access_key_id = A\naws_secret_access_key =\n");
    assert_none(look(f, NULL), "[default] of ",
                "/.aws/credentials: aws_access_key_id is set, but aws_secret_access_key is not", NULL);
}

/* Where AWS's tools would go another way, keys beside it are not used. */
static void ways_that_lead_nowhere(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *setting, *says;
    } ways[] = {
        {"role_arn = arn:aws:iam::1:role/r", "config has role_arn, but neither source_profile nor"},
        {"sso_session = hush", "config has sso_session, which needs a browser"},
        {"sso_start_url = https://hush", "config has sso_start_url, which needs a browser"},
        {"web_identity_token_file = /hush", "but no role to use it for: set role_arn"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
        CLEANUP_FREE char *text = xasprintf("[profile x]\n%s\n" KEYS("WRONG"), ways[i].setting);
        write_file(f, CONFIG, text);
        assert_none(look(f, "x"), "[profile x] of ", ways[i].says, NULL);
    }
}

/* AWS's tools take the keys of the credentials file before a process. */
static void keys_before_a_process(void **state) {
    struct fixture *f = *state;
    write_file(f, CONFIG, "[profile x]\ncredential_process = /bin/false\n");
    write_file(f, CREDENTIALS, "[x]\n" KEYS("X"));
    assert_keys(look(f, "x"), "X");
}

static void a_web_identity_without_a_role(void **state) {
    struct fixture *f = *state;
    write_file(f, CREDENTIALS, "[default]\n" KEYS("FILE"));
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/token", 1);
    assert_none(look(f, NULL), "AWS_WEB_IDENTITY_TOKEN_FILE is set in the environment, but no role",
                "set AWS_ROLE_ARN", NULL);
    assert_keys(look(f, "default"), "FILE");
    set_environment("ENV");
    assert_keys(look(f, NULL), "ENV");
}

static void a_containers_endpoint_comes_after_the_profile(void **state) {
    struct fixture *f = *state;
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/v1/credentials", 1);
    assert_none(look(f, NULL), "AWS_CONTAINER_CREDENTIALS_FULL_URI is plain http to example.com", NULL);
    write_file(f, CREDENTIALS, "[default]\n" KEYS("FILE"));
    assert_keys(look(f, NULL), "FILE");
}

/* Files that are no good */

static void a_line_that_cannot_be_understood(void **state) {
    struct fixture *f = *state;
    write_file(f, CREDENTIALS, "[default]\n" KEYS("FILE") "hush\n");
    assert_none(look(f, NULL), "/.aws/credentials:4: expected", NULL);
    write_file(f, CREDENTIALS, "[default]\n" KEYS("FILE"));
    write_file(f, CONFIG, "region = eu\n");
    assert_none(look(f, NULL), "/.aws/config:1: expected", NULL);
}

/* Else the secret would be taken for a part of the access key. */
static void an_indented_secret(void **state) {
    struct fixture *f = *state;
    write_file(f, CREDENTIALS, "[default]\naws_access_key_id = A\n  aws_secret_access_key = hush\n");
    assert_none(look(f, NULL), "/.aws/credentials:3: expected", "not indented", NULL);
}

static void something_that_is_no_file(void **state) {
    struct fixture *f = *state;
    CLEANUP_FREE char *path = tmpdir_path(f->home, CREDENTIALS);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_none(look(f, NULL), "/.aws/credentials is not a regular file", NULL);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* does not wait for somebody to write */
    assert_none(look(f, NULL), "/.aws/credentials is not a regular file", NULL);
}

static void a_directory_that_is_a_file(void **state) {
    struct fixture *f = *state;
    write_file(f, "file", "");
    setenv("AWS_SHARED_CREDENTIALS_FILE", "~/file/credentials", 1);
    assert_none(look(f, NULL), "/file/credentials is not there", NULL);
}

static void too_large_a_file(void **state) {
    struct fixture *f = *state;
    CLEANUP_FREE char *path = tmpdir_path(f->home, CREDENTIALS);
    write_file(f, CREDENTIALS, "[default]\n" KEYS("FILE"));
    assert_int_equal(truncate(path, (off_t)AWS_FILE_MAX + 1), 0);
    assert_none(look(f, NULL), "/.aws/credentials is larger than", NULL);
}

/* Root may read everything, so it becomes somebody else for a while. */
static void a_file_that_may_not_be_read(void **state) {
    struct fixture *f = *state;
    CLEANUP_FREE char *path = tmpdir_path(f->home, CREDENTIALS), *dir = tmpdir_path(f->home, ".aws");
    uid_t me = geteuid();
    write_file(f, CREDENTIALS, "[default]\n" KEYS("FILE"));
    look(f, NULL);
    assert_int_equal(chmod(f->home, 0755), 0);
    assert_int_equal(chmod(dir, 0755), 0);
    assert_int_equal(chmod(path, 0), 0);
    if (me == 0 && seteuid(65534) < 0) {
        print_message("SKIP: root cannot become nobody here (%s)\n", strerror(errno));
        skip();
    }
    struct credential k = {0};
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    int r = get(f->c, &k, &why);
    assert_int_equal(seteuid(me), 0);
    assert_int_equal(r, -EACCES);
    assert_non_null(strstr(buf_str(&why),
                           "/.aws/credentials cannot be read (Permission denied): check its owner and mode"));
    assert_int_equal(chmod(path, 0600), 0);
    assert_keys(f->c, "FILE");
}

static void a_file_that_everybody_may_read(void **state) {
    struct fixture *f = *state;
    CLEANUP_FREE char *path = tmpdir_path(f->home, CREDENTIALS);
    write_file(f, CREDENTIALS, "[default]\n" KEYS("A"));
    write_file(f, CONFIG, "[default]\nregion = eu\n");
    CLEANUP_FREE char *config = tmpdir_path(f->home, CONFIG);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(chmod(config, 0644), 0);
    assert_keys(look(f, NULL), "A");
    assert_keys(f->c, "A");
    write_file(f, CREDENTIALS, "[default]\n" KEYS("B"));
    assert_keys(f->c, "B");
    assert_logged(f, "can be read by everybody on this machine: chmod 600", 1);
    assert_logged(f, "config", 0); /* it has no secret */
}

static void a_private_file_is_no_matter(void **state) {
    struct fixture *f = *state;
    CLEANUP_FREE char *path = tmpdir_path(f->home, CREDENTIALS);
    write_file(f, CREDENTIALS, "[default]\n" KEYS("A"));
    assert_int_equal(chmod(path, 0640), 0);
    assert_keys(look(f, NULL), "A");
    assert_logged(f, "warning", 0);
}

/* Files that change */

static void a_changed_file_is_read_again(void **state) {
    struct fixture *f = *state;
    write_file(f, CREDENTIALS, "[default]\n" KEYS("A"));
    age(f, CREDENTIALS, 100);
    unsigned first = assert_keys(look(f, NULL), "A");
    assert_int_equal(assert_keys(f->c, "A"), first);
    write_file(f, CREDENTIALS, "[default]\n" KEYS("B"));
    age(f, CREDENTIALS, 90);
    assert_int_not_equal(assert_keys(f->c, "B"), first);
}

/* The same inode, size and time of the last change: only the time of the last change of the inode differs. */
static void a_change_whose_time_was_set_back(void **state) {
    struct fixture *f = *state;
    write_file(f, CREDENTIALS, "[default]\n" KEYS("A"));
    age(f, CREDENTIALS, 100);
    assert_keys(look(f, NULL), "A");
    write_file(f, CREDENTIALS, "[default]\n" KEYS("B"));
    age(f, CREDENTIALS, 100);
    assert_keys(f->c, "B");
}

/* Two writes within one tick of the clock are one time. */
static void a_young_file_is_read_at_each_look(void **state) {
    struct fixture *f = *state;
    write_file(f, CREDENTIALS, "[default]\n" KEYS("A"));
    look(f, NULL);
    for (int i = 0; i < 20; i++) {
        write_file(f, CREDENTIALS, i % 2 ? "[default]\n" KEYS("A") : "[default]\n" KEYS("B"));
        assert_keys(f->c, i % 2 ? "A" : "B");
    }
}

static void a_file_that_was_replaced(void **state) {
    struct fixture *f = *state;
    CLEANUP_FREE char *path = tmpdir_path(f->home, CREDENTIALS), *other = tmpdir_path(f->home, "new");
    write_file(f, CREDENTIALS, "[default]\n" KEYS("A"));
    age(f, CREDENTIALS, 100);
    assert_keys(look(f, NULL), "A");
    write_file(f, "new", "[default]\n" KEYS("B"));
    age(f, "new", 100);
    assert_int_equal(rename(other, path), 0);
    assert_keys(f->c, "B");
}

/* credentials -> ..data/credentials, ..data -> ..1: the link ..data is replaced. */
static void a_symbolic_link_that_is_swapped(void **state) {
    struct fixture *f = *state;
    CLEANUP_FREE char *one = tmpdir_path(f->home, "..1"), *two = tmpdir_path(f->home, "..2");
    CLEANUP_FREE char *data = tmpdir_path(f->home, "..data"), *next = tmpdir_path(f->home, "..data_tmp");
    CLEANUP_FREE char *path = tmpdir_path(f->home, CREDENTIALS);
    assert_int_equal(mkdir(one, 0700), 0);
    assert_int_equal(mkdir(two, 0700), 0);
    write_file(f, "..1/credentials", "[default]\n" KEYS("A"));
    write_file(f, "..2/credentials", "[default]\n" KEYS("B"));
    age(f, "..1/credentials", 100);
    age(f, "..2/credentials", 100);
    assert_int_equal(symlink("..1", data), 0);
    assert_int_equal(symlink("../..data/credentials", path), 0);
    assert_keys(look(f, NULL), "A");
    assert_int_equal(symlink("..2", next), 0);
    assert_int_equal(rename(next, data), 0);
    assert_keys(f->c, "B");
}

static void a_file_that_appears(void **state) {
    struct fixture *f = *state;
    assert_none(look(f, NULL), "is not there", NULL);
    write_file(f, CONFIG, "[default]\n" KEYS("A"));
    age(f, CONFIG, 100);
    assert_keys(f->c, "A");
}

/* The last good keys stay until there are others; said once a state. */
static void a_half_written_file_loses_no_keys(void **state) {
    struct fixture *f = *state;
    static const char good[] = "[default]\n" KEYS("A");
    static const char *const next = "[default]\n" KEYS("B");
    write_file(f, CREDENTIALS, good);
    unsigned first = assert_keys(look(f, NULL), "A");
    /* Up to where the secret begins; a part of a secret looks like a secret. */
    for (size_t n = 0; n <= (size_t)(strstr(next, "hush") - next); n++) {
        CLEANUP_FREE char *text = xstrndup(next, n);
        write_file(f, CREDENTIALS, text);
        assert_int_equal(assert_keys(f->c, "A"), first);
    }
    assert_logged(f, "The keys that were read before stay in use", 8);
    write_file(f, CREDENTIALS, next);
    assert_int_not_equal(assert_keys(f->c, "B"), first);
}

static void a_warning_is_given_once(void **state) {
    struct fixture *f = *state;
    CLEANUP_FREE char *path = tmpdir_path(f->home, CREDENTIALS);
    write_file(f, CREDENTIALS, "[default]\n" KEYS("A"));
    assert_keys(look(f, NULL), "A");
    assert_int_equal(unlink(path), 0);
    for (int i = 0; i < 5; i++) {
        assert_keys(f->c, "A");
        assert_false(refused(f->c, 1));
    }
    assert_logged(f, "stay in use", 1);
    write_file(f, CREDENTIALS, "[default]\n" KEYS("A"));
    assert_keys(f->c, "A");
    assert_int_equal(unlink(path), 0);
    assert_keys(f->c, "A");
    assert_logged(f, "stay in use", 2);
}

static void keys_that_become_a_role_stay(void **state) {
    struct fixture *f = *state;
    write_file(f, CREDENTIALS, "[default]\n" KEYS("A"));
    assert_keys(look(f, NULL), "A");
    write_file(f, CONFIG, "[default]\nrole_arn = x\n");
    assert_keys(f->c, "A");
    assert_logged(f, "has role_arn, but neither source_profile", 1);
}

/* Keys that were refused */

static void refused_keys_that_are_still_the_same(void **state) {
    struct fixture *f = *state;
    write_file(f, CREDENTIALS, "[default]\n" KEYS("A"));
    age(f, CREDENTIALS, 100);
    unsigned generation = assert_keys(look(f, NULL), "A");
    assert_false(refused(f->c, generation));
    assert_false(refused(f->c, generation));
}

static void refused_keys_that_were_replaced(void **state) {
    struct fixture *f = *state;
    write_file(f, CREDENTIALS, "[default]\n" KEYS("A"));
    unsigned generation = assert_keys(look(f, NULL), "A");
    write_file(f, CREDENTIALS, "[default]\n" KEYS("B"));
    assert_true(refused(f->c, generation));
    assert_true(refused(f->c, generation)); /* another request with the old ones */
    assert_false(refused(f->c, assert_keys(f->c, "B")));
}

static void another_token_is_another_generation(void **state) {
    struct fixture *f = *state;
    write_file(f, CREDENTIALS, "[default]\n" KEYS("A") "aws_session_token = hush1\n");
    unsigned generation = assert_keys(look(f, NULL), "A");
    write_file(f, CREDENTIALS, "[default]\n" KEYS("A") "aws_session_token = hush2\n");
    assert_true(refused(f->c, generation));
}

static void the_environments_keys_are_refused_for_good(void **state) {
    struct fixture *f = *state;
    set_environment("ENV");
    unsigned generation = assert_keys(look(f, NULL), "ENV");
    write_file(f, CREDENTIALS, "[default]\n" KEYS("A"));
    assert_false(refused(f->c, generation));
}

static void nothing_to_refuse(void **state) {
    struct fixture *f = *state;
    assert_false(refused(look(f, NULL), 0));
}

/* Region and endpoint */

static void assert_region(struct fixture *f, const char *profile, const char *want) {
    CLEANUP_FREE char *region = credentials_region(look(f, profile));
    assert_string_equal(region ? region : "(none)", want);
}

static void assert_endpoint(struct fixture *f, const char *profile, const char *want) {
    CLEANUP_FREE char *endpoint = credentials_endpoint(look(f, profile));
    assert_string_equal(endpoint ? endpoint : "(none)", want);
}

static void regions(void **state) {
    struct fixture *f = *state;
    assert_region(f, NULL, "(none)");
    write_file(f, CONFIG, "[default]\nregion = one\n[profile x]\nregion = two\n");
    assert_region(f, NULL, "one");
    assert_region(f, "x", "two");
    setenv("AWS_DEFAULT_REGION", "three", 1);
    assert_region(f, "x", "three");
    setenv("AWS_REGION", "four", 1);
    assert_region(f, "x", "four");
}

static void endpoints(void **state) {
    struct fixture *f = *state;
    assert_endpoint(f, NULL, "(none)");
    write_file(f, CONFIG, "[default]\nendpoint_url = http://one\ns3 =\n  endpoint_url = http://not-this\n");
    assert_endpoint(f, NULL, "http://one");
    write_file(f, CONFIG,
               "[services s]\nsqs =\n  endpoint_url = http://no\ns3 =\n  endpoint_url = http://two\n"
               "[default]\nendpoint_url = http://one\nservices = s\n");
    assert_endpoint(f, NULL, "http://two");
    setenv("AWS_ENDPOINT_URL", "http://three", 1);
    assert_endpoint(f, NULL, "http://three");
    setenv("AWS_ENDPOINT_URL_S3", "http://four", 1);
    assert_endpoint(f, NULL, "http://four");
    setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "TRUE", 1);
    assert_endpoint(f, NULL, "(none)");
}

static void a_profile_may_ignore_endpoints(void **state) {
    struct fixture *f = *state;
    write_file(f, CONFIG, "[default]\nendpoint_url = http://one\nignore_configured_endpoint_urls = true\n");
    assert_endpoint(f, NULL, "(none)");
}

/* With keys of its own the environment can do without the files, but somebody should know. */
static void a_bad_file_beside_the_environments_keys(void **state) {
    struct fixture *f = *state;
    set_environment("ENV");
    write_file(f, CONFIG, "[default]\nregion\n");
    assert_keys(look(f, NULL), "ENV");
    CLEANUP_FREE char *region = credentials_region(f->c);
    assert_null(region);
    assert_logged(f, "/.aws/config:2: expected", 1);
}

/* All at once */

#define ROUNDS 200

static void *get_and_refuse(void *arg) {
    struct credentials *c = arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct credential k = {0};
        CLEANUP_BUF struct buf why = BUF_INIT(8192);
        if (credentials_get(c, false, &k, &why) < 0)
            return (void *)(uintptr_t)1;
        bool pair = strlen(k.secret_key) > 4 && strcmp(k.secret_key + 4, k.access_key) == 0;
        (void)!credentials_refused(c, k.generation, true);
        free(credentials_region(c));
        credential_free(&k);
        if (!pair)
            return (void *)(uintptr_t)1;
    }
    return NULL;
}

/* Every set of keys is a whole one, whatever the file goes through. */
static void threads_and_a_file_that_is_rewritten(void **state) {
    struct fixture *f = *state;
    CLEANUP_FREE char *path = tmpdir_path(f->home, CREDENTIALS), *next = tmpdir_path(f->home, "next");
    pthread_t thread[3];
    write_file(f, CREDENTIALS, "[default]\n" KEYS("A"));
    assert_keys(look(f, NULL), "A");
    for (size_t i = 0; i < ARRAY_SIZE(thread); i++)
        assert_int_equal(pthread_create(&thread[i], NULL, get_and_refuse, f->c), 0);
    for (int i = 0; i < ROUNDS; i++) {
        write_file(f, "next", i % 2 ? "[default]\n" KEYS("ODD") : "[default]\n" KEYS("EVEN"));
        assert_int_equal(rename(next, path), 0);
        fake_env_run(f->fake);
    }
    for (size_t i = 0; i < ARRAY_SIZE(thread); i++) {
        void *bad;
        pthread_join(thread[i], &bad);
        assert_null(bad);
    }
    assert_keys(f->c, "ODD");
}

/* Secrets in memory */

/* So long that free(), which writes into the beginning of what it gets, leaves most of it; made here so that
 * the program's own data does not have it. */
#define NEEDLE_LEN 200
static void make_needle(char ret[NEEDLE_LEN + 1]) {
    for (int i = 0; i < NEEDLE_LEN; i++)
        ret[i] = (char)('a' + (i * i + i / 26) % 26);
    ret[NEEDLE_LEN] = '\0';
}

/* How often its second half is in what malloc() gives: writable memory without a file. The stack is left out,
 * since `needle` is there. */
static int in_memory(const char *needle) {
    FILE *maps = fopen("/proc/self/maps", "re");
    assert_non_null(maps);
    char line[4096];
    int n = 0;
    while (fgets(line, sizeof line, maps)) {
        uintptr_t from, to;
        char name[32] = "";
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " rw-p 00000000 00:00 0 %31s", &from, &to, name) < 2 ||
            !strstr(line, " rw-p 00000000 00:00 0 ") || (*name && strcmp(name, "[heap]") != 0))
            continue;
        const char *at = (const char *)from, *end = (const char *)to;
        for (; (at = memmem(at, (size_t)(end - at), needle + NEEDLE_LEN / 2, NEEDLE_LEN / 2)); at++)
            n++;
    }
    fclose(maps);
    return n;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_ALLOCATOR true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OWN_ALLOCATOR true
#endif
#endif
#ifndef OWN_ALLOCATOR
#define OWN_ALLOCATOR (getenv("LD_PRELOAD") && strstr(getenv("LD_PRELOAD"), "vgpreload"))
#endif

static void secrets_are_zeroed(void **state) {
    struct fixture *f = *state;
    if (OWN_ALLOCATOR) {
        print_message("SKIP: another allocator than the C library's: its memory cannot be searched\n");
        skip();
    }
    static char text[65536]; /* so large, and the secret in the middle, that nobody else's use of the memory
                                covers it by chance */
    char needle[NEEDLE_LEN + 1];
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    make_needle(needle);
    snprintf(text, sizeof text,
             "%030000d\r[default]\naws_access_key_id = A\naws_secret_access_key = %s\n#%030000d", 0, needle,
             0);
    *text = '#';
    *strchr(text, '\r') = '\n';
    write_file(f, CREDENTIALS, text);
    explicit_bzero(text, sizeof text);
    assert_int_equal(in_memory(needle), 0);
    assert_int_equal(get(look(f, NULL), &k, &why), 0);
    assert_string_equal(k.secret_key, needle);
    assert_int_equal(in_memory(needle), 2); /* theirs and ours; none in what was read and parsed */
    credential_free(&k);
    assert_int_equal(in_memory(needle), 1);
    write_file(f, CREDENTIALS, "[default]\n" KEYS("B"));
    assert_keys(f->c, "B");
    assert_int_equal(in_memory(needle), 0);
    snprintf(text, sizeof text, "#%030000d\n[default]\naws_secret_access_key = %s\nand no more", 0, needle);
    write_file(f, CREDENTIALS, text);
    explicit_bzero(text, sizeof text);
    assert_keys(f->c, "B");
    f->c = credentials_free(f->c);
    assert_int_equal(in_memory(needle), 0);
}

static void free_takes_null(void **state) {
    (void)state;
    struct credential k = {0};
    assert_null(credentials_free(NULL));
    credential_free(&k);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(keys_of_the_environment),
        TEST(white_space_around_a_variable_is_none_of_it),
        TEST(a_session_token_and_its_end),
        TEST(the_environment_is_read_once),
        TEST(half_of_the_environments_keys),
        TEST(an_empty_variable_is_not_set),
        TEST(keys_that_cannot_be_any),
        TEST(the_default_profile),
        TEST(the_token_by_its_old_name),
        TEST(the_environment_goes_before_the_default_profile),
        TEST(an_explicit_profile_goes_before_the_environment),
        TEST(aws_profile_names_the_profile),
        TEST(keys_in_the_configuration_file),
        TEST(profile_default_goes_before_default),
        TEST(files_named_by_variables),
        TEST(a_relative_path_is_made_absolute),
        TEST(dev_null_is_an_empty_file),
        TEST(the_sentence_lists_every_place),
        TEST(the_sentence_for_a_profile),
        TEST(half_of_a_profiles_keys),
        TEST(ways_that_lead_nowhere),
        TEST(keys_before_a_process),
        TEST(a_web_identity_without_a_role),
        TEST(a_containers_endpoint_comes_after_the_profile),
        TEST(a_line_that_cannot_be_understood),
        TEST(an_indented_secret),
        TEST(something_that_is_no_file),
        TEST(a_directory_that_is_a_file),
        TEST(too_large_a_file),
        TEST(a_file_that_may_not_be_read),
        TEST(a_file_that_everybody_may_read),
        TEST(a_private_file_is_no_matter),
        TEST(a_changed_file_is_read_again),
        TEST(a_change_whose_time_was_set_back),
        TEST(a_young_file_is_read_at_each_look),
        TEST(a_file_that_was_replaced),
        TEST(a_symbolic_link_that_is_swapped),
        TEST(a_file_that_appears),
        TEST(a_half_written_file_loses_no_keys),
        TEST(a_warning_is_given_once),
        TEST(keys_that_become_a_role_stay),
        TEST(refused_keys_that_are_still_the_same),
        TEST(refused_keys_that_were_replaced),
        TEST(another_token_is_another_generation),
        TEST(the_environments_keys_are_refused_for_good),
        TEST(nothing_to_refuse),
        TEST(regions),
        TEST(endpoints),
        TEST(a_profile_may_ignore_endpoints),
        TEST(a_bad_file_beside_the_environments_keys),
        TEST(threads_and_a_file_that_is_rewritten),
        TEST(secrets_are_zeroed),
        cmocka_unit_test(free_takes_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
