// Whether a row of weights lies on the device as it should: what the file has is laid out once
// more, beside, and the bits are compared. Tells a wrong op from wrong memory under a right one.

#include "check/rules.h"

#include "interface/weights.h"
#include "ops/ops.h"

#include <string.h>

// The 16 rows around a row: of each plane where it begins and how long it is.
struct tile {
    uint32_t first, n_rows;
    uint64_t quants, quant_bytes, heads, head_bytes;
};

static struct tile tile_of(const lm_matrix *m, uint32_t row)
{
    struct tile t = {.first = row / WEIGHT_TILE * WEIGHT_TILE};
    t.n_rows = m->n_rows - t.first < WEIGHT_TILE ? m->n_rows - t.first : WEIGHT_TILE;
    t.quant_bytes = lm_matrix_quant_bytes(m->storage, WEIGHT_TILE, m->n_cols);
    t.head_bytes = lm_matrix_bytes(m->storage, WEIGHT_TILE, m->n_cols) - t.quant_bytes;
    const uint64_t tile = t.first / WEIGHT_TILE;
    t.quants = m->address + tile * t.quant_bytes;
    t.heads =
        m->address + lm_matrix_quant_bytes(m->storage, m->n_rows, m->n_cols) + tile * t.head_bytes;
    return t;
}

// Of a plane of a tile: units of `unit` bytes, row after row.
static bool same_row(const unsigned char *a, const unsigned char *b, uint64_t bytes, uint32_t unit,
                     uint32_t row)
{
    for (uint64_t at = (uint64_t)row * unit; at < bytes; at += (uint64_t)WEIGHT_TILE * unit)
        if (memcmp(a + at, b + at, unit) != 0)
            return false;
    return true;
}

lm_check_weights lm_check_laid(lm_check *it, uint32_t row)
{
    lm_bench *b = &it->bench;
    const lm_matrix m = lm_weights_matrix(it->weights, it->info.kind, it->info.layer);
    const struct tile t = tile_of(&m, row);
    const uint64_t file_bytes = (t.n_rows * it->info.row_bytes + 4 + 15) / 16 * 16;
    const uint64_t bytes = t.quant_bytes + t.head_bytes;
    if (file_bytes + bytes > LM_BENCH_STAGING_BYTES)
        return LM_CHECK_WEIGHTS_UNKNOWN;
    const unsigned char *quants = lm_bench_read(b, t.quants, t.quant_bytes);
    const unsigned char *heads = lm_bench_read(b, t.heads, t.head_bytes);
    unsigned char *staging = lm_buffer_map(b->staging);
    if (!lm_bench_goes_on(b) ||
        !lm_source_read(it->source, it->tensor, t.first, t.n_rows, staging, &b->trouble))
        return LM_CHECK_WEIGHTS_UNKNOWN;
    lm_recording *rec = lm_recording_begin(b->gpu, "rows to check", &b->trouble);
    if (!rec)
        return LM_CHECK_WEIGHTS_UNKNOWN;
    const uint64_t address = lm_buffer_address(b->staging);
    lm_op_relayout(rec, &(lm_relayout){
                            .from = address,
                            .to = {address + file_bytes, m.storage, t.n_rows, m.n_cols},
                            .n_rows = t.n_rows,
                            .row_bytes = (uint32_t)it->info.row_bytes,
                        });
    const bool ok = lm_recording_end(rec, &b->trouble) && lm_recording_run(rec, &b->trouble);
    lm_recording_destroy(&rec);
    if (!ok)
        return LM_CHECK_WEIGHTS_UNKNOWN;
    const unsigned char *want = staging + file_bytes;
    const bool by_words = lm_features_on(lm_gpu_features(b->gpu), LM_FEATURE_UNIFORM_LOADS);
    const bool same = same_row(quants, want, t.quant_bytes, by_words ? 4 : 16, row - t.first) &&
                      same_row(heads, want + t.quant_bytes, t.head_bytes, 4, row - t.first);
    return same ? LM_CHECK_WEIGHTS_SAME : LM_CHECK_WEIGHTS_OTHER;
}
