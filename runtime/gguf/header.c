// Reads a GGUF header front to back. No count or length is believed before the bytes it stands for
// have been found to lie inside the file, and nothing is allocated from one before that.

#include "gguf/header.h"

#include "base/hash.h"
#include "gguf/format.h"
#include "base/shown.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

// Where a name stands in the header. Positions, because the buffer moves while it grows.
struct span {
    uint32_t at;
    uint32_t size;
};

// A position in the header of `gguf`. The first failure fills `err` and ends the parse.
struct cursor {
    lm_gguf *gguf;
    uint64_t at;
    struct span *keys;    // owned, [n_keys]
    struct span *tensors; // owned, [n_tensors]
    lm_error *err;
};

static lm_shown show(const struct cursor *c, struct span span)
{
    return lm_show((lm_text){(const char *)c->gguf->header + span.at, span.size});
}

static bool out_of_memory(struct cursor *c)
{
    return lm_fail(c->err, LM_NO_MEMORY, "out of memory reading the header of %s", c->gguf->path);
}

uint32_t lm_gguf_type_bytes(lm_gguf_type type)
{
    switch (type) {
    case LM_GGUF_U8:
    case LM_GGUF_I8:
    case LM_GGUF_BOOL:
        return 1;
    case LM_GGUF_U16:
    case LM_GGUF_I16:
        return 2;
    case LM_GGUF_U32:
    case LM_GGUF_I32:
    case LM_GGUF_F32:
        return 4;
    case LM_GGUF_U64:
    case LM_GGUF_I64:
    case LM_GGUF_F64:
        return 8;
    case LM_GGUF_STRING:
    case LM_GGUF_ARRAY:
        break;
    }
    return 0;
}

// Reads on until `end` bytes of the header are in memory. The buffer doubles, so a header of n
// bytes costs at most 2n bytes read and kept meanwhile.
static bool load_until(struct cursor *c, uint64_t end)
{
    lm_gguf *gguf = c->gguf;
    uint64_t size = gguf->loaded_bytes * 2;
    if (size < (1 << 20))
        size = 1 << 20;
    if (size < end)
        size = end;
    if (size > LM_GGUF_MAX_HEADER_BYTES)
        size = LM_GGUF_MAX_HEADER_BYTES;
    if (size > gguf->file_bytes)
        size = gguf->file_bytes;
    uint8_t *larger = realloc(gguf->buffer, (size_t)size);
    if (!larger)
        return out_of_memory(c);
    gguf->buffer = larger;
    gguf->header = larger;
    if (!lm_file_read_at(gguf->file, gguf->loaded_bytes, larger + gguf->loaded_bytes,
                         (size_t)(size - gguf->loaded_bytes), c->err))
        return false;
    gguf->loaded_bytes = size;
    return true;
}

static uint64_t bytes_left(const struct cursor *c)
{
    return c->gguf->file_bytes - c->at;
}

// Makes the next `size` bytes available; `what` is read there.
static bool need(struct cursor *c, uint64_t size, const char *what)
{
    if (size > bytes_left(c))
        return lm_fail(c->err, LM_BAD_FILE,
                       "%s is truncated: %s at offset %" PRIu64 " needs %" PRIu64
                       " bytes, the file has %" PRIu64 " left",
                       c->gguf->path, what, c->at, size, bytes_left(c));
    if (size > LM_GGUF_MAX_HEADER_BYTES - c->at)
        return lm_fail(c->err, LM_BAD_FILE,
                       "the header of %s is larger than the limit of %" PRIu64 " MiB",
                       c->gguf->path, LM_GGUF_MAX_HEADER_BYTES >> 20);
    return c->at + size <= c->gguf->loaded_bytes || load_until(c, c->at + size);
}

static bool read_u32(struct cursor *c, const char *what, uint32_t *value)
{
    if (!need(c, 4, what))
        return false;
    *value = lm_load_u32(c->gguf->header + c->at);
    c->at += 4;
    return true;
}

static bool read_u64(struct cursor *c, const char *what, uint64_t *value)
{
    if (!need(c, 8, what))
        return false;
    *value = lm_load_u64(c->gguf->header + c->at);
    c->at += 8;
    return true;
}

// Reads a length and as many bytes, which must be 1 to `limit`.
static bool read_name(struct cursor *c, const char *what, uint32_t limit, struct span *name)
{
    const uint64_t begin = c->at;
    uint64_t length;
    if (!read_u64(c, what, &length))
        return false;
    if (length == 0 || length > limit)
        return lm_fail(c->err, LM_BAD_FILE,
                       "%s: %s at offset %" PRIu64 " is %" PRIu64 " bytes long; 1 to %" PRIu32
                       " are allowed",
                       c->gguf->path, what, begin, length, limit);
    if (!need(c, length, what))
        return false;
    *name = (struct span){(uint32_t)c->at, (uint32_t)length};
    c->at += length;
    return true;
}

// Magic, version and the two counts. The counts are checked against the least that so many keys and
// tensors take in the file.
static bool parse_start(struct cursor *c)
{
    lm_gguf *gguf = c->gguf;
    if (gguf->file_bytes == 0)
        return lm_fail(c->err, LM_BAD_FILE, "%s is empty", gguf->path);
    if (gguf->file_bytes < 4 || !need(c, 4, "the magic") || memcmp(gguf->header, "GGUF", 4) != 0) {
        if (gguf->file_bytes >= 4 && gguf->loaded_bytes < 4)
            return false; // reading failed and said why
        return lm_fail(c->err, LM_BAD_FILE, "%s is not a GGUF file: it does not begin with 'GGUF'",
                       gguf->path);
    }
    c->at = 4;
    if (!read_u32(c, "the version", &gguf->version))
        return false;
    if ((gguf->version & 0xffffu) == 0 && gguf->version != 0)
        return lm_fail(c->err, LM_BAD_FILE,
                       "%s is a big-endian GGUF file; only little-endian ones can be read",
                       gguf->path);
    if (gguf->version != 2 && gguf->version != 3)
        return lm_fail(c->err, LM_BAD_FILE,
                       "%s is GGUF version %" PRIu32 "; only versions 2 and 3 can be read",
                       gguf->path, gguf->version);
    uint64_t n_tensors, n_keys;
    if (!read_u64(c, "the tensor count", &n_tensors) || !read_u64(c, "the key count", &n_keys))
        return false;
    if (n_keys > LM_GGUF_MAX_KEYS || n_keys > bytes_left(c) / (8 + 1 + 4 + 1))
        return lm_fail(c->err, LM_BAD_FILE,
                       "%s claims %" PRIu64 " keys: more than %" PRIu64
                       " bytes can hold or than the limit of %u",
                       gguf->path, n_keys, bytes_left(c), LM_GGUF_MAX_KEYS);
    if (n_tensors > LM_GGUF_MAX_TENSORS || n_tensors > bytes_left(c) / (8 + 1 + 4 + 8 + 4 + 8))
        return lm_fail(c->err, LM_BAD_FILE,
                       "%s claims %" PRIu64 " tensors: more than %" PRIu64
                       " bytes can hold or than the limit of %u",
                       gguf->path, n_tensors, bytes_left(c), LM_GGUF_MAX_TENSORS);
    gguf->n_keys = (uint32_t)n_keys;
    gguf->n_tensors = (uint32_t)n_tensors;
    return true;
}

static bool push_string(struct cursor *c, uint32_t length_at)
{
    lm_gguf *gguf = c->gguf;
    if (gguf->n_strings == gguf->max_strings) {
        // A string takes 8 bytes of a header of 2^28 at least, so this stays below 2^26.
        const uint32_t max = gguf->max_strings ? gguf->max_strings * 2 : 1024;
        uint32_t *larger = realloc(gguf->string_at, max * sizeof *larger);
        if (!larger)
            return out_of_memory(c);
        gguf->string_at = larger;
        gguf->max_strings = max;
    }
    gguf->string_at[gguf->n_strings++] = length_at;
    return true;
}

static bool parse_strings(struct cursor *c, struct lm_gguf_value *value)
{
    value->at = c->gguf->n_strings;
    for (uint64_t i = 0; i < value->count; i++) {
        const uint32_t length_at = (uint32_t)c->at;
        uint64_t size;
        if (!read_u64(c, "a text's length", &size) || !need(c, size, "a text") ||
            !push_string(c, length_at))
            return false;
        c->at += size;
    }
    return true;
}

static bool parse_numbers(struct cursor *c, struct lm_gguf_value *value)
{
    const uint64_t size = value->count * lm_gguf_type_bytes(value->type);
    if (!need(c, size, "a value"))
        return false;
    value->at = (uint32_t)c->at;
    c->at += size;
    if (value->type != LM_GGUF_BOOL)
        return true;
    for (uint64_t i = 0; i < size; i++)
        if (c->gguf->header[value->at + i] > 1)
            return lm_fail(c->err, LM_BAD_FILE, "%s: a truth value is %u instead of 0 or 1",
                           c->gguf->path, c->gguf->header[value->at + i]);
    return true;
}

// Reads type, for an array element type and count, and the elements.
static bool parse_value(struct cursor *c, struct lm_gguf_value *value)
{
    uint32_t type;
    value->raw_at = (uint32_t)c->at;
    if (!read_u32(c, "a value's type", &type))
        return false;
    value->count = 1;
    if (type == LM_GGUF_ARRAY) {
        value->is_array = true;
        if (!read_u32(c, "an array's type", &type) ||
            !read_u64(c, "an array's length", &value->count))
            return false;
        if (type == LM_GGUF_ARRAY)
            return lm_fail(c->err, LM_BAD_FILE, "%s: arrays of arrays cannot be read",
                           c->gguf->path);
    }
    if (type > LM_GGUF_F64)
        return lm_fail(c->err, LM_BAD_FILE, "%s: value type %" PRIu32 " is unknown", c->gguf->path,
                       type);
    value->type = (lm_gguf_type)type;
    const uint32_t least = type == LM_GGUF_STRING ? 8 : lm_gguf_type_bytes(value->type);
    if (value->count > bytes_left(c) / least)
        return lm_fail(c->err, LM_BAD_FILE,
                       "%s claims an array of %" PRIu64 " elements in the %" PRIu64 " bytes left",
                       c->gguf->path, value->count, bytes_left(c));
    return type == LM_GGUF_STRING ? parse_strings(c, value) : parse_numbers(c, value);
}

static bool parse_keys(struct cursor *c)
{
    lm_gguf *gguf = c->gguf;
    gguf->values = calloc(gguf->n_keys + 1, sizeof *gguf->values);
    c->keys = calloc(gguf->n_keys + 1, sizeof *c->keys);
    if (!gguf->values || !c->keys)
        return out_of_memory(c);
    for (uint32_t i = 0; i < gguf->n_keys; i++) {
        if (!read_name(c, "a key", LM_GGUF_MAX_KEY_BYTES, &c->keys[i]))
            return false;
        if (!parse_value(c, &gguf->values[i]))
            return lm_fail_while(c->err, "key '%s'", show(c, c->keys[i]).text);
        gguf->values[i].raw_bytes = (uint32_t)c->at - gguf->values[i].raw_at;
    }
    return true;
}

// Whole blocks in a row, and a size that fits 64 bits.
static bool compute_size(struct cursor *c, lm_gguf_tensor *tensor, const char *name)
{
    const uint32_t block = lm_format_block_weights(tensor->format);
    if (block == 0)
        return true; // an unknown format has no known size
    if (tensor->dims[0] % block != 0)
        return lm_fail(c->err, LM_BAD_FILE,
                       "%s: tensor '%s' has rows of %" PRIu64
                       " weights; %s needs a multiple of %" PRIu32,
                       c->gguf->path, name, tensor->dims[0], lm_format_name(tensor->format), block);
    uint64_t size = tensor->dims[0] / block;
    bool overflow = __builtin_mul_overflow(size, lm_format_block_bytes(tensor->format), &size);
    for (uint32_t i = 1; i < tensor->n_dims; i++)
        overflow = __builtin_mul_overflow(size, tensor->dims[i], &size) || overflow;
    if (overflow)
        return lm_fail(c->err, LM_BAD_FILE, "%s: the size of tensor '%s' overflows 64 bits",
                       c->gguf->path, name);
    tensor->size_bytes = size;
    return true;
}

static bool parse_tensor(struct cursor *c, uint32_t index)
{
    lm_gguf_tensor *tensor = &c->gguf->tensors[index];
    if (!read_name(c, "a tensor's name", LM_GGUF_MAX_NAME_BYTES, &c->tensors[index]))
        return false;
    const uint8_t *at = c->gguf->header + c->tensors[index].at;
    const lm_shown name = show(c, c->tensors[index]);
    if (memchr(at, 0, c->tensors[index].size))
        return lm_fail(c->err, LM_BAD_FILE, "%s: the tensor name '%s' holds a zero byte",
                       c->gguf->path, name.text);
    if (!read_u32(c, "a tensor's dimension count", &tensor->n_dims))
        return false;
    if (tensor->n_dims < 1 || tensor->n_dims > 4)
        return lm_fail(c->err, LM_BAD_FILE,
                       "%s: tensor '%s' has %" PRIu32 " dimensions; 1 to 4 are allowed",
                       c->gguf->path, name.text, tensor->n_dims);
    for (uint32_t i = 0; i < 4; i++) {
        tensor->dims[i] = 1;
        if (i < tensor->n_dims && !read_u64(c, "a tensor's dimension", &tensor->dims[i]))
            return false;
        if (tensor->dims[i] == 0)
            return lm_fail(c->err, LM_BAD_FILE, "%s: dimension %" PRIu32 " of tensor '%s' is 0",
                           c->gguf->path, i, name.text);
    }
    return read_u32(c, "a tensor's format", &tensor->format) &&
           read_u64(c, "a tensor's offset", &tensor->offset) && compute_size(c, tensor, name.text);
}

static bool parse_tensors(struct cursor *c)
{
    lm_gguf *gguf = c->gguf;
    gguf->tensors = calloc(gguf->n_tensors + 1, sizeof *gguf->tensors);
    c->tensors = calloc(gguf->n_tensors + 1, sizeof *c->tensors);
    if (!gguf->tensors || !c->tensors)
        return out_of_memory(c);
    for (uint32_t i = 0; i < gguf->n_tensors; i++)
        if (!parse_tensor(c, i))
            return false;
    return true;
}

// Gives back what was read beyond the header; from here on it does not move.
static void trim_header(struct cursor *c)
{
    lm_gguf *gguf = c->gguf;
    gguf->header_bytes = c->at;
    uint8_t *smaller = gguf->buffer ? realloc(gguf->buffer, (size_t)c->at) : NULL;
    if (!smaller)
        return;
    gguf->buffer = smaller;
    gguf->header = smaller;
    gguf->loaded_bytes = c->at;
}

static bool index_keys(struct cursor *c)
{
    lm_gguf *gguf = c->gguf;
    if (!lm_names_init(&gguf->keys, gguf->n_keys))
        return out_of_memory(c);
    for (uint32_t i = 0; i < gguf->n_keys; i++) {
        const uint8_t *at = gguf->header + c->keys[i].at;
        if (!lm_names_add(&gguf->keys, (lm_text){(const char *)at, c->keys[i].size}))
            return lm_fail(c->err, LM_BAD_FILE, "%s holds the key '%s' twice", gguf->path,
                           show(c, c->keys[i]).text);
    }
    return true;
}

// Copies the names, so that they are zero-terminated.
static bool index_tensors(struct cursor *c)
{
    lm_gguf *gguf = c->gguf;
    size_t size = 1;
    for (uint32_t i = 0; i < gguf->n_tensors; i++)
        size += c->tensors[i].size + 1;
    gguf->tensor_names = calloc(size, 1);
    if (!gguf->tensor_names || !lm_names_init(&gguf->tensor_index, gguf->n_tensors))
        return out_of_memory(c);
    char *to = gguf->tensor_names;
    for (uint32_t i = 0; i < gguf->n_tensors; i++) {
        const struct span span = c->tensors[i];
        memcpy(to, gguf->header + span.at, span.size);
        gguf->tensors[i].name = (lm_text){to, span.size};
        to += span.size + 1;
        if (!lm_names_add(&gguf->tensor_index, gguf->tensors[i].name))
            return lm_fail(c->err, LM_BAD_FILE, "%s holds the tensor '%s' twice", gguf->path,
                           lm_show(gguf->tensors[i].name).text);
    }
    return true;
}

static bool read_alignment(struct cursor *c, uint64_t *alignment)
{
    const lm_gguf *gguf = c->gguf;
    *alignment = 32; // of the specification
    if (lm_gguf_has(gguf, "general.alignment") &&
        !lm_gguf_get_u64(gguf, "general.alignment", alignment))
        return lm_fail(c->err, LM_BAD_FILE, "%s: general.alignment is no whole number", gguf->path);
    if (*alignment == 0 || (*alignment & (*alignment - 1)) != 0 || *alignment > 1u << 30)
        return lm_fail(c->err, LM_BAD_FILE,
                       "%s: general.alignment is %" PRIu64 ", not a power of two up to 2^30",
                       gguf->path, *alignment);
    return true;
}

// Turns offsets within the data into offsets within the file and checks that each tensor ends
// there.
static bool place_tensors(struct cursor *c)
{
    lm_gguf *gguf = c->gguf;
    uint64_t alignment;
    if (!read_alignment(c, &alignment))
        return false;
    const uint64_t data_at = (c->at + alignment - 1) / alignment * alignment;
    for (uint32_t i = 0; i < gguf->n_tensors; i++) {
        lm_gguf_tensor *tensor = &gguf->tensors[i];
        const uint64_t offset = tensor->offset;
        if (offset % alignment != 0)
            return lm_fail(c->err, LM_BAD_FILE,
                           "%s: tensor '%s' begins at %" PRIu64
                           " of the data, no multiple of the alignment %" PRIu64,
                           gguf->path, lm_show(tensor->name).text, offset, alignment);
        uint64_t end;
        if (__builtin_add_overflow(offset, data_at, &tensor->offset) ||
            __builtin_add_overflow(tensor->offset, tensor->size_bytes, &end) ||
            end > gguf->file_bytes)
            return lm_fail(c->err, LM_BAD_FILE,
                           "%s is truncated or corrupt: tensor '%s' of %" PRIu64
                           " bytes at %" PRIu64 " of the data ends beyond the file's %" PRIu64
                           " bytes",
                           gguf->path, lm_show(tensor->name).text, tensor->size_bytes, offset,
                           gguf->file_bytes);
    }
    return true;
}

static int by_offset(const void *a, const void *b)
{
    const lm_gguf_tensor *x = *(const lm_gguf_tensor *const *)a;
    const lm_gguf_tensor *y = *(const lm_gguf_tensor *const *)b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return (x > y) - (x < y);
}

// Sorted by offset, a tensor of known size must end before the next one begins.
static bool check_overlaps(struct cursor *c)
{
    const lm_gguf *gguf = c->gguf;
    const lm_gguf_tensor **order = calloc(gguf->n_tensors + 1, sizeof *order);
    if (!order)
        return out_of_memory(c);
    uint32_t n = 0;
    for (uint32_t i = 0; i < gguf->n_tensors; i++)
        if (gguf->tensors[i].size_bytes > 0)
            order[n++] = &gguf->tensors[i];
    qsort(order, n, sizeof *order, by_offset);
    bool ok = true;
    for (uint32_t i = 1; i < n && ok; i++) {
        const lm_gguf_tensor *before = order[i - 1];
        const lm_gguf_tensor *after = order[i];
        if (before->offset + before->size_bytes > after->offset)
            ok = lm_fail(c->err, LM_BAD_FILE,
                         "%s: tensors '%s' and '%s' overlap at offset %" PRIu64, gguf->path,
                         lm_show(before->name).text, lm_show(after->name).text, after->offset);
    }
    free(order);
    return ok;
}

bool lm_gguf_parse(lm_gguf *gguf, lm_error *err)
{
    struct cursor c = {.gguf = gguf, .err = err};
    if (gguf->data) {
        gguf->header = gguf->data;
        gguf->loaded_bytes = gguf->file_bytes;
    }
    bool ok = parse_start(&c) && parse_keys(&c) && parse_tensors(&c);
    if (ok) {
        trim_header(&c);
        ok = index_keys(&c) && index_tensors(&c) && place_tensors(&c) && check_overlaps(&c);
    }
    free(c.keys);
    free(c.tensors);
    if (ok)
        gguf->header_hash = lm_hash(LM_HASH_START, gguf->header, (size_t)gguf->header_bytes);
    return ok;
}
