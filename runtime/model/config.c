// The config of a GGUF file, from the keys that llama.cpp writes (gguf-py/gguf/constants.py).

#include "model/config.h"

#include "base/shown.h"
#include "model/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define KEY_LAYERS     "llama.block_count"
#define KEY_CONTEXT    "llama.context_length"
#define KEY_HIDDEN     "llama.embedding_length"
#define KEY_FF         "llama.feed_forward_length"
#define KEY_HEADS      "llama.attention.head_count"
#define KEY_KV_HEADS   "llama.attention.head_count_kv"
#define KEY_KEY_DIM    "llama.attention.key_length"
#define KEY_VALUE_DIM  "llama.attention.value_length"
#define KEY_EPSILON    "llama.attention.layer_norm_rms_epsilon"
#define KEY_EXPERTS    "llama.expert_count"
#define KEY_VOCAB      "llama.vocab_size"
#define KEY_ROPE_DIM   "llama.rope.dimension_count"
#define KEY_ROPE_BASE  "llama.rope.freq_base"
#define KEY_SCALING    "llama.rope.scaling.type"
#define KEY_FACTOR     "llama.rope.scaling.factor"
#define KEY_OLD_FACTOR "llama.rope.scale_linear"
#define KEY_ROPE_TYPE  "llama.rope.scaling.rope_type"
#define KEY_ROPE_GAIN  "llama.rope.scaling.attn_factor"
#define KEY_PRE        "tokenizer.ggml.pre"
#define KEY_TOKENS     "tokenizer.ggml.tokens"

// Reads a count. Where the key is absent, *value keeps what it holds, or the call fails if that is
// 0.
static bool read_count(const lm_gguf *gguf, const char *key, uint32_t *value, lm_error *err)
{
    uint64_t wide;
    if (!lm_gguf_has(gguf, key))
        return *value != 0 || lm_fail(err, LM_BAD_FILE, "the key '%s' is missing", key);
    if (!lm_gguf_get_u64(gguf, key, &wide))
        return lm_fail(err, LM_BAD_FILE, "the key '%s' is not one whole number", key);
    if (wide == 0 || wide > INT32_MAX)
        return lm_fail(err, LM_BAD_FILE, "the key '%s' is %" PRIu64 "; it must be 1 to %" PRId32,
                       key, wide, INT32_MAX);
    *value = (uint32_t)wide;
    return true;
}

// Reads a real number; *value stays where the key is absent.
static bool read_real(const lm_gguf *gguf, const char *key, double *value, lm_error *err)
{
    if (!lm_gguf_has(gguf, key) || lm_gguf_get_f64(gguf, key, value))
        return true;
    return lm_fail(err, LM_BAD_FILE, "the key '%s' is not one real number", key);
}

static bool check_architecture(const lm_gguf *gguf, lm_error *err)
{
    lm_text name;
    if (!lm_gguf_get_text(gguf, "general.architecture", &name))
        return lm_fail(err, LM_BAD_FILE, "the key 'general.architecture' is missing or no text");
    if (!lm_text_equal(name, lm_text_of("llama")))
        return lm_fail(err, LM_UNSUPPORTED,
                       "the architecture '%s' is not supported; known is llama",
                       lm_show(name).text);
    uint64_t n;
    if (lm_gguf_get_u64(gguf, KEY_EXPERTS, &n) && n > 0)
        return lm_fail(err, LM_UNSUPPORTED,
                       "a mixture of %" PRIu64 " experts (key '%s') is not supported", n,
                       KEY_EXPERTS);
    if (lm_gguf_n_tensors(gguf) == 0)
        return lm_fail(err, LM_BAD_FILE,
                       "the file holds a vocabulary and no tensors: "
                       "it can split text into tokens, but not continue it");
    return true;
}

static bool ends_with(lm_text name, const char *end)
{
    const size_t size = strlen(end);
    return name.size >= size && memcmp(name.at + name.size - size, end, size) == 0;
}

static bool is_qkv_bias(lm_text name)
{
    return name.size > 4 && memcmp(name.at, "blk.", 4) == 0 &&
           (ends_with(name, ".attn_q.bias") || ends_with(name, ".attn_k.bias") ||
            ends_with(name, ".attn_v.bias"));
}

// Tensors that would change the result if they were ignored.
static bool check_foreign_tensors(const lm_gguf *gguf, lm_error *err)
{
    for (size_t i = 0; i < lm_gguf_n_tensors(gguf); i++) {
        const lm_text name = lm_gguf_tensor_at(gguf, i)->name;
        if (ends_with(name, ".bias") && !is_qkv_bias(name))
            return lm_fail(err, LM_UNSUPPORTED,
                           "biases but those of attn_q, attn_k and attn_v are not supported: "
                           "tensor '%s'",
                           lm_show(name).text);
        if (lm_text_equal(name, lm_text_of("rope_freqs.weight")))
            return lm_fail(err, LM_UNSUPPORTED, "frequency factors are not supported: tensor '%s'",
                           lm_show(name).text);
    }
    return true;
}

static bool read_heads(lm_config *c, const lm_gguf *gguf, lm_error *err)
{
    if (!read_count(gguf, KEY_HEADS, &c->n_head, err))
        return false;
    c->n_head_kv = c->n_head;
    c->head_dim = c->n_embd / c->n_head;
    if (!read_count(gguf, KEY_KV_HEADS, &c->n_head_kv, err))
        return false;
    if (!lm_gguf_has(gguf, KEY_KEY_DIM) && c->n_embd % c->n_head != 0)
        return lm_fail(err, LM_BAD_FILE,
                       "the keys '%s' %" PRIu32 " and '%s' %" PRIu32
                       " contradict each other: the first must be a multiple of the second",
                       KEY_HIDDEN, c->n_embd, KEY_HEADS, c->n_head);
    if (c->n_head % c->n_head_kv != 0)
        return lm_fail(err, LM_BAD_FILE,
                       "the keys '%s' %" PRIu32 " and '%s' %" PRIu32
                       " contradict each other: the first must be a multiple of the second",
                       KEY_HEADS, c->n_head, KEY_KV_HEADS, c->n_head_kv);
    // A head size of 0 (more heads than width) is left to lm_config_check().
    if (c->head_dim == 0 && !lm_gguf_has(gguf, KEY_KEY_DIM))
        return true;
    if (!read_count(gguf, KEY_KEY_DIM, &c->head_dim, err))
        return false;
    uint32_t value_dim = c->head_dim;
    uint32_t rope_dim = c->head_dim;
    if (!read_count(gguf, KEY_VALUE_DIM, &value_dim, err) ||
        !read_count(gguf, KEY_ROPE_DIM, &rope_dim, err))
        return false;
    if (value_dim != c->head_dim)
        return lm_fail(err, LM_UNSUPPORTED,
                       "value heads of %" PRIu32 " (key '%s') beside key heads of %" PRIu32
                       " are not supported",
                       value_dim, KEY_VALUE_DIM, c->head_dim);
    if (rope_dim != c->head_dim)
        return lm_fail(err, LM_UNSUPPORTED,
                       "rotating %" PRIu32 " (key '%s') of the %" PRIu32
                       " dimensions of a head is not supported",
                       rope_dim, KEY_ROPE_DIM, c->head_dim);
    return true;
}

// The kind of scaling, which two keys can name, as they do in the configs of transformers. Empty
// where neither is there.
static bool read_scaling(const lm_gguf *gguf, lm_text *type, const char **key, lm_error *err)
{
    static const char *const keys[] = {KEY_SCALING, KEY_ROPE_TYPE};
    *type = (lm_text){0};
    for (size_t i = 0; i < 2; i++) {
        lm_text found;
        if (!lm_gguf_has(gguf, keys[i]))
            continue;
        if (!lm_gguf_get_text(gguf, keys[i], &found))
            return lm_fail(err, LM_BAD_FILE, "the key '%s' is no text", keys[i]);
        if (type->size > 0 && !lm_text_equal(*type, found))
            return lm_fail(err, LM_BAD_FILE,
                           "the keys '%s' '%s' and '%s' '%s' contradict each other", KEY_SCALING,
                           lm_show(*type).text, KEY_ROPE_TYPE, lm_show(found).text);
        *type = found;
        *key = keys[i];
    }
    return true;
}

// The factor, which files of 2023 have in `scale_linear`; *key is where it stands. None or 0 is 1.
static bool read_factor(lm_config *c, const lm_gguf *gguf, const char **key, lm_error *err)
{
    double factor = 0;
    double old_factor = 0;
    if (!read_real(gguf, KEY_FACTOR, &factor, err) ||
        !read_real(gguf, KEY_OLD_FACTOR, &old_factor, err))
        return false;
    const bool is_new = lm_gguf_has(gguf, KEY_FACTOR);
    if (is_new && lm_gguf_has(gguf, KEY_OLD_FACTOR) && factor != old_factor)
        return lm_fail(err, LM_BAD_FILE, "the keys '%s' %g and '%s' %g contradict each other",
                       KEY_FACTOR, factor, KEY_OLD_FACTOR, old_factor);
    *key = is_new ? KEY_FACTOR : KEY_OLD_FACTOR;
    if (!is_new)
        factor = old_factor;
    c->rope_factor = factor == 0 ? 1 : factor;
    return c->rope_factor > 0 || // false for a NaN
           lm_fail(err, LM_BAD_FILE, "the key '%s' is %g; it must be above 0", *key, factor);
}

// As llama.cpp has it: no type means linear.
static bool read_rope(lm_config *c, const lm_gguf *gguf, lm_error *err)
{
    lm_text type;
    const char *type_key = NULL;
    const char *factor_key = NULL;
    double gain = 1;
    c->rope_base = 10000;
    if (!read_real(gguf, KEY_ROPE_BASE, &c->rope_base, err) ||
        !read_real(gguf, KEY_ROPE_GAIN, &gain, err) || !read_factor(c, gguf, &factor_key, err) ||
        !read_scaling(gguf, &type, &type_key, err))
        return false;
    if (gain != 1)
        return lm_fail(err, LM_UNSUPPORTED, "the key '%s' is %g; only 1 is supported",
                       KEY_ROPE_GAIN, gain);
    if (type.size == 0 || lm_text_equal(type, lm_text_of("linear")))
        return true;
    if (!lm_text_equal(type, lm_text_of("none")) && !lm_text_equal(type, lm_text_of("default")))
        return lm_fail(err, LM_UNSUPPORTED,
                       "the RoPE scaling '%s' (key '%s') is not supported; known are linear and "
                       "none",
                       lm_show(type).text, type_key);
    if (c->rope_factor != 1)
        return lm_fail(err, LM_BAD_FILE, "the keys '%s' %s and '%s' %g contradict each other",
                       type_key, lm_show(type).text, factor_key, c->rope_factor);
    return true;
}

// DeepSeek-Coder's first models were trained to 4,096 tokens and stretched by 4; converters that
// look for the scaling under another name have lost it, and nothing in the text says why it is bad.
bool lm_config_lost_scaling(const lm_config *config, const lm_gguf *gguf)
{
    static const char *const keys[] = {KEY_SCALING, KEY_ROPE_TYPE, KEY_FACTOR, KEY_OLD_FACTOR};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (lm_gguf_has(gguf, keys[i]))
            return false;
    lm_text pre;
    return config->rope_base == 100000 && config->n_ctx_train == 16384 &&
           (!lm_gguf_get_text(gguf, KEY_PRE, &pre) ||
            lm_text_equal(pre, lm_text_of("deepseek-coder")));
}

// Biases of q, k and v: in all layers or nowhere. Those of q and k are permuted like the rows of
// their matrices, which is the converter's business.
static bool read_biases(lm_config *c, const lm_gguf *gguf, lm_error *err)
{
    const lm_text *some = NULL;
    size_t n = 0;
    for (size_t i = 0; i < lm_gguf_n_tensors(gguf); i++) {
        const lm_text *name = &lm_gguf_tensor_at(gguf, i)->name;
        if (!is_qkv_bias(*name))
            continue;
        some = name;
        n++;
    }
    c->qkv_bias = n > 0;
    for (uint32_t i = 0; c->qkv_bias && i < 3 * c->n_layer; i++) {
        char name[64];
        lm_tensor_name(LM_TENSOR_Q_BIAS + i % 3, i / 3, name, sizeof name);
        if (!lm_gguf_find(gguf, name))
            return lm_fail(err, LM_BAD_FILE,
                           "tensor '%s' is missing beside '%s': biases of q, k and v must be in "
                           "all layers, or none",
                           name, lm_show(*some).text);
    }
    return n == 0 || n == 3 * (size_t)c->n_layer ||
           lm_fail(err, LM_BAD_FILE,
                   "the key '%s' %" PRIu32 " contradicts %zu biases of q, k and v", KEY_LAYERS,
                   c->n_layer, n);
}

// The embedding's rows decide; the key and the vocabulary must not contradict them.
static bool read_vocab(lm_config *c, const lm_gguf *gguf, lm_error *err)
{
    const lm_gguf_tensor *embedding = lm_gguf_find(gguf, "token_embd.weight");
    if (!embedding)
        return lm_fail(err, LM_BAD_FILE, "tensor 'token_embd.weight' is missing");
    const uint64_t n_rows = embedding->dims[1];
    if (n_rows > INT32_MAX)
        return lm_fail(err, LM_UNSUPPORTED,
                       "tensor 'token_embd.weight' has %" PRIu64 " rows; the limit is %" PRId32,
                       n_rows, INT32_MAX);
    c->n_vocab = (uint32_t)n_rows;
    uint32_t stated = c->n_vocab;
    if (!read_count(gguf, KEY_VOCAB, &stated, err))
        return false;
    if (stated != c->n_vocab)
        return lm_fail(err, LM_BAD_FILE,
                       "the key '%s' %" PRIu32 " contradicts the %" PRIu32
                       " rows of tensor 'token_embd.weight'",
                       KEY_VOCAB, stated, c->n_vocab);
    uint64_t n_tokens;
    if (lm_gguf_get_count(gguf, KEY_TOKENS, &n_tokens) && n_tokens > n_rows)
        return lm_fail(err, LM_BAD_FILE,
                       "the key '%s' lists %" PRIu64 " tokens, more than the %" PRIu64
                       " rows of tensor 'token_embd.weight'",
                       KEY_TOKENS, n_tokens, n_rows);
    return true;
}

// general.name, else the file's name without its folder; no control characters, whole characters.
static void read_name(lm_config *c, const lm_gguf *gguf)
{
    lm_text name;
    if (!lm_gguf_get_text(gguf, "general.name", &name) || name.size == 0) {
        const char *path = lm_gguf_path(gguf);
        const char *slash = strrchr(path, '/');
        name = lm_text_of(slash ? slash + 1 : path);
    }
    size_t size = name.size;
    if (size >= sizeof c->name) {
        size = sizeof c->name - 1;
        while (size > 0 && ((unsigned char)name.at[size] & 0xc0u) == 0x80u)
            size--;
    }
    for (size_t i = 0; i < size; i++)
        c->name[i] = (unsigned char)name.at[i] < 0x20 || name.at[i] == 0x7f ? '?' : name.at[i];
    c->name[size] = 0;
}

bool lm_config_from_gguf(lm_config *config, const lm_gguf *gguf, lm_error *err)
{
    lm_config c = {0};
    double epsilon = 0;
    read_name(&c, gguf);
    bool ok = check_architecture(gguf, err) && check_foreign_tensors(gguf, err) &&
              read_count(gguf, KEY_LAYERS, &c.n_layer, err) &&
              read_count(gguf, KEY_CONTEXT, &c.n_ctx_train, err) &&
              read_count(gguf, KEY_HIDDEN, &c.n_embd, err) &&
              read_count(gguf, KEY_FF, &c.n_ff, err) && read_heads(&c, gguf, err) &&
              read_rope(&c, gguf, err) && read_vocab(&c, gguf, err) &&
              read_real(gguf, KEY_EPSILON, &epsilon, err);
    if (ok && !lm_gguf_has(gguf, KEY_EPSILON))
        ok = lm_fail(err, LM_BAD_FILE, "the key '%s' is missing", KEY_EPSILON);
    c.norm_eps = (float)epsilon;
    c.tied = lm_gguf_find(gguf, "output.weight") == NULL;
    if (!ok || !lm_config_check(&c, err) || !read_biases(&c, gguf, err))
        return lm_fail_while(err, "%s", lm_gguf_path(gguf));
    *config = c;
    return true;
}
