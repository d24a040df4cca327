#include "support/split_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gguf/write.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

const char *split_path(const scratch *where, const char *name, uint32_t part, uint32_t n_parts,
                       char path[256])
{
    char file[128];
    snprintf(file, sizeof file, "%s-%05" PRIu32 "-of-%05" PRIu32 ".gguf", name, part + 1, n_parts);
    return scratch_path(where, file, path);
}

static void write_header(FILE *file, const lm_gguf *whole, uint32_t part, uint32_t n_parts,
                         size_t begin, size_t end)
{
    lm_gguf_writer writer = {0};
    lm_gguf_write_u32(&writer, "split.no", part);
    lm_gguf_write_u32(&writer, "split.count", n_parts);
    lm_gguf_write_u32(&writer, "split.tensors.count", (uint32_t)lm_gguf_n_tensors(whole));
    for (size_t i = 0; part == 0 && i < lm_gguf_n_keys(whole); i++)
        lm_gguf_write_raw(&writer, lm_gguf_key(whole, i), lm_gguf_raw_value(whole, i));
    for (size_t i = begin; i < end; i++) {
        const lm_gguf_tensor *t = lm_gguf_tensor_at(whole, i);
        lm_gguf_write_tensor(&writer, t->name.at, t->format, t->dims, t->n_dims, t->size_bytes);
    }
    void *data;
    size_t size;
    lm_error err;
    if (!lm_gguf_writer_finish(&writer, &data, &size, &err))
        fail_msg("%s", err.message);
    assert_int_equal(fwrite(data, size, 1, file), 1);
    free(data);
}

static void write_data(FILE *file, const lm_gguf *whole, size_t index)
{
    const lm_gguf_tensor *tensor = lm_gguf_tensor_at(whole, index);
    const uint64_t size =
        (tensor->size_bytes + LM_GGUF_ALIGNMENT - 1) / LM_GGUF_ALIGNMENT * LM_GGUF_ALIGNMENT;
    void *data = calloc(size, 1);
    assert_non_null(data);
    lm_error err;
    if (!lm_gguf_read(whole, tensor, 0, data, tensor->size_bytes, &err))
        fail_msg("%s", err.message);
    assert_int_equal(fwrite(data, size, 1, file), 1);
    free(data);
}

void split_file(const char *from, const scratch *where, const char *name, uint32_t n_parts)
{
    lm_error err;
    lm_gguf *whole = lm_gguf_open(from, &err);
    if (!whole)
        fail_msg("%s", err.message);
    const size_t n = lm_gguf_n_tensors(whole);
    for (uint32_t part = 0; part < n_parts; part++) {
        const size_t begin = n * part / n_parts;
        const size_t end = n * (part + 1) / n_parts;
        char path[256];
        FILE *file = fopen(split_path(where, name, part, n_parts, path), "wb");
        assert_non_null(file);
        write_header(file, whole, part, n_parts, begin, end);
        for (size_t i = begin; i < end; i++)
            write_data(file, whole, i);
        assert_int_equal(fclose(file), 0);
    }
    lm_gguf_close(&whole);
}
