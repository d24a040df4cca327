// The numbers that define a model of the llama architecture, from a GGUF file or from a shape.

#ifndef LM_MODEL_CONFIG_H
#define LM_MODEL_CONFIG_H

#include "base/error.h"
#include "gguf/gguf.h"

#include <stdint.h>

typedef struct lm_config {
    char name[64]; // for people: general.name or the shape's name
    uint32_t n_layer;
    uint32_t n_embd;      // width of the residual stream; a multiple of 32
    uint32_t n_ff;        // width inside the feed-forward block; a multiple of 32
    uint32_t n_head;      // query heads
    uint32_t n_head_kv;   // divides n_head
    uint32_t head_dim;    // 64, 80, 128 or 160
    uint32_t n_vocab;     // rows of the embedding, padding included
    uint32_t n_ctx_train; // the longest context the model was made for
    float norm_eps;
    double rope_base;
    double rope_factor; // positions are divided by it; 1 for none
    bool tied;          // the output matrix is the embedding
    bool qkv_bias;      // q, k and v of every layer have a bias
} lm_config;

// Reads the config of an opened file. Fails with LM_UNSUPPORTED (another architecture, head size,
// scaling, a width that is no multiple of 32; names value and what is known) or LM_BAD_FILE (a key
// is missing or contradicts another; names the keys) or a bias is missing that other layers have.
bool lm_config_from_gguf(lm_config *config, const lm_gguf *gguf, lm_error *err);

// Whether this looks like a file of a DeepSeek-Coder that has lost its RoPE scaling: nothing is
// said of it, and the other numbers are those of the models that need a factor of 4.
bool lm_config_lost_scaling(const lm_config *config, const lm_gguf *gguf);

// Finds a shape by its name in the family ("deepseek-coder-1.3b", "-5.7bmqa", "-6.7b", "-33b",
// "-7b-v1.5") or reads it from a JSON file with the keys layers hidden intermediate heads kv_heads
// head_dim vocab context rope_base rope_factor tied qkv_bias. Unknown keys fail; missing keys are:
//     layers 24  hidden 2048  head_dim hidden / heads, or 128  heads hidden / head_dim
//     kv_heads as heads  intermediate 8/3 hidden rounded up to a multiple of 128
//     vocab 32256  context 16384  rope_base 100000  rope_factor 4  tied false
//     qkv_bias false
// Fails with LM_BAD_ARGUMENT or, where the sizes cannot be run, LM_UNSUPPORTED.
bool lm_config_from_shape(lm_config *config, const char *shape, lm_error *err);

// Checks every field; the sentence names it as a shape does (layers, hidden, ...), value and limit.
bool lm_config_check(const lm_config *config, lm_error *err);

#endif
