// Writes GGUF v3 headers: metadata, then the list of tensors. The data of the tensors follows in
// the same order, each padded to LM_GGUF_ALIGNMENT, and is the caller's to write.
//
// Every call may run out of memory; the writer keeps that and lm_gguf_writer_finish() reports it.

#ifndef LM_GGUF_WRITE_H
#define LM_GGUF_WRITE_H

#include "gguf/gguf.h"

#define LM_GGUF_ALIGNMENT 32u

typedef struct lm_gguf_writer {
    unsigned char *bytes; // owned; what follows the two counts
    size_t size, room;
    uint64_t n_keys, n_tensors;
    uint64_t data_bytes; // of the tensors so far, padded
    bool failed;         // out of memory
} lm_gguf_writer;        // zero is an empty one

void lm_gguf_write_text(lm_gguf_writer *writer, const char *key, lm_text value);
void lm_gguf_write_u32(lm_gguf_writer *writer, const char *key, uint32_t value);
void lm_gguf_write_f32(lm_gguf_writer *writer, const char *key, float value);
void lm_gguf_write_bool(lm_gguf_writer *writer, const char *key, bool value);
void lm_gguf_write_raw(lm_gguf_writer *writer, lm_text key, lm_text value); // lm_gguf_raw_value()
void lm_gguf_write_texts(lm_gguf_writer *writer, const char *key, const lm_text *values, size_t n);
void lm_gguf_write_i32s(lm_gguf_writer *writer, const char *key, const int32_t *values, size_t n);

// After all keys. `dims` fastest first; `size_bytes` of its data.
void lm_gguf_write_tensor(lm_gguf_writer *writer, const char *name, uint32_t format,
                          const uint64_t *dims, uint32_t n_dims, uint64_t size_bytes);

// Gives the header, padded to LM_GGUF_ALIGNMENT, and empties the writer. *data is the caller's to
// free(). Fails with LM_NO_MEMORY.
bool lm_gguf_writer_finish(lm_gguf_writer *writer, void **data, size_t *size, lm_error *err);

#endif
