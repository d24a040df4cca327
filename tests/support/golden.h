// Logits that Hugging Face transformers computed, kept in tests/golden (tools/golden/make_logits.py
// writes them), and the shapes of the synthetic models that they belong to.

#ifndef LM_TESTS_SUPPORT_GOLDEN_H
#define LM_TESTS_SUPPORT_GOLDEN_H

#include "base/error.h"
#include "gguf/format.h"
#include "model/source.h"
#include "tokenizer/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GOLDEN_MAX_TOKENS    64
#define GOLDEN_MAX_POSITIONS 4

// The models that there are logits of, in the order of logits.txt.
typedef struct golden_model {
    const char *shape; // "mha", "gqa7" or "mqa32"
    lm_format format;
} golden_model;

#define GOLDEN_MODELS 28
extern const golden_model golden_models[GOLDEN_MODELS];

// One model more, last in logits.txt: a mixture of formats, quantised from F32.
#define GOLDEN_MIXED_SHAPE "gqa7"
#define GOLDEN_MIXTURE     "Q4_K_M"

typedef struct golden_logits {
    lm_token tokens[GOLDEN_MAX_TOKENS];
    size_t n_tokens;
    size_t positions[GOLDEN_MAX_POSITIONS]; // the tokens after which there are logits
    size_t n_positions;
    size_t n_vocab;
    uint64_t fingerprint; // of the weights that they were computed with
    float *logits;        // owned, f32 [n_positions][n_vocab], with K and V in f32
    float *logits_kv_f16; // borrowed from `logits`: the same with K and V rounded to f16
} golden_logits;

// The path of the shape's JSON file, for lm_config_from_shape().
void golden_shape_path(const char *shape, char *path, size_t size);

// `format` as in logits.txt: the name of a format or of the mixture.
bool golden_logits_init(golden_logits *golden, const char *shape, const char *format,
                        lm_error *err);
void golden_logits_finish(golden_logits *golden);

// Writes the mixed model to `path`, and what it is made from to `floats`.
bool golden_write_mixed(const char *floats, const char *path, lm_error *err);

// FNV-1a 64 over the bytes of the first row of every tensor. Where it is not the golden's, the
// synthetic weights have changed and the logits have to be made anew.
bool golden_fingerprint(const lm_source *source, uint64_t *fingerprint, lm_error *err);

#endif
