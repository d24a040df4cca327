// The operations of the forward pass in plain C on the host: the specification that every shader is
// compared with, by tests and by whatever checks a device. Sums in double, results rounded to f32
// once, no blocking, no cleverness.
//
// Shapes are slowest first. Pointers are borrowed; outputs do not overlap inputs unless said.
// There is no state; any thread may call.

#ifndef LM_REF_OPS_H
#define LM_REF_OPS_H

#include "ops/kv_type.h"

#include <stddef.h>
#include <stdint.h>

// x[i] = the nearest f16, ties to even.
void lm_ref_round_f16(float *x, size_t n);

// x[i] = d * q[i], as ggml's quantize_row_q8_0_ref: d = max |x| / 127, q[i] = x[i] / d rounded half
// away from zero. Returns d as f16 bits, rounded afterwards. n is at most 32.
uint16_t lm_ref_quantize_q8_0(const float *x, size_t n, int8_t *q);

// x becomes what a KV cache of this type keeps of it; q8_0 has blocks of 32 values of a head, the
// last of which may be shorter.
//   x f32 [n_heads][head_dim]
void lm_ref_round_kv(lm_kv_type type, float *x, size_t n_heads, size_t head_dim);

// y[t][c] = table[tokens[t]][c]; every token is a row of the table.
void lm_ref_embedding(const float *table, const int32_t *tokens, size_t n_tokens, size_t n_embd,
                      float *y);

// y[t][r] = sum over c of w[r][c] * x[t][c].
//   w f32 [n_rows][n_cols]   x f32 [n_tokens][n_cols]   y f32 [n_tokens][n_rows]
void lm_ref_matmul(const float *w, const float *x, size_t n_tokens, size_t n_rows, size_t n_cols,
                   float *y);

// y[t][c] = weight[c] * x[t][c] / sqrt(mean over c of x[t][c]^2 + eps). y may be x.
void lm_ref_rms_norm(const float *x, const float *weight, size_t n_tokens, size_t n_cols,
                     double eps, float *y);

// Rotary position embedding, in place. The pair (x[2i], x[2i + 1]) of every head is rotated by
// (pos / factor) * base^(-2i / head_dim), where pos = start_pos + t (Su et al. 2021, equation 34;
// Chen et al. 2023 for the factor). GGUF's Q and K rows are ordered for these neighbouring pairs.
//   x f32 [n_tokens][n_heads][head_dim]
void lm_ref_rope(float *x, size_t n_tokens, size_t n_heads, size_t head_dim, double start_pos,
                 double base, double factor);

typedef struct lm_ref_heads {
    size_t n_head;    // query heads
    size_t n_head_kv; // divides n_head
    size_t head_dim;
} lm_ref_heads;

// Causal attention: query t sees the first n_visible + t keys, so n_visible is start_pos + 1.
// Query head h reads key and value head h / (n_head / n_head_kv).
//   y[t][h] = sum over p of softmax over p of (scale * q[t][h] . k[p][kv]) * v[p][kv]
// A query that sees no key gives zeros. Out of memory gives NaN, which no comparison accepts.
//   q, y f32 [n_tokens][n_head][head_dim]   k, v f32 [n_visible + n_tokens -
//   1][n_head_kv][head_dim]
void lm_ref_attention(const lm_ref_heads *heads, double scale, const float *q, const float *k,
                      const float *v, size_t n_tokens, size_t n_visible, float *y);

// y[i] = silu(gate[i]) * up[i], silu(g) = g / (1 + exp(-g)). y may be gate or up.
void lm_ref_swiglu(const float *gate, const float *up, size_t n, float *y);

// The index of the largest value, the lowest such index on ties; NaN is never the largest.
size_t lm_ref_argmax(const float *x, size_t n);

#endif
