#include "gguf/header.h"

#include "base/hash.h"
#include "base/shown.h"

#include <inttypes.h>
#include <stdlib.h>

static lm_gguf *create(const char *path, lm_error *err)
{
    lm_gguf *gguf = calloc(1, sizeof *gguf);
    if (gguf)
        gguf->path = strdup(path);
    if (!gguf || !gguf->path) {
        lm_fail(err, LM_NO_MEMORY, "out of memory opening %s", path);
        lm_gguf_close(&gguf);
    }
    return gguf;
}

lm_gguf *lm_gguf_open_file(const char *path, lm_error *err)
{
    lm_gguf *gguf = create(path, err);
    if (!gguf)
        return NULL;
    gguf->file = lm_file_open(path, err);
    if (!gguf->file)
        goto fail;
    gguf->file_bytes = lm_file_size(gguf->file);
    if (!lm_gguf_parse(gguf, err))
        goto fail;
    return gguf;
fail:
    lm_gguf_close(&gguf);
    return NULL;
}

lm_gguf *lm_gguf_open(const char *path, lm_error *err)
{
    lm_gguf *gguf = lm_gguf_open_file(path, err);
    return gguf && lm_gguf_is_part(gguf) ? lm_gguf_open_parts(gguf, err) : gguf;
}

lm_gguf *lm_gguf_open_memory(const char *name, const void *data, size_t size, lm_error *err)
{
    lm_gguf *gguf = create(name, err);
    if (!gguf)
        return NULL;
    gguf->data = data;
    gguf->file_bytes = size;
    bool ok = lm_gguf_parse(gguf, err);
    if (ok && lm_gguf_is_part(gguf))
        ok = lm_fail(err, LM_BAD_FILE, "%s is one part of a split model, without the others", name);
    if (!ok)
        lm_gguf_close(&gguf);
    return gguf;
}

void lm_gguf_close(lm_gguf **gguf)
{
    lm_gguf *g = *gguf;
    if (!g)
        return;
    for (uint32_t i = 0; i < g->n_others; i++)
        lm_gguf_close(&g->others[i]);
    free(g->others);
    lm_names_finish(&g->keys);
    lm_names_finish(&g->tensor_index);
    lm_file_close(&g->file);
    free(g->values);
    free(g->string_at);
    free(g->tensors);
    free(g->tensor_names);
    free(g->buffer);
    free(g->path);
    free(g);
    *gguf = NULL;
}

const char *lm_gguf_path(const lm_gguf *gguf)
{
    return gguf->path;
}

uint32_t lm_gguf_version(const lm_gguf *gguf)
{
    return gguf->version;
}

uint64_t lm_gguf_file_bytes(const lm_gguf *gguf)
{
    uint64_t sum = gguf->file_bytes;
    for (uint32_t i = 0; i < gguf->n_others; i++)
        sum += gguf->others[i]->file_bytes;
    return sum;
}

uint32_t lm_gguf_n_files(const lm_gguf *gguf)
{
    return 1 + gguf->n_others;
}

static const lm_gguf *find_part(const lm_gguf *gguf, uint32_t part)
{
    return part == 0 ? gguf : gguf->others[part - 1];
}

const char *lm_gguf_file_path(const lm_gguf *gguf, uint32_t part)
{
    return find_part(gguf, part)->path;
}

uint64_t lm_gguf_header_hash(const lm_gguf *gguf)
{
    return gguf->header_hash;
}

static uint64_t add_file_stamp(uint64_t stamp, const lm_gguf *gguf)
{
    const uint64_t file = gguf->file ? lm_file_stamp(gguf->file) : gguf->file_bytes;
    return lm_hash(stamp, &file, sizeof file);
}

uint64_t lm_gguf_stamp(const lm_gguf *gguf)
{
    uint64_t stamp = add_file_stamp(gguf->header_hash, gguf);
    for (uint32_t i = 0; i < gguf->n_others; i++)
        stamp = add_file_stamp(stamp, gguf->others[i]);
    return stamp ? stamp : 1;
}

size_t lm_gguf_n_keys(const lm_gguf *gguf)
{
    return gguf->n_keys;
}

lm_text lm_gguf_key(const lm_gguf *gguf, size_t index)
{
    return gguf->keys.at[index];
}

lm_text lm_gguf_raw_value(const lm_gguf *gguf, size_t index)
{
    const struct lm_gguf_value *value = &gguf->values[index];
    return (lm_text){(const char *)gguf->header + value->raw_at, value->raw_bytes};
}

static const struct lm_gguf_value *find_value(const lm_gguf *gguf, const char *key)
{
    const uint32_t index = lm_names_find(&gguf->keys, lm_text_of(key));
    return index == LM_NO_NAME ? NULL : &gguf->values[index];
}

// The value of `key` if it is a scalar (or, for want_array, an array that has `index`).
static const struct lm_gguf_value *find_element(const lm_gguf *gguf, const char *key,
                                                bool want_array, uint64_t index)
{
    const struct lm_gguf_value *value = find_value(gguf, key);
    return value && value->is_array == want_array && index < value->count ? value : NULL;
}

// A whole number as its bits in 64, sign-extended; *negative tells how to read them.
static bool load_integer(const lm_gguf *gguf, const struct lm_gguf_value *value, uint64_t index,
                         uint64_t *bits, bool *negative)
{
    const uint8_t *at = gguf->header + value->at + index * lm_gguf_type_bytes(value->type);
    *negative = false;
    switch (value->type) {
    case LM_GGUF_U8:
        *bits = at[0];
        return true;
    case LM_GGUF_U16:
        *bits = (uint64_t)at[0] | (uint64_t)at[1] << 8;
        return true;
    case LM_GGUF_U32:
        *bits = lm_load_u32(at);
        return true;
    case LM_GGUF_U64:
        *bits = lm_load_u64(at);
        return true;
    case LM_GGUF_I8:
        *bits = (uint64_t)(int8_t)at[0];
        break;
    case LM_GGUF_I16:
        *bits = (uint64_t)(int16_t)(uint16_t)(at[0] | at[1] << 8);
        break;
    case LM_GGUF_I32:
        *bits = (uint64_t)(int32_t)lm_load_u32(at);
        break;
    case LM_GGUF_I64:
        *bits = lm_load_u64(at);
        break;
    case LM_GGUF_F32:
    case LM_GGUF_F64:
    case LM_GGUF_BOOL:
    case LM_GGUF_STRING:
    case LM_GGUF_ARRAY:
        return false;
    }
    *negative = *bits >> 63;
    return true;
}

static bool load_real(const lm_gguf *gguf, const struct lm_gguf_value *value, uint64_t index,
                      double *to)
{
    const uint8_t *at = gguf->header + value->at + index * lm_gguf_type_bytes(value->type);
    if (value->type == LM_GGUF_F32) {
        const uint32_t bits = lm_load_u32(at);
        float real;
        memcpy(&real, &bits, sizeof real);
        *to = real;
        return true;
    }
    if (value->type == LM_GGUF_F64) {
        const uint64_t bits = lm_load_u64(at);
        memcpy(to, &bits, sizeof *to);
        return true;
    }
    return false;
}

static bool load_text(const lm_gguf *gguf, const struct lm_gguf_value *value, uint64_t index,
                      lm_text *to)
{
    if (value->type != LM_GGUF_STRING)
        return false;
    const uint8_t *at = gguf->header + gguf->string_at[value->at + index];
    *to = (lm_text){(const char *)at + 8, (size_t)lm_load_u64(at)};
    return true;
}

bool lm_gguf_has(const lm_gguf *gguf, const char *key)
{
    return find_value(gguf, key) != NULL;
}

bool lm_gguf_get_u64(const lm_gguf *gguf, const char *key, uint64_t *value)
{
    const struct lm_gguf_value *found = find_element(gguf, key, false, 0);
    uint64_t bits;
    bool negative;
    if (!found || !load_integer(gguf, found, 0, &bits, &negative) || negative)
        return false;
    *value = bits;
    return true;
}

bool lm_gguf_get_f64(const lm_gguf *gguf, const char *key, double *value)
{
    const struct lm_gguf_value *found = find_element(gguf, key, false, 0);
    return found && load_real(gguf, found, 0, value);
}

bool lm_gguf_get_bool(const lm_gguf *gguf, const char *key, bool *value)
{
    const struct lm_gguf_value *found = find_element(gguf, key, false, 0);
    if (!found || found->type != LM_GGUF_BOOL)
        return false;
    *value = gguf->header[found->at] != 0;
    return true;
}

bool lm_gguf_get_text(const lm_gguf *gguf, const char *key, lm_text *value)
{
    const struct lm_gguf_value *found = find_element(gguf, key, false, 0);
    return found && load_text(gguf, found, 0, value);
}

bool lm_gguf_get_count(const lm_gguf *gguf, const char *key, uint64_t *count)
{
    const struct lm_gguf_value *found = find_value(gguf, key);
    if (!found || !found->is_array)
        return false;
    *count = found->count;
    return true;
}

bool lm_gguf_get_text_at(const lm_gguf *gguf, const char *key, uint64_t index, lm_text *value)
{
    const struct lm_gguf_value *found = find_element(gguf, key, true, index);
    return found && load_text(gguf, found, index, value);
}

bool lm_gguf_get_i64_at(const lm_gguf *gguf, const char *key, uint64_t index, int64_t *value)
{
    const struct lm_gguf_value *found = find_element(gguf, key, true, index);
    uint64_t bits;
    bool negative;
    if (!found || !load_integer(gguf, found, index, &bits, &negative))
        return false;
    if (!negative && bits > INT64_MAX)
        return false;
    memcpy(value, &bits, sizeof *value);
    return true;
}

bool lm_gguf_get_f64_at(const lm_gguf *gguf, const char *key, uint64_t index, double *value)
{
    const struct lm_gguf_value *found = find_element(gguf, key, true, index);
    return found && load_real(gguf, found, index, value);
}

size_t lm_gguf_n_tensors(const lm_gguf *gguf)
{
    return gguf->n_tensors;
}

const lm_gguf_tensor *lm_gguf_tensor_at(const lm_gguf *gguf, size_t index)
{
    return &gguf->tensors[index];
}

const lm_gguf_tensor *lm_gguf_find(const lm_gguf *gguf, const char *name)
{
    const uint32_t index = lm_names_find(&gguf->tensor_index, lm_text_of(name));
    return index == LM_NO_NAME ? NULL : &gguf->tensors[index];
}

bool lm_gguf_read(const lm_gguf *gguf, const lm_gguf_tensor *tensor, uint64_t offset, void *to,
                  size_t size, lm_error *err)
{
    const lm_gguf *part = find_part(gguf, tensor->part);
    if (offset > tensor->size_bytes || size > tensor->size_bytes - offset)
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "%s: %zu bytes at %" PRIu64 " reach beyond the %" PRIu64
                       " bytes of tensor '%s'",
                       part->path, size, offset, tensor->size_bytes, lm_show(tensor->name).text);
    if (part->data) {
        memcpy(to, part->data + tensor->offset + offset, size);
        return true;
    }
    // Looked at after reading: what came before a change is then known to be of the old file.
    return lm_file_read_at(part->file, tensor->offset + offset, to, size, err) &&
           lm_file_unchanged(part->file, err);
}
