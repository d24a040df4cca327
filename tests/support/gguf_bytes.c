#include "support/gguf_bytes.h"

#include <assert.h>
#include <string.h>

void gguf_put(gguf_bytes *b, uint64_t value, size_t size)
{
    assert(b->size + size <= sizeof b->at);
    for (size_t i = 0; i < size; i++)
        b->at[b->size++] = (unsigned char)(value >> 8 * i);
}

void gguf_put_text(gguf_bytes *b, const char *text)
{
    const size_t size = strlen(text);
    gguf_put(b, size, 8);
    assert(b->size + size <= sizeof b->at);
    memcpy(b->at + b->size, text, size);
    b->size += size;
}

void gguf_put_start(gguf_bytes *b, uint32_t version, uint64_t n_tensors, uint64_t n_keys)
{
    gguf_put(b, 0x46554747, 4); // "GGUF"
    gguf_put(b, version, 4);
    gguf_put(b, n_tensors, 8);
    gguf_put(b, n_keys, 8);
}

void gguf_put_key(gguf_bytes *b, const char *key, uint32_t type)
{
    gguf_put_text(b, key);
    gguf_put(b, type, 4);
}

void gguf_put_u32(gguf_bytes *b, const char *key, uint32_t value)
{
    gguf_put_key(b, key, LM_GGUF_U32);
    gguf_put(b, value, 4);
}

void gguf_put_array(gguf_bytes *b, const char *key, uint32_t type, uint64_t count)
{
    gguf_put_key(b, key, LM_GGUF_ARRAY);
    gguf_put(b, type, 4);
    gguf_put(b, count, 8);
}

void gguf_put_tensor(gguf_bytes *b, const char *name, uint64_t n_cols, uint64_t n_rows,
                     uint32_t format, uint64_t offset)
{
    gguf_put_text(b, name);
    gguf_put(b, 2, 4);
    gguf_put(b, n_cols, 8);
    gguf_put(b, n_rows, 8);
    gguf_put(b, format, 4);
    gguf_put(b, offset, 8);
}

void gguf_put_data(gguf_bytes *b, size_t size)
{
    while (b->size % 32 != 0)
        gguf_put(b, 0, 1);
    for (size_t i = 0; i < size; i++)
        gguf_put(b, i & 255, 1);
}
