// GGUF model files, version 2 and 3, little-endian, trusted in nothing.
//
// Opening reads and checks the whole header: counts, lengths, types, offsets, alignment and that
// every tensor lies inside the file and overlaps no other. Tensor data is read later, by offset.
// Format: ggml/docs/gguf.md.
//
// Ownership: texts and tensors returned are borrowed until the file is closed.
// Threads: after lm_gguf_open() everything is read-only; lm_gguf_read() may run on many threads.

#ifndef LM_GGUF_GGUF_H
#define LM_GGUF_GGUF_H

#include "base/error.h"
#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

typedef struct lm_gguf lm_gguf;

typedef enum lm_gguf_type { // numbers of the file format
    LM_GGUF_U8 = 0,
    LM_GGUF_I8 = 1,
    LM_GGUF_U16 = 2,
    LM_GGUF_I16 = 3,
    LM_GGUF_U32 = 4,
    LM_GGUF_I32 = 5,
    LM_GGUF_F32 = 6,
    LM_GGUF_BOOL = 7,
    LM_GGUF_STRING = 8,
    LM_GGUF_ARRAY = 9,
    LM_GGUF_U64 = 10,
    LM_GGUF_I64 = 11,
    LM_GGUF_F64 = 12,
} lm_gguf_type;

typedef struct lm_gguf_tensor {
    lm_text name;        // also zero-terminated
    uint32_t format;     // an lm_format or any other number
    uint32_t n_dims;     // 1 to 4
    uint64_t dims[4];    // fastest first, as in the file: dims[0] is a row's length; unused are 1
    uint64_t offset;     // from the start of its file
    uint64_t size_bytes; // 0 where the format's block size is unknown
    uint32_t part;       // number of its file, from 0
} lm_gguf_tensor;

// Fails with LM_BAD_FILE and a sentence naming the path and what is wrong: not a file, wrong magic,
// big-endian, version, a count or length beyond the file, an overlapping or misaligned tensor, a
// part that is missing or of another model, ...
lm_gguf *lm_gguf_open(const char *path, lm_error *err);

// The same from memory, which is borrowed and must outlive the result. `name` stands for the path.
lm_gguf *lm_gguf_open_memory(const char *name, const void *data, size_t size, lm_error *err);

// Closes *gguf and sets it to NULL. *gguf may already be NULL.
void lm_gguf_close(lm_gguf **gguf);

const char *lm_gguf_path(const lm_gguf *gguf); // of the first file
uint32_t lm_gguf_version(const lm_gguf *gguf);
uint32_t lm_gguf_n_files(const lm_gguf *gguf);
const char *lm_gguf_file_path(const lm_gguf *gguf, uint32_t part);
uint64_t lm_gguf_file_bytes(const lm_gguf *gguf);  // of all files
uint64_t lm_gguf_header_hash(const lm_gguf *gguf); // FNV-1a 64 of the headers' bytes

// A number that is another one where size, time or header of any of the files were others. Never 0.
uint64_t lm_gguf_stamp(const lm_gguf *gguf);

// Metadata by key. The getters return false, leaving *value alone, where the key is absent or of
// another kind; integers of any width convert when the value fits, f32 and f64 convert to double.
size_t lm_gguf_n_keys(const lm_gguf *gguf);
lm_text lm_gguf_key(const lm_gguf *gguf, size_t index);
lm_text lm_gguf_raw_value(const lm_gguf *gguf, size_t index); // type number and value, as stored
bool lm_gguf_has(const lm_gguf *gguf, const char *key);
bool lm_gguf_get_u64(const lm_gguf *gguf, const char *key, uint64_t *value);
bool lm_gguf_get_f64(const lm_gguf *gguf, const char *key, double *value);
bool lm_gguf_get_bool(const lm_gguf *gguf, const char *key, bool *value);
bool lm_gguf_get_text(const lm_gguf *gguf, const char *key, lm_text *value);

// Arrays: the count of `key` if it is an array, else false. Elements convert like scalars.
bool lm_gguf_get_count(const lm_gguf *gguf, const char *key, uint64_t *count);
bool lm_gguf_get_text_at(const lm_gguf *gguf, const char *key, uint64_t index, lm_text *value);
bool lm_gguf_get_i64_at(const lm_gguf *gguf, const char *key, uint64_t index, int64_t *value);
bool lm_gguf_get_f64_at(const lm_gguf *gguf, const char *key, uint64_t index, double *value);

// Tensors, in file order; by name NULL where absent.
size_t lm_gguf_n_tensors(const lm_gguf *gguf);
const lm_gguf_tensor *lm_gguf_tensor_at(const lm_gguf *gguf, size_t index);
const lm_gguf_tensor *lm_gguf_find(const lm_gguf *gguf, const char *name);

// Reads `size` bytes of the tensor's data starting `offset` bytes into it. Fails with LM_BAD_FILE
// when the file was truncated or changed meanwhile.
bool lm_gguf_read(const lm_gguf *gguf, const lm_gguf_tensor *tensor, uint64_t offset, void *to,
                  size_t size, lm_error *err);

#endif
