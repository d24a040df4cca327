// The tuning table: what is put is found, another table has another hash, and a file is taken only
// whole and on its own device and driver.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "gpu/tuning.h"
#include "support/scratch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static lm_tuning *create(void)
{
    lm_error err = {0};
    lm_tuning *tuning = lm_tuning_create(&err);
    assert_non_null(tuning);
    return tuning;
}

static lm_tuning_entry entry_of(uint32_t rows, uint32_t word)
{
    return (lm_tuning_entry){
        .key = {.op = LM_TUNED_MATVEC, .storage = 3, .rows = rows, .cols = 12, .tokens = 1},
        .words = {word, 2, 1, 4},
        .gain = 1100};
}

static void put(lm_tuning *tuning, uint32_t rows, uint32_t word)
{
    const lm_tuning_entry entry = entry_of(rows, word);
    lm_tuning_put(tuning, &entry);
}

// The first word for that many rows, 0 where there is none.
static uint32_t word_of(const lm_tuning *tuning, uint32_t rows)
{
    const lm_tuning_entry wanted = entry_of(rows, 0);
    const lm_tuning_entry *entry = lm_tuning_find(tuning, &wanted.key);
    return entry ? entry->words[0] : 0;
}

static lm_device_stamp make_stamp(void)
{
    lm_device_stamp stamp = {.vendor = 0x10005,
                             .driver_version = 0x1900007,
                             .limits_hash = 0xfedcba9876543210,
                             .modules_hash = 0x0123456789abcdef};
    memcpy(stamp.magic, "lmtuned1", sizeof stamp.magic);
    memset(stamp.device_uuid, 0x11, sizeof stamp.device_uuid);
    memset(stamp.driver_uuid, 0x22, sizeof stamp.driver_uuid);
    return stamp;
}

static void classes(void **state)
{
    (void)state;
    assert_int_equal(lm_tuning_class(0), 0);
    assert_int_equal(lm_tuning_class(1), 1);
    assert_int_equal(lm_tuning_class(2048), 12);
    assert_int_equal(lm_tuning_class(4095), 12);
    assert_int_equal(lm_tuning_class(4096), 13);
    assert_int_equal(lm_tuning_class(UINT32_MAX), 32);
}

static void a_table(void **state)
{
    (void)state;
    lm_tuning *tuning = create();
    assert_int_equal(lm_tuning_hash(tuning), 0);
    put(tuning, 12, 7);
    const uint64_t one = lm_tuning_hash(tuning);
    assert_int_not_equal(one, 0);
    put(tuning, 13, 8);
    const uint64_t two = lm_tuning_hash(tuning);
    assert_int_not_equal(two, one);
    assert_int_equal(word_of(tuning, 12), 7);
    assert_int_equal(word_of(tuning, 13), 8);
    assert_int_equal(word_of(tuning, 14), 0);
    put(tuning, 12, 9); // replaces
    assert_int_equal(word_of(tuning, 12), 9);
    assert_null(lm_tuning_at(tuning, 2));
    assert_int_not_equal(lm_tuning_hash(tuning), two);

    lm_tuning *other = create(); // the same in another order
    put(other, 13, 8);
    put(other, 12, 9);
    assert_int_equal(lm_tuning_hash(other), lm_tuning_hash(tuning));
    for (uint32_t i = 100; i < 3000; i++) // more than there is room for
        put(other, i, i);
    assert_int_equal(word_of(other, 12), 9);
    assert_int_equal(word_of(other, 100), 100);
    assert_int_equal(word_of(other, 2999), 0);
    const uint32_t tried[LM_TUNING_WORDS] = {77};
    lm_tuning_force(other, LM_TUNED_MATMUL, tried);
    assert_int_equal(word_of(other, 12), 9);
    lm_tuning_force(other, LM_TUNED_MATVEC, tried);
    assert_int_equal(word_of(other, 12), 77);
    assert_int_equal(word_of(other, 2999), 77);
    lm_tuning_force(other, LM_TUNED_MATVEC, NULL);
    assert_int_equal(word_of(other, 12), 9);
    lm_tuning_clear(other);
    assert_int_equal(lm_tuning_hash(other), 0);
    lm_tuning_destroy(&other);
    lm_tuning_destroy(&tuning);
    lm_tuning_destroy(&tuning);
}

static void expect(const char *path, const lm_device_stamp *stamp, lm_tuning_found found,
                   uint32_t word)
{
    lm_tuning *tuning = create();
    put(tuning, 20, 5); // goes in any case
    assert_int_equal(lm_tuning_load(tuning, path, stamp), found);
    assert_int_equal(word_of(tuning, 12), word);
    assert_int_equal(word_of(tuning, 20), 0);
    lm_tuning_destroy(&tuning);
}

static void a_file(void **state)
{
    (void)state;
    lm_error err = {0};
    scratch where = scratch_create();
    const lm_device_stamp stamp = make_stamp();
    char *path = lm_tuning_path(where.folder, &stamp);
    assert_non_null(path);
    expect(path, &stamp, LM_TUNING_NONE, 0);
    lm_tuning *tuning = create();
    put(tuning, 12, 7);
    assert_true(lm_tuning_save(tuning, path, &stamp, &err));
    expect(path, &stamp, LM_TUNING_GOOD, 7);

    // Of another driver, program, or kind of file: found, and not used.
    lm_device_stamp other = stamp;
    other.driver_version++;
    char *same = lm_tuning_path(where.folder, &other);
    assert_string_equal(same, path);
    free(same);
    expect(path, &other, LM_TUNING_OTHER, 0);
    other = stamp;
    other.driver_uuid[3]++;
    expect(path, &other, LM_TUNING_OTHER, 0);
    other = stamp;
    other.modules_hash++;
    expect(path, &other, LM_TUNING_OTHER, 0);
    // Other limits are another file.
    other = stamp;
    other.limits_hash++;
    same = lm_tuning_path(where.folder, &other);
    assert_string_not_equal(same, path);
    free(same);

    char *good = NULL;
    size_t size = 0;
    char cut[256];
    assert_true(lm_file_read_all(path, -1, 1 << 20, &good, &size, &err));
    for (size_t i = 0; i < size; i++) {
        expect(scratch_write(&where, "cut", good, i, cut), &stamp, LM_TUNING_DAMAGED, 0);
        good[i] ^= 1;
        expect(scratch_write(&where, "changed", good, size, cut), &stamp,
               i < sizeof stamp ? LM_TUNING_OTHER : LM_TUNING_DAMAGED, 0);
        good[i] ^= 1;
    }
    // An op that there is not, with a right checksum.
    lm_tuning_entry odd = entry_of(13, 1);
    odd.key.op = LM_TUNED_OPS;
    lm_tuning_put(tuning, &odd);
    assert_true(lm_tuning_save(tuning, path, &stamp, &err));
    expect(path, &stamp, LM_TUNING_DAMAGED, 0);
    free(good);
    free(path);
    lm_tuning_destroy(&tuning);
    scratch_remove(&where);
}

// Two processes that measured different shapes, one of them twice.
static void two_writers(void **state)
{
    (void)state;
    lm_error err = {0};
    scratch where = scratch_create();
    const lm_device_stamp stamp = make_stamp();
    char *path = lm_tuning_path(where.folder, &stamp);
    lm_tuning *tuning = create();
    put(tuning, 12, 7);
    const pid_t child = fork();
    assert_true(child >= 0);
    for (int i = 0; i < 20; i++)
        if (!lm_tuning_save(tuning, path, &stamp, &err))
            _exit(1);
    if (child == 0)
        _exit(0);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    expect(path, &stamp, LM_TUNING_GOOD, 7);
    lm_tuning_clear(tuning);
    put(tuning, 13, 8);
    assert_true(lm_tuning_save(tuning, path, &stamp, &err));
    expect(path, &stamp, LM_TUNING_GOOD, 7); // what the other says is kept
    put(tuning, 12, 9);
    assert_true(lm_tuning_save(tuning, path, &stamp, &err));
    expect(path, &stamp, LM_TUNING_GOOD, 9); // what was measured again is not
    assert_int_equal(scratch_count(&where), 1);
    free(path);
    lm_tuning_destroy(&tuning);
    scratch_remove(&where);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes),
        cmocka_unit_test(a_table),
        cmocka_unit_test(a_file),
        cmocka_unit_test(two_writers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
