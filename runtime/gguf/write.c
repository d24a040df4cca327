#include "gguf/write.h"

#include "base/half.h"

#include <stdlib.h>

#define START_BYTES 24u // magic, version, two counts

static void store(unsigned char *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (unsigned char)(value >> 8 * i);
}

// Appends `size` bytes and returns where they go, or NULL when out of memory.
static unsigned char *append(lm_gguf_writer *writer, size_t size)
{
    if (writer->failed)
        return NULL;
    if (size > writer->room - writer->size) {
        const size_t room = (writer->size + size) * 2;
        unsigned char *larger = realloc(writer->bytes, room);
        if (!larger) {
            writer->failed = true;
            return NULL;
        }
        writer->bytes = larger;
        writer->room = room;
    }
    unsigned char *at = writer->bytes + writer->size;
    writer->size += size;
    return at;
}

static void put(lm_gguf_writer *writer, uint64_t value, size_t size)
{
    unsigned char *at = append(writer, size);
    if (at)
        store(at, value, size);
}

static void put_text(lm_gguf_writer *writer, lm_text text)
{
    put(writer, text.size, 8);
    unsigned char *at = append(writer, text.size);
    if (at && text.size > 0)
        memcpy(at, text.at, text.size);
}

static void put_key(lm_gguf_writer *writer, const char *key, lm_gguf_type type)
{
    put_text(writer, lm_text_of(key));
    put(writer, type, 4);
    writer->n_keys++;
}

static void put_array(lm_gguf_writer *writer, const char *key, lm_gguf_type type, size_t n)
{
    put_key(writer, key, LM_GGUF_ARRAY);
    put(writer, type, 4);
    put(writer, n, 8);
}

void lm_gguf_write_text(lm_gguf_writer *writer, const char *key, lm_text value)
{
    put_key(writer, key, LM_GGUF_STRING);
    put_text(writer, value);
}

void lm_gguf_write_u32(lm_gguf_writer *writer, const char *key, uint32_t value)
{
    put_key(writer, key, LM_GGUF_U32);
    put(writer, value, 4);
}

void lm_gguf_write_f32(lm_gguf_writer *writer, const char *key, float value)
{
    put_key(writer, key, LM_GGUF_F32);
    put(writer, lm_bits_from_f32(value), 4);
}

void lm_gguf_write_bool(lm_gguf_writer *writer, const char *key, bool value)
{
    put_key(writer, key, LM_GGUF_BOOL);
    put(writer, value, 1);
}

void lm_gguf_write_raw(lm_gguf_writer *writer, lm_text key, lm_text value)
{
    put_text(writer, key);
    unsigned char *at = append(writer, value.size);
    if (at)
        memcpy(at, value.at, value.size);
    writer->n_keys++;
}

void lm_gguf_write_texts(lm_gguf_writer *writer, const char *key, const lm_text *values, size_t n)
{
    put_array(writer, key, LM_GGUF_STRING, n);
    for (size_t i = 0; i < n; i++)
        put_text(writer, values[i]);
}

void lm_gguf_write_i32s(lm_gguf_writer *writer, const char *key, const int32_t *values, size_t n)
{
    put_array(writer, key, LM_GGUF_I32, n);
    for (size_t i = 0; i < n; i++)
        put(writer, (uint32_t)values[i], 4);
}

void lm_gguf_write_tensor(lm_gguf_writer *writer, const char *name, uint32_t format,
                          const uint64_t *dims, uint32_t n_dims, uint64_t size_bytes)
{
    put_text(writer, lm_text_of(name));
    put(writer, n_dims, 4);
    for (uint32_t i = 0; i < n_dims; i++)
        put(writer, dims[i], 8);
    put(writer, format, 4);
    put(writer, writer->data_bytes, 8);
    writer->n_tensors++;
    writer->data_bytes +=
        (size_bytes + LM_GGUF_ALIGNMENT - 1) / LM_GGUF_ALIGNMENT * LM_GGUF_ALIGNMENT;
}

bool lm_gguf_writer_finish(lm_gguf_writer *writer, void **data, size_t *size, lm_error *err)
{
    const size_t end = START_BYTES + writer->size;
    const size_t padded = (end + LM_GGUF_ALIGNMENT - 1) / LM_GGUF_ALIGNMENT * LM_GGUF_ALIGNMENT;
    unsigned char *all = writer->failed ? NULL : calloc(padded, 1);
    if (all) {
        memcpy(all, "GGUF", 4);
        store(all + 4, 3, 4);
        store(all + 8, writer->n_tensors, 8);
        store(all + 16, writer->n_keys, 8);
        if (writer->size > 0)
            memcpy(all + START_BYTES, writer->bytes, writer->size);
    }
    free(writer->bytes);
    *writer = (lm_gguf_writer){0};
    if (!all)
        return lm_fail(err, LM_NO_MEMORY, "out of memory writing a GGUF header");
    *data = all;
    *size = padded;
    return true;
}
