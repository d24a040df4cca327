// Models split over several files: any part opens all, and parts that do not belong together are
// named.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gguf/format.h"
#include "gguf/gguf.h"
#include "lm.h"
#include "model/source.h"
#include "support/gguf_bytes.h"
#include "support/scratch.h"
#include "support/split_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_PARTS 3

// What one part of a good model of three says; a test changes it.
struct part {
    uint32_t number, count, n_tensors;
    const char *without; // a key that is left out
    const char *arch;    // NULL: no such key
    const char *tensor;  // its one tensor of 4 weights
    uint32_t first;      // the first byte of its data
};

static struct part good_part(uint32_t number)
{
    static const char *const names[N_PARTS] = {"one", "two", "three"};
    return (struct part){.number = number,
                         .count = N_PARTS,
                         .n_tensors = N_PARTS,
                         .arch = number == 0 ? "llama" : NULL,
                         .tensor = names[number],
                         .first = 16 * number};
}

static gguf_bytes make_part(const struct part *part)
{
    const char *const keys[3] = {"split.no", "split.count", "split.tensors.count"};
    const uint32_t values[3] = {part->number, part->count, part->n_tensors};
    uint64_t n_keys = part->arch ? 4 : 3;
    gguf_bytes b = {0};
    for (size_t i = 0; i < 3 && part->without; i++)
        n_keys -= strcmp(keys[i], part->without) == 0;
    gguf_put_start(&b, 3, 1, n_keys);
    for (size_t i = 0; i < 3; i++) {
        if (part->without && strcmp(keys[i], part->without) == 0)
            continue;
        gguf_put_key(&b, keys[i], i < 2 ? LM_GGUF_U16 : LM_GGUF_I32); // as llama.cpp has them
        gguf_put(&b, values[i], i < 2 ? 2 : 4);
    }
    if (part->arch) {
        gguf_put_key(&b, "general.architecture", LM_GGUF_STRING);
        gguf_put_text(&b, part->arch);
    }
    gguf_put_tensor(&b, part->tensor, 4, 1, LM_FORMAT_F32, 0);
    while (b.size % 32 != 0)
        gguf_put(&b, 0, 1);
    for (uint32_t i = 0; i < 16; i++)
        gguf_put(&b, part->first + i, 1);
    return b;
}

static void write_part(const scratch *folder, uint32_t place, const struct part *part)
{
    const gguf_bytes b = make_part(part);
    char path[256];
    split_path(folder, "m", place, N_PARTS, path);
    scratch_write(folder, strrchr(path, '/') + 1, b.at, b.size, path);
}

static void write_good(const scratch *folder)
{
    for (uint32_t i = 0; i < N_PARTS; i++) {
        const struct part part = good_part(i);
        write_part(folder, i, &part);
    }
}

static void any_part_opens_all(void **state)
{
    (void)state;
    static const char *const names[N_PARTS] = {"one", "two", "three"};
    scratch folder = scratch_create();
    char path[256], first[256];
    uint64_t hash = 0;
    write_good(&folder);
    split_path(&folder, "m", 0, N_PARTS, first);
    for (uint32_t given = 0; given < N_PARTS; given++) {
        lm_error err;
        lm_gguf *gguf = lm_gguf_open(split_path(&folder, "m", given, N_PARTS, path), &err);
        if (!gguf)
            fail_msg("%s", err.message);
        assert_string_equal(lm_gguf_path(gguf), first);
        assert_true(lm_gguf_has(gguf, "general.architecture"));
        assert_int_equal(lm_gguf_n_files(gguf), N_PARTS);
        assert_int_equal(lm_gguf_n_tensors(gguf), N_PARTS);
        uint64_t bytes = 0;
        for (uint32_t i = 0; i < N_PARTS; i++) {
            const struct part part = good_part(i);
            unsigned char data[16] = {0};
            const lm_gguf_tensor *tensor = lm_gguf_find(gguf, names[i]);
            assert_ptr_equal(tensor, lm_gguf_tensor_at(gguf, i));
            assert_int_equal(tensor->part, i);
            assert_true(lm_gguf_read(gguf, tensor, 0, data, 16, &err));
            assert_int_equal(data[0], part.first);
            assert_int_equal(data[15], part.first + 15);
            bytes += make_part(&part).size;
        }
        assert_true(lm_gguf_file_bytes(gguf) == bytes);
        assert_true(given == 0 || hash == lm_gguf_header_hash(gguf));
        hash = lm_gguf_header_hash(gguf);
        lm_gguf_close(&gguf);
    }
    // The hash covers the last part too.
    struct part part = good_part(2);
    part.tensor = "other";
    write_part(&folder, 2, &part);
    lm_gguf *gguf = lm_gguf_open(first, NULL);
    assert_true(gguf && lm_gguf_header_hash(gguf) != hash);
    lm_gguf_close(&gguf);
    scratch_remove(&folder);
}

static void refused(const scratch *folder, uint32_t given, const char *words, const char *more)
{
    lm_error err = {0};
    char path[256];
    lm_gguf *gguf = lm_gguf_open(split_path(folder, "m", given, N_PARTS, path), &err);
    assert_null(gguf);
    assert_int_equal(err.status, LM_BAD_FILE);
    if (!strstr(err.message, words) || !strstr(err.message, more))
        fail_msg("\"%s\" says nothing of \"%s\" or \"%s\"", err.message, words, more);
}

static void names_the_part_that_is_missing(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[256];
    for (uint32_t missing = 0; missing < N_PARTS; missing++) {
        char words[32];
        snprintf(words, sizeof words, "part %u of 3", (unsigned)missing + 1);
        write_good(&folder);
        assert_int_equal(unlink(split_path(&folder, "m", missing, N_PARTS, path)), 0);
        strcat(path, ", is missing");
        for (uint32_t given = 0; given < N_PARTS; given++)
            if (given != missing)
                refused(&folder, given, words, path);
    }
    scratch_remove(&folder);
}

// Opens a model of which `part` stands in the place of part `place`.
static void refused_with(uint32_t place, struct part part, const char *words, const char *more)
{
    scratch folder = scratch_create();
    write_good(&folder);
    write_part(&folder, place, &part);
    refused(&folder, 0, words, more);
    scratch_remove(&folder);
}

static void refuses_parts_that_disagree(void **state)
{
    (void)state;
    struct part part = good_part(2);
    part.number = 1;
    refused_with(2, part, "m-00003-of-00003.gguf says that it is part 2 of 3", "split.no");
    part = good_part(1);
    part.count = 4;
    refused_with(1, part, "m-00002-of-00003.gguf says that it is part 2 of 4", "split.count");
    part = good_part(1);
    part.number = 3;
    refused_with(1, part, "m-00002-of-00003.gguf: the keys 'split.no' 3", "'split.count' 3");
    part = good_part(1);
    part.n_tensors = 4;
    refused_with(1, part, "m-00002-of-00003.gguf", "4 tensors (key 'split.tensors.count')");
    part = good_part(2);
    part.arch = "qwen2";
    refused_with(2, part, "m-00003-of-00003.gguf", "'qwen2', the first part of 'llama'");
    part = good_part(2);
    part.tensor = "two";
    refused_with(2, part, "m-00003-of-00003.gguf", "the tensor 'two'");
    const char *const keys[] = {"split.no", "split.count", "split.tensors.count"};
    for (size_t i = 0; i < 3; i++) {
        part = good_part(1);
        part.without = keys[i];
        refused_with(1, part, "m-00002-of-00003.gguf: the key", keys[i]);
    }
}

static void refuses_wrong_counts(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    for (uint32_t i = 0; i < N_PARTS; i++) {
        struct part part = good_part(i);
        part.n_tensors = 4;
        write_part(&folder, i, &part);
    }
    refused(&folder, 0, "m-00001-of-00003.gguf: the 3 parts hold 3 tensors", "says 4");
    struct part part = good_part(0);
    part.count = 60000;
    write_part(&folder, 0, &part);
    refused(&folder, 0, "'split.count' is 60000", "at most 512");
    scratch_remove(&folder);
}

// A part that is no GGUF file, truncated, or under a name from which the others do not follow.
static void refuses_parts_that_cannot_be_read(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[256], other[256];
    lm_error err;
    write_good(&folder);
    scratch_write(&folder, "m-00002-of-00003.gguf", "text", 4, path);
    refused(&folder, 0, "m-00002-of-00003.gguf", "not a GGUF file");
    write_good(&folder);
    assert_int_equal(truncate(split_path(&folder, "m", 2, N_PARTS, path), 100), 0);
    refused(&folder, 0, "m-00003-of-00003.gguf", "truncated");
    write_good(&folder);
    split_path(&folder, "m", 1, N_PARTS, path);
    assert_int_equal(rename(path, scratch_path(&folder, "renamed.gguf", other)), 0);
    assert_null(lm_gguf_open(other, &err));
    assert_non_null(strstr(err.message, "renamed.gguf is part 2 of 3"));
    assert_non_null(strstr(err.message, "'-00002-of-00003.gguf'"));
    const struct part part = good_part(0);
    const gguf_bytes b = make_part(&part);
    assert_null(lm_gguf_open_memory("memory", b.at, b.size, &err));
    assert_non_null(strstr(err.message, "memory is one part of a split model"));
    scratch_remove(&folder);
}

static void notices_a_change_of_any_part(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[256];
    lm_error err;
    unsigned char data[16];
    write_good(&folder);
    lm_gguf *gguf = lm_gguf_open(split_path(&folder, "m", 0, N_PARTS, path), &err);
    assert_non_null(gguf);
    const lm_gguf_tensor *tensor = lm_gguf_find(gguf, "three");
    const struct part part = good_part(2);
    assert_int_equal(
        truncate(split_path(&folder, "m", 2, N_PARTS, path), (off_t)make_part(&part).size + 8), 0);
    assert_true(lm_gguf_read(gguf, lm_gguf_find(gguf, "two"), 0, data, 16, &err));
    assert_false(lm_gguf_read(gguf, tensor, 0, data, 16, &err));
    assert_int_equal(err.status, LM_BAD_FILE);
    assert_non_null(strstr(err.message, "m-00003-of-00003.gguf changed"));
    assert_false(lm_gguf_read(gguf, tensor, 8, data, 16, &err));
    assert_non_null(strstr(err.message, "m-00003-of-00003.gguf: "));
    lm_gguf_close(&gguf);
    scratch_remove(&folder);
}

// Everything that is read of a model goes through its source.
static void a_split_model_is_the_whole_model(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[256];
    lm_error err;
    lm_config config;
    assert_true(lm_config_from_shape(&config, LM_SOURCE_DIR "/tests/model/tiny.json", &err));
    assert_true(
        lm_synth_write(&config, LM_FORMAT_Q8_0, scratch_path(&folder, "w.gguf", path), &err));
    split_file(path, &folder, "w", 4);
    lm_gguf *files[2] = {lm_gguf_open(path, &err)};
    files[1] = lm_gguf_open(split_path(&folder, "w", 3, 4, path), &err);
    lm_source *sources[2];
    for (size_t i = 0; i < 2; i++) {
        if (!files[i] || !lm_config_from_gguf(&config, files[i], &err))
            fail_msg("%s", err.message);
        sources[i] = lm_source_from_gguf(files[i], &config, &err);
        if (!sources[i])
            fail_msg("%s", err.message);
    }
    for (size_t i = 0; i < lm_source_n_tensors(sources[0]); i++) {
        const lm_tensor_info *info = lm_source_tensor(sources[0], i);
        const size_t size = (size_t)(info->n_rows * info->row_bytes);
        unsigned char *data[2] = {malloc(size), malloc(size)};
        for (size_t s = 0; s < 2; s++)
            assert_true(data[s] && lm_source_read(sources[s], i, 0, info->n_rows, data[s], &err));
        assert_memory_equal(data[0], data[1], size);
        free(data[0]);
        free(data[1]);
    }
    lm_model_info info;
    assert_true(lm_model_inspect(&(lm_model_params){.path = path}, &info, NULL, &err));
    assert_true(info.file_bytes == lm_gguf_file_bytes(files[1]));
    assert_true(info.file_bytes > lm_gguf_file_bytes(files[0]));
    for (size_t i = 0; i < 2; i++) {
        lm_source_destroy(&sources[i]);
        lm_gguf_close(&files[i]);
    }
    scratch_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_part_opens_all),
        cmocka_unit_test(names_the_part_that_is_missing),
        cmocka_unit_test(refuses_parts_that_disagree),
        cmocka_unit_test(refuses_wrong_counts),
        cmocka_unit_test(refuses_parts_that_cannot_be_read),
        cmocka_unit_test(notices_a_change_of_any_part),
        cmocka_unit_test(a_split_model_is_the_whole_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
