// GGUF files byte by byte, also such as no writer would make: every count and length is the test's.

#ifndef LM_TESTS_SUPPORT_GGUF_BYTES_H
#define LM_TESTS_SUPPORT_GGUF_BYTES_H

#include "gguf/gguf.h"

#include <stddef.h>
#include <stdint.h>

typedef struct gguf_bytes {
    unsigned char at[4096];
    size_t size;
} gguf_bytes; // zero is empty

void gguf_put(gguf_bytes *b, uint64_t value, size_t size); // little-endian
void gguf_put_text(gguf_bytes *b, const char *text);       // length and bytes
void gguf_put_start(gguf_bytes *b, uint32_t version, uint64_t n_tensors, uint64_t n_keys);
void gguf_put_key(gguf_bytes *b, const char *key, uint32_t type); // the value follows
void gguf_put_u32(gguf_bytes *b, const char *key, uint32_t value);
void gguf_put_array(gguf_bytes *b, const char *key, uint32_t type, uint64_t count);

// A tensor of two dimensions; `offset` within the data.
void gguf_put_tensor(gguf_bytes *b, const char *name, uint64_t n_cols, uint64_t n_rows,
                     uint32_t format, uint64_t offset);

// Pads to 32 and appends `size` bytes of data: 0, 1, 2, ...
void gguf_put_data(gguf_bytes *b, size_t size);

#endif
