// Where a model's tensors come from: a GGUF file or a generator of synthetic weights.
//
// Both give the same bytes in the same layout (GGUF row-major blocks), so everything after this
// point cannot tell them apart: a synthetic model and the file that `lemnos synth` writes from the
// same shape and format are equal, bit for bit.
//
// Threads: lm_source_read() may be called from several threads at once.

#ifndef LM_MODEL_SOURCE_H
#define LM_MODEL_SOURCE_H

#include "base/error.h"
#include "gguf/format.h"
#include "model/config.h"

#include <stddef.h>
#include <stdint.h>

typedef enum lm_tensor_kind {
    LM_TENSOR_TOKEN_EMBD,  // token_embd.weight          [n_vocab][n_embd]
    LM_TENSOR_OUTPUT_NORM, // output_norm.weight         [n_embd], norm
    LM_TENSOR_OUTPUT,      // output.weight              [n_vocab][n_embd]; absent when tied
    LM_TENSOR_ATTN_NORM,   // blk.N.attn_norm.weight     [n_embd], norm
    LM_TENSOR_Q,           // blk.N.attn_q.weight        [n_head * head_dim][n_embd]
    LM_TENSOR_K,           // blk.N.attn_k.weight        [n_head_kv * head_dim][n_embd]
    LM_TENSOR_V,           // blk.N.attn_v.weight        [n_head_kv * head_dim][n_embd]
    LM_TENSOR_ATTN_OUT,    // blk.N.attn_output.weight   [n_embd][n_head * head_dim]
    LM_TENSOR_FFN_NORM,    // blk.N.ffn_norm.weight      [n_embd], norm
    LM_TENSOR_GATE,        // blk.N.ffn_gate.weight      [n_ff][n_embd]
    LM_TENSOR_UP,          // blk.N.ffn_up.weight        [n_ff][n_embd]
    LM_TENSOR_DOWN,        // blk.N.ffn_down.weight      [n_embd][n_ff]
    LM_TENSOR_Q_BIAS,      // blk.N.attn_q.bias          [n_head * head_dim]; biases: all or none
    LM_TENSOR_K_BIAS,      // blk.N.attn_k.bias          [n_head_kv * head_dim]
    LM_TENSOR_V_BIAS,      // blk.N.attn_v.bias          [n_head_kv * head_dim]
    LM_TENSOR_KIND_COUNT,
} lm_tensor_kind;

// One tensor of a model, as it stands in the source.
typedef struct lm_tensor_info {
    lm_tensor_kind kind;
    uint32_t layer; // 0 for the kinds that exist once
    lm_format format;
    uint32_t n_rows; // 1 for vectors
    uint32_t n_cols; // the fastest dimension
    uint64_t row_bytes;
} lm_tensor_info;

// Whether a kind is a vector, a norm or a bias, which stays plain f32 on the device.
bool lm_tensor_is_vector(lm_tensor_kind kind);

typedef struct lm_source lm_source;

// Checks that every tensor the config demands is there with the right shape and a supported format,
// and names the first that is not. Borrows `gguf`, which must outlive the source.
lm_source *lm_source_from_gguf(const lm_gguf *gguf, const lm_config *config, lm_error *err);

// Reproducible random weights: matrices uniform with standard deviation 1/sqrt(n_cols), exactly
// representable in `format`; norms uniform in [0.5, 1.5) and biases in [-1, 1), always F32. Formats
// of fewer than eight bits are random blocks, see model/synth_blocks.h. Matrices whose columns are
// no multiple of a block of 256 take a format with blocks of 32 instead: Q4_0 for Q2_K and Q3_K,
// Q5_0 for Q4_K, Q5_1 for Q5_K, Q8_0 for Q6_K.
lm_source *lm_source_synthetic(const lm_config *config, lm_format format, lm_error *err);

// Destroys *source and sets it to NULL. *source may already be NULL.
void lm_source_destroy(lm_source **source);

// Tensors in the order of the enum, layers one after another.
size_t lm_source_n_tensors(const lm_source *source);
const lm_tensor_info *lm_source_tensor(const lm_source *source, size_t index);

// "blk.3.attn_q.weight" into `name`.
void lm_tensor_name(lm_tensor_kind kind, uint32_t layer, char *name, size_t size);

// Kind and layer of a name of that form; false for any other name.
bool lm_tensor_find(const char *name, lm_tensor_kind *kind, uint32_t *layer);

// Reads `n_rows` whole rows from `row` on into `to` (n_rows * row_bytes).
bool lm_source_read(const lm_source *source, size_t index, uint32_t row, uint32_t n_rows, void *to,
                    lm_error *err);

// Writes the synthetic model as a GGUF v3 file that llama.cpp loads too: an invented vocabulary
// with merges, the special tokens of DeepSeek-Coder. The file appears complete or not at all.
bool lm_synth_write(const lm_config *config, lm_format format, const char *path, lm_error *err);

// The vocabulary alone as an in-memory GGUF (no tensors), for synthetic runs without a file; open
// it with lm_gguf_open_memory(). *data is the caller's to free().
bool lm_synth_vocabulary(const lm_config *config, void **data, size_t *size, lm_error *err);

#endif
