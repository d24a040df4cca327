// Faults to plant into the reference forward pass. A comparison that accepts the sound reference
// must refuse the reference with any of these in it; otherwise it would not see the same fault in
// the code under test.

#ifndef LM_TESTS_SUPPORT_REF_FAULT_H
#define LM_TESTS_SUPPORT_REF_FAULT_H

#include "gguf/format.h"
#include "model/config.h"
#include "ref/ops.h"

#include <stdbool.h>

typedef enum ref_fault {
    REF_FAULT_NONE = 0,
    REF_FAULT_ROPE_BASE,          // 10000 for any other base, 100000 for 10000
    REF_FAULT_ROPE_FACTOR,        // positions are not divided by it
    REF_FAULT_ROPE_HALF_SPLIT,    // pairs (x[i], x[i + head_dim/2]) instead of neighbours
    REF_FAULT_POSITION,           // queries one position too far; shifting keys too would not show
    REF_FAULT_NORM_EPS,           // ten times larger
    REF_FAULT_NORM_WEIGHT,        // norms do not multiply by their weights
    REF_FAULT_OUTPUT_NORM,        // logits from the unnormalised residual stream
    REF_FAULT_GQA_MODULO,         // head h reads kv head h % n_head_kv
    REF_FAULT_CAUSAL_SEES_NEXT,   // one key too many
    REF_FAULT_CAUSAL_MISSES_SELF, // one key too few
    REF_FAULT_KV_SWAPPED,         // keys taken for values and values for keys
    REF_FAULT_ATTENTION_SCALE,    // 1/head_dim instead of 1/sqrt(head_dim)
    REF_FAULT_RESIDUAL,           // attention replaces the stream instead of adding to it
    REF_FAULT_GATE_UP_SWAPPED,    // silu(up) * gate
    REF_FAULT_SILU,               // gate * up
    REF_FAULT_LAST_LAYER,         // skipped
    REF_FAULT_EMBEDDING_ROW,      // the row of token + 1
    REF_FAULT_Q8_0_SCALE,         // every block takes the scale of the next one in its row
    REF_FAULT_BIAS_AFTER_ROPE,    // biases of q and k are added to what was rotated
    REF_FAULT_K_BIAS,             // left out
    REF_FAULT_COUNT,
} ref_fault;

// "rope base", for messages.
const char *ref_fault_name(ref_fault fault);

// False where the fault changes nothing, whatever the weights: a factor of 1, one query head per
// key head (or one key head for all), weights without scales, no biases.
bool ref_fault_shows(ref_fault fault, const lm_config *config, lm_format format);

// x f32 [n_tokens][n_heads][head_dim]: as lm_ref_rope(), but on the pairs (x[i], x[i +
// head_dim/2]). Out of memory gives NaN.
void ref_fault_rope_half_split(float *x, size_t n_tokens, size_t n_heads, size_t head_dim,
                               double start_pos, double base, double factor);

// As lm_ref_attention(), but query head h reads kv head h % n_head_kv. Out of memory gives NaN.
void ref_fault_attention_modulo(const lm_ref_heads *heads, double scale, const float *q,
                                const float *k, const float *v, size_t n_tokens, size_t n_visible,
                                float *y);

// row Q8_0 [n_cols], in place: each block takes the scale of the next, the last that of the first.
void ref_fault_shift_scales(unsigned char *row, size_t n_cols);

#endif
