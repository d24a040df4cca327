// One step of a model: which ops, in which order, on which memory.
//
// Llama architecture: RMSNorm, GQA with RoPE, SwiGLU, residuals. The step is recorded once for its
// largest number of tokens and replayed; position, tokens and their number are on the device.

#ifndef LM_MODEL_FORWARD_H
#define LM_MODEL_FORWARD_H

#include "model/weights.h"
#include "ops/ops.h"

// The device memory that a step works in: addresses of f32 unless said otherwise. n is the most
// tokens of a step, rounded up to 16 where a tensor is tiled.
typedef struct lm_scratch {
    uint64_t residual; // [n][n_embd]
    uint64_t normed;   // [n / tile][n_embd][tile]
    uint64_t q;        // [n][n_head * head_dim]
    uint64_t k, v;     // [n][n_head_kv * head_dim]
    uint64_t partials; // of split attention
    uint64_t mixed;    // [n / tile][n_head * head_dim][tile]
    uint64_t gate, up; // [n][n_ff]
    uint64_t hidden;   // [n / tile][n_ff][tile]
    uint64_t last;     // [n_embd]
    uint64_t logits;   // [n_vocab]
    uint64_t parts;    // of the draw
    uint64_t sample;   // of the draw with sampling
    uint64_t rows;     // [LM_DRAFT_ROWS][n_vocab]: the logits of every row
    uint64_t draft;    // of a verified step
    uint64_t counters; // of split attention: zeros before the first step
    uint64_t squares;  // [n_embd / 16]: of `normed` in a fused step, which is not yet scaled then
} lm_scratch;

#define LM_SCRATCH_TENSORS 18

// The sizes of lm_scratch's tensors in bytes, in their order, for steps of at most `n_tokens`.
void lm_scratch_sizes(const lm_config *config, uint32_t n_tokens, uint32_t max_splits,
                      uint64_t sizes[LM_SCRATCH_TENSORS]);

// Most tokens whose attention may be split over the keys: longer steps have work enough.
#define LM_SPLIT_TOKENS 8

// Where a session keeps its state.
typedef struct lm_timeline_memory {
    uint64_t inbox, outbox; // host-visible
    uint64_t step;
    uint64_t tokens;       // u32 [n_ctx]
    uint64_t cos_sin;      // f32 [n_ctx][head_dim / 2][2]
    const lm_kv_layer *kv; // borrowed, [n_layer]
    uint32_t n_ctx;        // a multiple of 16
} lm_timeline_memory;

// What to record.
typedef struct lm_forward {
    const lm_config *config;
    const lm_weights *weights;
    const lm_scratch *scratch;
    const lm_timeline_memory *memory;
    uint32_t n_tokens;    // the most of this step; 1, 8 or a multiple of 16
    uint32_t n_splits;    // of attention; 1 where n_tokens exceeds LM_SPLIT_TOKENS
    uint64_t piece_bytes; // of weights that a piece of a short step reads at least; 0: a layer's
    bool logits;          // for the step's last token
    bool all_logits;      // for all of them, to scratch.rows: n_tokens is at most LM_DRAFT_ROWS
} lm_forward;

// Appends the step's ops. Cuts between layers, of short steps between as many as read piece_bytes,
// and between intervals where n_tokens is large.
void lm_forward_record(lm_recording *rec, const lm_forward *forward);

// Bytes of weights that a step of one token reads, the row of its embedding and norms aside.
uint64_t lm_forward_bytes(const lm_config *config, const lm_weights *weights);

// The table of cos and sin for `n_ctx` positions: f32 [n_ctx][head_dim / 2][2], computed in double.
//   angle(position, i) = position / rope_factor * rope_base^(-2 i / head_dim)
void lm_rope_table(const lm_config *config, uint32_t n_ctx, float *table);

#endif
