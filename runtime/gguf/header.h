// The inside of an lm_gguf, shared by the parser (header.c), what joins the parts of a split model
// (split.c) and the accessors (gguf.c) only.

#ifndef LM_GGUF_HEADER_H
#define LM_GGUF_HEADER_H

#include "base/file.h"
#include "gguf/gguf.h"
#include "gguf/names.h"

// Positions in a header are 32 bits wide, and a hostile file must not make us read gigabytes. Real
// headers hold a vocabulary and are 2 to 16 MiB long.
#define LM_GGUF_MAX_HEADER_BYTES ((uint64_t)256 << 20)
#define LM_GGUF_MAX_KEYS         65536u
#define LM_GGUF_MAX_TENSORS      65536u
#define LM_GGUF_MAX_KEY_BYTES    65535u // of the specification
#define LM_GGUF_MAX_NAME_BYTES   255u   // the specification says 64; some writers go beyond

struct lm_gguf_value {
    lm_gguf_type type; // of the value or, for an array, of its elements
    bool is_array;
    uint64_t count; // 1 if no array
    uint32_t at;    // numbers: where the first begins in the header; strings: index in string_at
    uint32_t raw_at, raw_bytes; // the type number and all that follows, in the header
};

struct lm_gguf {
    char *path;          // owned
    lm_file *file;       // owned; NULL for a file in memory
    const uint8_t *data; // borrowed; NULL unless in memory
    uint64_t file_bytes;

    const uint8_t *header; // `buffer` or `data`
    uint8_t *buffer;       // owned; what has been read of the file so far
    uint64_t loaded_bytes; // how much of `header` is there
    uint64_t header_bytes; // up to the end of the tensor list
    uint64_t header_hash;

    uint32_t version;
    uint32_t n_keys;
    uint32_t n_tensors;
    struct lm_gguf_value *values; // owned, [n_keys]
    lm_names keys;
    uint32_t *string_at; // owned; where each string's length stands in the header
    uint32_t n_strings, max_strings;
    lm_gguf_tensor *tensors; // owned, [n_tensors]
    char *tensor_names;      // owned; all names, each zero-terminated
    lm_names tensor_index;

    // A split model: this is part 0, its tensors are those of all parts.
    lm_gguf **others; // owned, [n_others]: parts 1, 2, ...
    uint32_t n_others;
};

// Opens the file at `path` alone, be it a part or not.
lm_gguf *lm_gguf_open_file(const char *path, lm_error *err);

// Whether the file says that it is one of several.
bool lm_gguf_is_part(const lm_gguf *gguf);

// Opens the model of which `part` is one: all files, found by their names. Closes `part`.
lm_gguf *lm_gguf_open_parts(lm_gguf *part, lm_error *err);

// Reads and checks the whole header of a half-built lm_gguf (path, file or data, file_bytes set).
// On failure the object is still fit for lm_gguf_close().
bool lm_gguf_parse(lm_gguf *gguf, lm_error *err);

// Bytes of one number of `type`; 0 for strings, arrays and unknown types.
uint32_t lm_gguf_type_bytes(lm_gguf_type type);

// Little-endian loads, on any host.
static inline uint32_t lm_load_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint64_t lm_load_u64(const uint8_t *at)
{
    return (uint64_t)lm_load_u32(at) | (uint64_t)lm_load_u32(at + 4) << 32;
}

#endif
