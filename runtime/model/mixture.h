// Which format each tensor of a quantised file gets: the names people know, "Q4_K_M" and so on, and
// the rules behind them, which are those of llama.cpp's llama-quantize (src/llama-quant.cpp), so
// that a file of a name is as large and as good as they expect.

#ifndef LM_MODEL_MIXTURE_H
#define LM_MODEL_MIXTURE_H

#include "model/source.h"

typedef struct lm_mixture {
    const char *name;
    const char *also;   // a second name, or NULL
    lm_format format;   // of most tensors
    uint32_t file_type; // general.file_type: llama.cpp's enum llama_ftype
} lm_mixture;

// All of them, in the order in which a sentence lists them.
const lm_mixture *lm_mixtures(size_t *n);

// Finds one by its name, in any case. Fails with LM_UNSUPPORTED naming the known.
const lm_mixture *lm_mixture_find(const char *name, lm_error *err);

// The format of one tensor. Norms, biases and whatever is not listed in lm_tensor_kind are not to
// be asked for: they stay as they are.
lm_format lm_mixture_format(const lm_mixture *mixture, const lm_config *config, lm_tensor_kind kind,
                            uint32_t layer, uint32_t n_cols);

// `format`, or where its blocks of 256 do not divide n_cols one with blocks of 32 and as many bits
// or more: Q4_0 for Q2_K and Q3_K, Q5_0 for Q4_K, Q5_1 for Q5_K, Q8_0 for Q6_K, as llama-quantize
// has it (versions of 2024 and 2025 took IQ4_NL for Q4_0, which is as large).
lm_format lm_format_fitting(lm_format format, uint32_t n_cols);

#endif
