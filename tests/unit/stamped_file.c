// Stamped files: taken only whole, with the right stamp, and never half written.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/stamped_file.h"
#include "support/scratch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_UNITS 5
#define UNIT    12

static const char for_whom[24] = "a device and its driver";
static const lm_stamp stamp = {for_whom, sizeof for_whom, UNIT};

static void fill(char body[N_UNITS * UNIT], char from)
{
    for (int i = 0; i < N_UNITS * UNIT; i++)
        body[i] = (char)(from + i);
}

// What a read says, and that a good one gives these bytes.
static lm_stamped look(const char *path, const lm_stamp *as, char from)
{
    char want[N_UNITS * UNIT];
    char *file = NULL;
    const void *body = NULL;
    size_t n = 0;
    fill(want, from);
    const lm_stamped result = lm_stamped_read(path, as, 4096, &file, &body, &n);
    if (result == LM_STAMPED_GOOD) {
        assert_int_equal(n, N_UNITS);
        assert_memory_equal(body, want, sizeof want);
    }
    free(file);
    return result;
}

static void damage_is_seen(void **state)
{
    (void)state;
    lm_error err = {0};
    scratch where = scratch_create();
    char body[N_UNITS * UNIT];
    char path[256];
    fill(body, 'a');
    char *made = lm_stamped_path(where.folder, "some", &stamp);
    assert_non_null(made);
    assert_int_equal(look(made, &stamp, 'a'), LM_STAMPED_ABSENT);
    assert_true(lm_stamped_write(made, &stamp, body, N_UNITS, &err));
    assert_int_equal(look(made, &stamp, 'a'), LM_STAMPED_GOOD);

    char *good = NULL;
    size_t size = 0;
    assert_true(lm_file_read_all(made, -1, 4096, &good, &size, &err));
    assert_int_equal(size, sizeof for_whom + 16 + sizeof body);
    for (size_t i = 0; i < size; i++) {
        scratch_write(&where, "cut", good, i, path);
        assert_int_equal(look(path, &stamp, 'a'), LM_STAMPED_DAMAGED);
        good[i] ^= 64;
        scratch_write(&where, "changed", good, size, path);
        assert_int_equal(look(path, &stamp, 'a'),
                         i < sizeof for_whom ? LM_STAMPED_OTHER : LM_STAMPED_DAMAGED);
        good[i] ^= 64;
    }
    char *longer = calloc(1, size + UNIT);
    assert_non_null(longer);
    memcpy(longer, good, size);
    scratch_write(&where, "longer", longer, size + UNIT, path);
    assert_int_equal(look(path, &stamp, 'a'), LM_STAMPED_DAMAGED);
    // More than may be read is no file at all.
    const void *at = NULL;
    size_t n = 0;
    char *file = NULL;
    assert_int_equal(lm_stamped_read(made, &stamp, size - 1, &file, &at, &n), LM_STAMPED_ABSENT);
    free(file);
    free(longer);
    free(good);
    free(made);
    scratch_remove(&where);
}

static void a_stamp_has_its_own_file(void **state)
{
    (void)state;
    lm_error err = {0};
    scratch where = scratch_create();
    static const char other[24] = "a device and its Driver";
    const lm_stamp others = {other, sizeof other, UNIT};
    char body[N_UNITS * UNIT];
    fill(body, 'a');
    char *path = lm_stamped_path(where.folder, "some", &stamp);
    char *path_of_other = lm_stamped_path(where.folder, "some", &others);
    assert_non_null(path);
    assert_non_null(path_of_other);
    assert_string_not_equal(path, path_of_other);
    assert_true(lm_stamped_write(path, &others, body, N_UNITS, &err));
    assert_int_equal(look(path, &stamp, 'a'), LM_STAMPED_OTHER);
    assert_int_equal(look(path, &others, 'a'), LM_STAMPED_GOOD);
    free(path);
    free(path_of_other);
    scratch_remove(&where);
}

static void two_writers_leave_one_whole_file(void **state)
{
    (void)state;
    lm_error err = {0};
    scratch where = scratch_create();
    char body[N_UNITS * UNIT];
    char *path = lm_stamped_path(where.folder, "some", &stamp);
    assert_non_null(path);
    const pid_t child = fork();
    assert_true(child >= 0);
    fill(body, child ? 'a' : 'A');
    for (int i = 0; i < 40; i++)
        if (!lm_stamped_write(path, &stamp, body, N_UNITS, &err))
            _exit(1);
    if (child == 0)
        _exit(0);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    char *file = NULL;
    const void *at = NULL;
    size_t n = 0;
    assert_int_equal(lm_stamped_read(path, &stamp, 4096, &file, &at, &n), LM_STAMPED_GOOD);
    fill(body, *(const char *)at);
    assert_memory_equal(at, body, sizeof body);
    assert_int_equal(scratch_count(&where), 1);
    free(file);
    free(path);
    scratch_remove(&where);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_is_seen),
        cmocka_unit_test(a_stamp_has_its_own_file),
        cmocka_unit_test(two_writers_leave_one_whole_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
