// The whole forward pass of a llama model in plain C, with a KV cache, for small models: what the
// logits of a device are compared with.
//
// Ownership: the model copies everything out of the source, which may be destroyed after creation.
// Threads: one thread at a time.

#ifndef LM_TESTS_SUPPORT_REF_FORWARD_H
#define LM_TESTS_SUPPORT_REF_FORWARD_H

#include "model/config.h"
#include "model/source.h"
#include "ops/kv_type.h"
#include "support/ref_fault.h"
#include "tokenizer/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ref_model ref_model;

typedef struct ref_params {
    uint32_t n_ctx;  // positions of the KV cache, > 0
    lm_kv_type kv;   // round K (after RoPE) and V to it when they are stored
    ref_fault fault; // what to do wrong
} ref_params;

// Reads and dequantises every tensor. Returns NULL and fills `err` on failure.
ref_model *ref_model_create(const lm_source *source, const lm_config *config,
                            const ref_params *params, lm_error *err);

// Destroys *model and sets it to NULL. *model may already be NULL.
void ref_model_destroy(ref_model **model);

// Evaluates tokens[0..n_tokens) at the positions from start_pos on, after whatever earlier calls
// left at the positions before. Fails with LM_BAD_ARGUMENT beyond n_ctx or the vocabulary.
//   logits f32 [n_tokens][n_vocab], unnormalised
bool ref_forward(ref_model *model, const lm_token *tokens, size_t n_tokens, size_t start_pos,
                 float *logits, lm_error *err);

#endif
