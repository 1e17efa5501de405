/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What names say: those that programs really use are temporary, those that people use are not.
 */
#include "tree/name_kind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static enum name_kind kind(const struct name_rules *r, const char *name) {
    return name_kind(r, name, strlen(name));
}

static void is_meant(const struct name_rules *r, const char *name, const char *want) {
    const char *meant;
    size_t n;
    name_meant(r, name, strlen(name), &meant, &n);
    CLEANUP_FREE char *text = xstrndup(meant, n);
    assert_string_equal(text, want);
}

static void temporary_names_of_programs(void **state ATTR_UNUSED) {
    static const struct {
        const char *name, *meant;
    } names[] = {
        {".photo.jpg.x1Y2z3", "photo.jpg"},           /* rsync */
        {".hidden.txt.EjU89a", "hidden.txt"},         /* rsync, of .hidden.txt */
        {".~tmp~", ".~tmp~"},                         /* rsync --delay-updates */
        {".rsync-partial", ".rsync-partial"},         /* rsync --partial-dir */
        {".goutputstream-1K5MZ1", ".goutputstream-1K5MZ1"}, /* GLib */
        {"clip.mp4.partial~", "clip.mp4"},            /* Thunar */
        {"notes.odt.kBwXyA", "notes.odt"},            /* Qt */
        {".text.txt.swp", "text.txt"},                /* vim */
        {".text.txt.swo", "text.txt"},
        {"4913", "4913"},
        {"text.txt~", "text.txt"},                    /* backups */
        {"#text.txt#", "text.txt"},                   /* emacs */
        {"film.mp4.part", "film.mp4"},                /* Firefox */
        {"Unconfirmed 123456.crdownload", "Unconfirmed 123456"}, /* Chrome */
        {"film.mp4.crdownload", "film.mp4"},
        {".com.google.Chrome.aBc123", "com.google.Chrome"},
        {"film.mp4.download", "film.mp4"},            /* Safari */
        {"film.mp4.filepart", "film.mp4"},            /* WinSCP */
        {"lu1234abcd.tmp", "lu1234abcd"},             /* LibreOffice */
        {"~WRD0001.tmp", "~WRD0001"},                 /* Word */
        {"~PST1234.tmp", "~PST1234"},                 /* Photoshop */
        {"Photoshop Temp12345", "Photoshop Temp12345"},
        {"4F2A91C0", "4F2A91C0"},                     /* Excel */
        {"report.pdf.sb-4f2a91c0-aB3dE6", "report.pdf"}, /* macOS */
        {"(A Document Being Saved By TextEdit)", "(A Document Being Saved By TextEdit)"},
        {"(A Document Being Saved By Pages 2)", "(A Document Being Saved By Pages 2)"},
        {".syncthing.photo.jpg.tmp", "photo.jpg"},
        {"tmp_obj_a1B2c3", "tmp_obj_a1B2c3"},         /* git */
    };
    struct name_rules *r = name_rules_new(NULL, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (kind(r, names[i].name) != NAME_TEMPORARY)
            fail_msg("%s is not temporary", names[i].name);
        is_meant(r, names[i].name, names[i].meant);
    }
    name_rules_free(r);
}

static void names_that_people_give(void **state ATTR_UNUSED) {
    static const char *const names[] = {
        "photo.jpg", "Photo.JPEG", "Logo.sketch", "Logo.Sketch", "v1.2.backup", "report.docx", ".gitignore", ".htaccess", "20240115",
        "12345678", "DEADLINE", "part", "download", "Makefile", "4914", "film.part1.rar", "a", "~", ".~lock.report.odt#", "~$report.docx",
        ".#text", "#1 hit.mp3", "C#", "tmp", ".tmp", "data.sqlite-wal", "data.db-journal", "yarn.lock", "Currency", "sediment", ".part",
        "\xe4\xf6\xfc", "x.swp", "(A Document)", ".DS_Store",
    };
    struct name_rules *r = name_rules_new(NULL, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (kind(r, names[i]) != NAME_FINAL)
            fail_msg("%s is not final", names[i]);
        is_meant(r, names[i], names[i]);
    }
    name_rules_free(r);
}

static void local_names_fit_in_any_case(void **state ATTR_UNUSED) {
    struct name_rules *r = name_rules_new(NULL, ".DS_Store:._*:Thumbs.db:System Volume Information");
    static const char *const local[] = {".DS_Store", "._photo.jpg", "._.x1Y2z3", "thumbs.db", "THUMBS.DB", "System Volume Information"};
    for (size_t i = 0; i < ARRAY_SIZE(local); i++)
        assert_int_equal(kind(r, local[i]), NAME_LOCAL);
    assert_int_equal(kind(r, "DS_Store"), NAME_FINAL);
    assert_int_equal(kind(r, ".DS_Store2"), NAME_FINAL);
    assert_int_equal(kind(r, "_photo.jpg"), NAME_FINAL);
    name_rules_free(r);
}

/* A local name stays one, even if it looks temporary. */
static void local_comes_before_temporary(void **state ATTR_UNUSED) {
    struct name_rules *r = name_rules_new("*.wip", "._*");
    assert_int_equal(kind(r, "._photo.jpg.x1Y2z3"), NAME_LOCAL);
    assert_int_equal(kind(r, "film.wip"), NAME_TEMPORARY);
    is_meant(r, "film.wip", "film.wip");
    name_rules_free(r);
}

static void none_and_nothing(void **state ATTR_UNUSED) {
    struct name_rules *r = name_rules_new("none", "none");
    assert_int_equal(kind(r, "none"), NAME_FINAL);
    assert_int_equal(kind(r, ".DS_Store"), NAME_FINAL);
    assert_int_equal(kind(r, "x.part"), NAME_TEMPORARY); /* the table always holds */
    name_rules_free(r);
    assert_int_equal(kind(NULL, "x.part"), NAME_FINAL);
    is_meant(NULL, "x.part", "x.part");
    assert_null(name_rules_free(NULL));
}

static void names_of_every_length(void **state ATTR_UNUSED) {
    struct name_rules *r = name_rules_new("x*", NULL);
    char name[300];
    memset(name, 'x', sizeof name);
    assert_int_equal(name_kind(r, name, 255), NAME_TEMPORARY);
    assert_int_equal(name_kind(r, name, 256), NAME_FINAL); /* no name */
    assert_int_equal(name_kind(r, name, 0), NAME_FINAL);
    name_rules_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(temporary_names_of_programs), cmocka_unit_test(names_that_people_give),
        cmocka_unit_test(local_names_fit_in_any_case), cmocka_unit_test(local_comes_before_temporary),
        cmocka_unit_test(none_and_nothing),            cmocka_unit_test(names_of_every_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
