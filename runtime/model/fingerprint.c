#include "model/fingerprint.h"

#include "base/half.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash_u32(uint64_t hash, uint32_t value)
{
    const unsigned char bytes[4] = {(unsigned char)value, (unsigned char)(value >> 8),
                                    (unsigned char)(value >> 16), (unsigned char)(value >> 24)};
    return lm_hash(hash, bytes, sizeof bytes);
}

static uint64_t hash_config(uint64_t hash, const lm_config *c)
{
    const uint32_t sizes[] = {
        c->n_layer,   c->n_embd,   c->n_ff,    c->n_head,
        c->n_head_kv, c->head_dim, c->n_vocab, lm_bits_from_f32(c->norm_eps),
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        hash = hash_u32(hash, sizes[i]);
    return hash;
}

static bool hash_tensor(const lm_source *source, size_t index, uint64_t *hash, lm_error *err)
{
    const lm_tensor_info *info = lm_source_tensor(source, index);
    char name[64];
    lm_tensor_name(info->kind, info->layer, name, sizeof name);
    *hash = lm_hash(*hash, name, strlen(name));
    const uint32_t facts[] = {info->format, info->n_rows, info->n_cols};
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        *hash = hash_u32(*hash, facts[i]);
    const size_t row_bytes = (size_t)info->row_bytes;
    const uint32_t rows[] = {0, info->n_rows / 2};
    unsigned char *row = malloc(row_bytes);
    bool ok = row || lm_fail(err, LM_NO_MEMORY, "out of memory for the fingerprint of a model");
    for (size_t i = 0; ok && i < sizeof rows / sizeof *rows; i++) {
        ok = lm_source_read(source, index, rows[i], 1, row, err);
        if (ok)
            *hash = lm_hash(*hash, row, row_bytes);
    }
    free(row);
    return ok;
}

bool lm_fingerprint(const lm_config *config, const lm_source *source, uint64_t *fingerprint,
                    lm_error *err)
{
    uint64_t hash = hash_config(LM_HASH_START, config);
    for (size_t i = 0; i < lm_source_n_tensors(source); i++)
        if (!hash_tensor(source, i, &hash, err))
            return false;
    *fingerprint = hash;
    return true;
}
