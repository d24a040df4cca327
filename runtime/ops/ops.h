// The ops: one C function each, which appends its dispatches to a recording.
//
// An op takes its operands in a struct named after it: device addresses and sizes. It returns
// nothing; mistakes stay with the recording. n_tokens is the most tokens that the step may have:
// it sizes the grid, while the step's state on the device says how many there are. Activations are
// f32. "Tiled" by `tile` means [n_tokens / tile][width][tile]: the values of `tile` tokens lie
// together, which is how matmul reads its input; a tile of 1 is a plain [n_tokens][width].

#ifndef LM_OPS_OPS_H
#define LM_OPS_OPS_H

#include "gpu/recording.h"
#include "ops/kv_type.h"
#include "ops/matmul_choice.h"
#include "ops/matrix.h"

#include <stdbool.h>
#include <stdint.h>

// Bytes of struct step_state, step_inbox and step_outbox in shaders/interface/step.h.
uint64_t lm_step_state_bytes(void);
uint64_t lm_step_inbox_bytes(void);
uint64_t lm_step_outbox_bytes(void);

// Starts a step from the inbox: the state is set, the outbox cleared, the tokens are put in place.
typedef struct lm_step_begin {
    uint64_t inbox, step, outbox;
    uint64_t tokens; // u32 [n_ctx]
    uint32_t n_ctx, n_vocab;
} lm_step_begin;
void lm_op_step_begin(lm_recording *rec, const lm_step_begin *op);

// y[t] = the row of tokens[pos + t], dequantised: f32 [n_tokens][n_cols].
typedef struct lm_embed {
    lm_matrix weights; // [n_vocab][n_cols]
    uint64_t tokens, y, step;
    uint32_t n_ctx, n_tokens;
} lm_embed;
void lm_op_embed(lm_recording *rec, const lm_embed *op);

// y = weight * x / rms(x), tiled.
typedef struct lm_rms_norm {
    uint64_t x;      // f32 [n_tokens][n_cols]
    uint64_t weight; // f32 [n_cols]
    uint64_t y;
    uint64_t step;
    uint32_t n_tokens, n_cols, tile;
    bool last_only; // only the step's last token, to row 0 of y
    float eps;
} lm_rms_norm;
void lm_op_rms_norm(lm_recording *rec, const lm_rms_norm *op);

// y = weights x, or y += weights x, for one token: f32 [n_rows].
typedef struct lm_matvec {
    lm_matrix weights;
    uint64_t x; // f32 [n_cols]
    uint64_t y;
    uint64_t step;
    bool add;
} lm_matvec;
void lm_op_matvec(lm_recording *rec, const lm_matvec *op);

// How many tokens a step of `n_tokens` takes together: 1, 8 or 16. The layout of x for all ops of
// the step.
uint32_t lm_op_tile(lm_gpu *gpu, uint32_t n_tokens);
#define LM_MAX_OP_TILE 16

// The same for many tokens: y f32 [n_tokens][n_rows], x tiled by `tile`, which is 8 or 16.
typedef struct lm_matmul {
    lm_matrix weights;
    uint64_t x, y, step;
    uint32_t n_tokens, tile;
    const lm_matmul_tile *wish; // for matrices, where it fits; NULL: the best
    bool add;
} lm_matmul;
void lm_op_matmul(lm_recording *rec, const lm_matmul *op);

// The way that lm_op_matmul() takes on a device now. LM_MATMUL_COOPMAT rounds weights and x to f16.
lm_matmul_choice lm_op_matmul_choice(lm_gpu *gpu, const lm_matmul *op);

// K and V of one layer on the device, see shaders/interface/kv.h.
typedef struct lm_kv_layer {
    uint64_t k, v;
    uint32_t n_head_kv, head_dim;
    uint32_t n_ctx; // a multiple of 16
    lm_kv_type type;
} lm_kv_layer;

// Bytes of K, and of V: of their values, and with the scales that q8_0 has behind them.
uint64_t lm_kv_value_bytes(const lm_kv_layer *kv);
uint64_t lm_kv_layer_bytes(const lm_kv_layer *kv);

// Fills K and V with pseudo-random values in (-1, 1], or thereabouts.
void lm_op_kv_fill(lm_recording *rec, const lm_kv_layer *kv, uint32_t seed);

// Adds biases, rotates q in place and k on the way, and stores k and v at the step's positions.
typedef struct lm_rope_store {
    uint64_t q;                      // f32 [n_tokens][n_head * head_dim]
    uint64_t k, v;                   // f32 [n_tokens][n_head_kv * head_dim]
    uint64_t q_bias, k_bias, v_bias; // f32 [n_head * head_dim], [n_head_kv * head_dim]; 0: none
    uint64_t cos_sin;                // f32 [n_ctx][head_dim / 2][2]
    lm_kv_layer kv;
    uint64_t step;
    uint32_t n_head, n_tokens;
} lm_rope_store;
void lm_op_rope_store(lm_recording *rec, const lm_rope_store *op);

// y = causal attention of q over the layer's K and V, tiled; f32, width n_head * head_dim. Parts of
// the keys are merged by the last workgroup to be done with its own where LM_FEATURE_LAST_GROUP is
// on, else by a second dispatch.
typedef struct lm_attention {
    uint64_t q; // f32 [n_tokens][n_head * head_dim], rotated
    lm_kv_layer kv;
    uint64_t y;
    uint64_t partials; // scratch of lm_attention_partial_bytes(); unused when n_splits is 1
    uint64_t counters; // zeros, of lm_attention_counter_bytes(); likewise
    uint64_t step;
    uint32_t n_head, n_tokens, tile;
    uint32_t n_splits;   // parts of the keys, each to a workgroup of its own; at most 64
    uint32_t group_size; // threads of a workgroup, a power of two; 0: what suits the device
    float scale;
} lm_attention;
void lm_op_attention(lm_recording *rec, const lm_attention *op);
uint64_t lm_attention_partial_bytes(uint32_t n_splits, uint32_t n_tokens, uint32_t n_head,
                                    uint32_t head_dim);
uint64_t lm_attention_counter_bytes(uint32_t n_tokens, uint32_t n_head, uint32_t n_head_kv);

// y = silu(gate) * up, tiled.
typedef struct lm_swiglu {
    uint64_t gate, up; // f32 [n_tokens][n_cols]
    uint64_t y;
    uint64_t step;
    uint32_t n_tokens, n_cols, tile;
} lm_swiglu;
void lm_op_swiglu(lm_recording *rec, const lm_swiglu *op);

// Finds the largest logit, counts those that are no finite number and hashes all: what every draw
// begins with.
typedef struct lm_argmax {
    uint64_t logits; // f32 [n_vocab]
    uint64_t parts;  // out, lm_draw_parts_bytes()
    uint64_t step;
    uint32_t n_vocab;
} lm_argmax;
void lm_op_argmax(lm_recording *rec, const lm_argmax *op);
uint64_t lm_draw_parts_bytes(void);

// Draws the largest logit (the lowest token on ties), appends it and makes the next step of it. A
// number that is not finite stops instead. Two dispatches.
typedef struct lm_draw_greedy {
    uint64_t logits; // f32 [n_vocab]
    uint64_t parts;  // scratch of lm_draw_parts_bytes()
    uint64_t inbox, step, outbox, tokens;
    uint32_t n_vocab, n_ctx;
} lm_draw_greedy;
void lm_op_draw_greedy(lm_recording *rec, const lm_draw_greedy *op);

// The same, but draws as the inbox's sampling says (shaders/interface/sample.h). Four dispatches in
// three intervals; with `logprobs`, which is needed to ask for log-probabilities, one more.
typedef struct lm_sample {
    uint64_t logits;  // f32 [n_vocab]
    uint64_t parts;   // scratch of lm_draw_parts_bytes()
    uint64_t scratch; // of lm_sample_scratch_bytes()
    uint64_t inbox, step, outbox, tokens;
    uint32_t n_vocab, n_ctx;
    bool logprobs;
} lm_sample;
void lm_op_sample(lm_recording *rec, const lm_sample *op);
uint64_t lm_sample_scratch_bytes(uint32_t n_vocab);

// Addresses of what its dispatches hand on in the scratch, as shaders/interface/sample.h has it.
typedef struct lm_sample_parts {
    uint64_t largest, counts, told, candidates, keys;
} lm_sample_parts;
lm_sample_parts lm_sample_parts_of(uint64_t scratch, uint32_t n_vocab);

// A verified step (shaders/interface/draft.h): after a draw, `begin` takes the inbox's draft;
// behind the forward pass comes for each row but the last `judge` and a draw from the row, then
// `judge` for the last; `end` puts the logits of the last accepted token where draws read them.
#define LM_DRAFT_ROWS 8
typedef struct lm_draft {
    uint64_t rows;   // f32 [LM_DRAFT_ROWS][n_vocab]
    uint64_t draft;  // scratch of lm_draft_bytes()
    uint64_t logits; // f32 [n_vocab]
    uint64_t inbox, step, outbox, tokens;
    uint32_t n_vocab, n_ctx;
} lm_draft;
void lm_op_draft_begin(lm_recording *rec, const lm_draft *op);
void lm_op_draft_judge(lm_recording *rec, const lm_draft *op, uint32_t row);
void lm_op_draft_end(lm_recording *rec, const lm_draft *op);
uint64_t lm_draft_bytes(void);

// Lays rows of a GGUF tensor out as `to` wants them.
typedef struct lm_relayout {
    uint64_t from; // n_rows rows as the file has them; readable for 4 bytes more
    lm_matrix to;
    uint32_t row_begin; // a multiple of 16
    uint32_t n_rows;    // a multiple of 16 unless they are the last
    uint32_t row_bytes;
} lm_relayout;
void lm_op_relayout(lm_recording *rec, const lm_relayout *op);

// Copies `size_bytes`, a multiple of 16. With `from` 0: fills with `pattern`, or with random f16
// where `seed` is not 0.
typedef struct lm_copy {
    uint64_t from, to, size_bytes;
    uint32_t pattern, seed;
} lm_copy;
void lm_op_copy(lm_recording *rec, const lm_copy *op);

#endif
