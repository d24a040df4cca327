// Configs from GGUF keys and from shapes.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gguf/write.h"
#include "model/config.h"
#include "support/scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- GGUF -----------------------------------------------------------------------------------

// What a file of the 1.3b's shape holds, and what a test does to it.
struct file {
    const char *without; // a key that is left out
    const char *key;     // a key with another value, or one more
    uint32_t u32;        // that value, where neither of these is set
    const char *text;    // the same as a text
    float f32;           // the same as a real number, where not 0
    const char *key_2;   // one more real number
    float f32_2;
    uint64_t n_rows;    // of the embedding; 0: 32256
    const char *tensor; // one more tensor
    uint32_t n_biases;  // tensors of q, k and v, layer by layer
    bool no_tensors;
    bool no_scaling;
    bool tied;
};

static bool is_changed(const struct file *file, const char *key)
{
    return (file->without && strcmp(file->without, key) == 0) ||
           (file->key && strcmp(file->key, key) == 0);
}

static void put_u32(lm_gguf_writer *w, const struct file *file, const char *key, uint32_t value)
{
    if (!is_changed(file, key))
        lm_gguf_write_u32(w, key, value);
}

static void put_f32(lm_gguf_writer *w, const struct file *file, const char *key, float value)
{
    if (!is_changed(file, key))
        lm_gguf_write_f32(w, key, value);
}

static void put_text(lm_gguf_writer *w, const struct file *file, const char *key, const char *text)
{
    if (!is_changed(file, key))
        lm_gguf_write_text(w, key, lm_text_of(text));
}

static void put_tensor(lm_gguf_writer *w, const char *name, uint64_t n_cols, uint64_t n_rows)
{
    // A format of unknown size: the data need not be there.
    const uint64_t dims[2] = {n_cols, n_rows};
    lm_gguf_write_tensor(w, name, 77, dims, 2, 0);
}

static void write_file(lm_gguf_writer *w, const struct file *file)
{
    put_text(w, file, "general.architecture", "llama");
    put_text(w, file, "general.name", "Some\nModel");
    put_u32(w, file, "llama.block_count", 24);
    put_u32(w, file, "llama.context_length", 16384);
    put_u32(w, file, "llama.embedding_length", 2048);
    put_u32(w, file, "llama.feed_forward_length", 5504);
    put_u32(w, file, "llama.attention.head_count", 16);
    put_u32(w, file, "llama.attention.head_count_kv", 8);
    put_u32(w, file, "llama.rope.dimension_count", 128);
    put_u32(w, file, "llama.vocab_size", 32256);
    put_f32(w, file, "llama.attention.layer_norm_rms_epsilon", 1e-6f);
    put_f32(w, file, "llama.rope.freq_base", 100000);
    if (!file->no_scaling) {
        put_text(w, file, "llama.rope.scaling.type", "linear");
        put_f32(w, file, "llama.rope.scaling.factor", 4);
    }
    const lm_text tokens[] = {{"a", 1}, {"b", 1}};
    lm_gguf_write_texts(w, "tokenizer.ggml.tokens", tokens, 2);
    if (file->key && file->text)
        lm_gguf_write_text(w, file->key, lm_text_of(file->text));
    else if (file->key && file->f32 != 0)
        lm_gguf_write_f32(w, file->key, file->f32);
    else if (file->key)
        lm_gguf_write_u32(w, file->key, file->u32);
    if (file->key_2)
        lm_gguf_write_f32(w, file->key_2, file->f32_2);
    if (file->no_tensors)
        return;
    put_tensor(w, "token_embd.weight", 2048, file->n_rows ? file->n_rows : 32256);
    if (!file->tied)
        put_tensor(w, "output.weight", 2048, 32256);
    for (uint32_t i = 0; i < file->n_biases; i++) {
        char name[32];
        snprintf(name, sizeof name, "blk.%u.attn_%c.bias", i / 3, "qkv"[i % 3]);
        put_tensor(w, name, 2048, 1);
    }
    if (file->tensor)
        put_tensor(w, file->tensor, 2048, 1);
}

static bool read_config(const struct file *file, lm_config *config, bool *lost, lm_error *err)
{
    lm_gguf_writer writer = {0};
    void *data;
    size_t size;
    write_file(&writer, file);
    assert_true(lm_gguf_writer_finish(&writer, &data, &size, err));
    lm_gguf *gguf = lm_gguf_open_memory("dir/some.gguf", data, size, err);
    if (!gguf)
        fail_msg("%s", err->message);
    const bool ok = lm_config_from_gguf(config, gguf, err);
    *lost = ok && lm_config_lost_scaling(config, gguf);
    lm_gguf_close(&gguf);
    free(data);
    return ok;
}

// Returns whether it looks as if the scaling was lost.
static bool accepted(const struct file *file, lm_config *config)
{
    lm_error err;
    bool lost;
    if (!read_config(file, config, &lost, &err))
        fail_msg("%s", err.message);
    return lost;
}

static void refused(lm_status status, const char *words, const char *more, struct file file)
{
    lm_error err = {0};
    lm_config config = {.n_layer = 77};
    bool lost;
    assert_false(read_config(&file, &config, &lost, &err));
    if (!strstr(err.message, words) || !strstr(err.message, more))
        fail_msg("\"%s\" says nothing of \"%s\" or \"%s\"", err.message, words, more);
    assert_non_null(strstr(err.message, "dir/some.gguf: "));
    assert_int_equal(err.status, status);
    assert_int_equal(config.n_layer, 77); // left alone
}

static void biases_are_in_all_layers_or_none(void **state)
{
    (void)state;
    lm_config c;
    accepted(&(struct file){0}, &c);
    assert_false(c.qkv_bias);
    accepted(&(struct file){.n_biases = 3 * 24}, &c);
    assert_true(c.qkv_bias);
    refused(LM_BAD_FILE, "'blk.23.attn_v.bias' is missing beside", "in all layers, or none",
            (struct file){.n_biases = 3 * 24 - 1});
    refused(LM_BAD_FILE, "'blk.0.attn_k.bias' is missing beside 'blk.0.attn_q.bias'", "",
            (struct file){.n_biases = 1});
    refused(LM_BAD_FILE, "'llama.block_count' 24", "contradicts 75 biases",
            (struct file){.n_biases = 3 * 25});
    refused(LM_BAD_FILE, "'llama.block_count' 24", "contradicts 73 biases",
            (struct file){.n_biases = 3 * 24, .tensor = "blk.x.attn_q.bias"});
}

static void reads_the_keys_of_llama_cpp(void **state)
{
    (void)state;
    lm_config c;
    accepted(&(struct file){0}, &c);
    assert_string_equal(c.name, "Some?Model");
    assert_int_equal(c.n_layer, 24);
    assert_int_equal(c.n_embd, 2048);
    assert_int_equal(c.n_ff, 5504);
    assert_int_equal(c.n_head, 16);
    assert_int_equal(c.n_head_kv, 8);
    assert_int_equal(c.head_dim, 128);
    assert_int_equal(c.n_vocab, 32256);
    assert_int_equal(c.n_ctx_train, 16384);
    assert_true(c.norm_eps == 1e-6f);
    assert_true(c.rope_base == 100000);
    assert_true(c.rope_factor == 4);
    assert_false(c.tied);
}

static void optional_keys_have_defaults(void **state)
{
    (void)state;
    lm_config c;
    accepted(&(struct file){.without = "general.name"}, &c);
    assert_string_equal(c.name, "some.gguf");
    accepted(&(struct file){.without = "llama.attention.head_count_kv"}, &c);
    assert_int_equal(c.n_head_kv, 16);
    accepted(&(struct file){.without = "llama.rope.freq_base"}, &c);
    assert_true(c.rope_base == 10000);
    accepted(&(struct file){.without = "llama.rope.dimension_count"}, &c);
    assert_int_equal(c.head_dim, 128);
    accepted(&(struct file){.without = "llama.vocab_size", .n_rows = 1003}, &c);
    assert_int_equal(c.n_vocab, 1003);
    accepted(&(struct file){.tied = true}, &c);
    assert_true(c.tied);
    // A head size of its own, which is not hidden / heads.
    accepted(&(struct file){.key = "llama.attention.key_length",
                            .u32 = 64,
                            .without = "llama.rope.dimension_count"},
             &c);
    assert_int_equal(c.head_dim, 64);
    assert_int_equal(c.n_head, 16);
}

static void scaling_has_three_spellings(void **state)
{
    (void)state;
    lm_config c;
    accepted(&(struct file){.without = "llama.rope.scaling.type"}, &c);
    assert_true(c.rope_factor == 4);
    accepted(&(struct file){.without = "llama.rope.scaling.factor"}, &c);
    assert_true(c.rope_factor == 1);
    accepted(&(struct file){.without = "llama.rope.scaling.factor",
                            .key_2 = "llama.rope.scale_linear",
                            .f32_2 = 8},
             &c);
    assert_true(c.rope_factor == 8);
    accepted(&(struct file){.key = "llama.rope.scaling.type",
                            .text = "none",
                            .without = "llama.rope.scaling.factor"},
             &c);
    assert_true(c.rope_factor == 1);
}

// As in the configs of transformers, where newer ones say rope_type for type.
static void scaling_has_two_names(void **state)
{
    (void)state;
    lm_config c;
    const char *other = "llama.rope.scaling.rope_type";
    accepted(&(struct file){.without = "llama.rope.scaling.type", .key = other, .text = "linear"},
             &c);
    assert_true(c.rope_factor == 4);
    accepted(&(struct file){.key = other, .text = "linear"}, &c);
    assert_true(c.rope_factor == 4);
    accepted(&(struct file){.no_scaling = true, .key = other, .text = "default"}, &c);
    assert_true(c.rope_factor == 1);
    refused(LM_BAD_FILE, "'llama.rope.scaling.type' 'linear'",
            "'llama.rope.scaling.rope_type' 'none'", (struct file){.key = other, .text = "none"});
    refused(LM_BAD_FILE, "'llama.rope.scaling.rope_type' default", "'llama.rope.scaling.factor' 4",
            (struct file){.without = "llama.rope.scaling.type", .key = other, .text = "default"});
    refused(LM_UNSUPPORTED, "'dynamic' (key 'llama.rope.scaling.rope_type')", "linear",
            (struct file){.without = "llama.rope.scaling.type", .key = other, .text = "dynamic"});
    refused(LM_BAD_FILE, other, "text", (struct file){.key = other, .u32 = 1});
}

static void lost_scaling_is_noticed(void **state)
{
    (void)state;
    lm_config c;
    assert_false(accepted(&(struct file){0}, &c));
    const struct {
        struct file file;
        bool lost;
    } cases[] = {
        {{.key = "some.key", .u32 = 1}, true},
        {{.key = "tokenizer.ggml.pre", .text = "deepseek-coder"}, true},
        {{.key = "tokenizer.ggml.pre", .text = "deepseek-llm"}, false},
        {{.key = "llama.context_length", .u32 = 4096}, false},
        {{.key = "llama.rope.freq_base", .f32 = 10000}, false},
        {{.key = "llama.rope.scaling.type", .text = "none"}, false},
        {{.key = "llama.rope.scaling.rope_type", .text = "default"}, false},
        {{.key = "llama.rope.scale_linear", .f32 = 4}, false},
        {{.key = "llama.rope.scaling.factor", .f32 = 1}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct file file = cases[i].file;
        file.no_scaling = true;
        if (accepted(&file, &c) != cases[i].lost)
            fail_msg("%s", file.key);
    }
}

static void refuses_what_it_cannot_run(void **state)
{
    (void)state;
    const lm_status no = LM_UNSUPPORTED;
    refused(no, "'qwen2'", "llama", (struct file){.key = "general.architecture", .text = "qwen2"});
    refused(no, "'yarn'", "linear",
            (struct file){.key = "llama.rope.scaling.type", .text = "yarn"});
    refused(no, "llama.rope.scaling.attn_factor", "0.5",
            (struct file){.key = "llama.rope.scaling.attn_factor", .f32 = 0.5f});
    refused(no, "64", "llama.rope.dimension_count",
            (struct file){.key = "llama.rope.dimension_count", .u32 = 64});
    refused(no, "head_dim 96", "128",
            (struct file){.key = "llama.attention.key_length",
                          .u32 = 96,
                          .without = "llama.rope.dimension_count"});
    refused(no, "llama.attention.value_length", "64",
            (struct file){.key = "llama.attention.value_length", .u32 = 64});
    refused(no, "8 experts", "llama.expert_count",
            (struct file){.key = "llama.expert_count", .u32 = 8});
    refused(no, "blk.0.attn_output.bias", "biases but those of attn_q",
            (struct file){.tensor = "blk.0.attn_output.bias"});
    refused(no, "attn_q.bias", "biases but those of attn_q",
            (struct file){.tensor = "attn_q.bias"});
    refused(no, ".bias", "biases but those of attn_q", (struct file){.tensor = ".bias"});
    refused(no, "rope_freqs.weight", "not supported", (struct file){.tensor = "rope_freqs.weight"});
    refused(no, "intermediate 5500", "32",
            (struct file){.key = "llama.feed_forward_length", .u32 = 5500});
    refused(no, "layers 100000", "1024", (struct file){.key = "llama.block_count", .u32 = 100000});
}

static void refuses_missing_and_wrong_keys(void **state)
{
    (void)state;
    const char *const counts[] = {"llama.block_count", "llama.context_length",
                                  "llama.embedding_length", "llama.feed_forward_length",
                                  "llama.attention.head_count"};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        refused(LM_BAD_FILE, counts[i], "missing", (struct file){.without = counts[i]});
        refused(LM_BAD_FILE, counts[i], "whole number",
                (struct file){.key = counts[i], .text = "4"});
        refused(LM_BAD_FILE, counts[i], "whole number",
                (struct file){.key = counts[i], .f32 = 4.0f});
        refused(LM_BAD_FILE, counts[i], " 0;", (struct file){.key = counts[i], .u32 = 0});
        refused(LM_BAD_FILE, counts[i], "2147483648",
                (struct file){.key = counts[i], .u32 = 0x80000000u});
    }
    const char *const epsilon = "llama.attention.layer_norm_rms_epsilon";
    refused(LM_BAD_FILE, epsilon, "missing", (struct file){.without = epsilon});
    refused(LM_BAD_FILE, epsilon, "real number", (struct file){.key = epsilon, .u32 = 1});
    refused(LM_UNSUPPORTED, "epsilon", "nan", (struct file){.key = epsilon, .f32 = NAN});
    refused(LM_BAD_FILE, "llama.rope.freq_base", "real number",
            (struct file){.key = "llama.rope.freq_base", .text = "x"});
    refused(LM_BAD_FILE, "llama.rope.scaling.type", "text",
            (struct file){.key = "llama.rope.scaling.type", .u32 = 1});
    refused(LM_BAD_FILE, "general.architecture", "missing",
            (struct file){.without = "general.architecture"});
}

static void contradictions_name_both_sides(void **state)
{
    (void)state;
    const char *factor = "llama.rope.scaling.factor";
    refused(LM_BAD_FILE, factor, " -4;", (struct file){.key = factor, .f32 = -4});
    refused(LM_BAD_FILE, factor, " nan;", (struct file){.key = factor, .f32 = NAN});
    refused(LM_BAD_FILE, "llama.vocab_size", "token_embd.weight",
            (struct file){.key = "llama.vocab_size", .u32 = 32000});
    refused(LM_BAD_FILE, "tokenizer.ggml.tokens", "token_embd.weight",
            (struct file){.without = "llama.vocab_size", .n_rows = 1});
    refused(LM_BAD_FILE, "llama.embedding_length", "llama.attention.head_count",
            (struct file){.key = "llama.attention.head_count", .u32 = 15});
    refused(LM_BAD_FILE, "llama.attention.head_count'", "llama.attention.head_count_kv'",
            (struct file){.key = "llama.attention.head_count_kv", .u32 = 5});
    refused(LM_BAD_FILE, "llama.rope.scaling.factor", "llama.rope.scale_linear",
            (struct file){.key_2 = "llama.rope.scale_linear", .f32_2 = 2});
    refused(LM_BAD_FILE, "llama.rope.scaling.type", "llama.rope.scaling.factor",
            (struct file){.key = "llama.rope.scaling.type", .text = "none"});
}

static void a_vocabulary_is_no_model(void **state)
{
    (void)state;
    refused(LM_BAD_FILE, "vocabulary", "no tensors", (struct file){.no_tensors = true});
}

// ---- shapes ---------------------------------------------------------------------------------

static void knows_the_family(void **state)
{
    (void)state;
    // Parameters as the facts about the models count them, norms included.
    const struct {
        const char *name;
        uint64_t n_params;
        uint32_t n_ctx;
        double base, factor;
    } models[] = {
        {"deepseek-coder-1.3b", 1346471936, 16384, 100000, 4},
        {"deepseek-coder-5.7bmqa", 5700325376, 16384, 100000, 4},
        {"deepseek-coder-6.7b", 6740512768, 16384, 100000, 4},
        {"deepseek-coder-33b", 33342991360, 16384, 100000, 4},
        {"deepseek-coder-7b-v1.5", 6910365696, 4096, 10000, 1},
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        lm_config c;
        lm_error err;
        assert_true(lm_config_from_shape(&c, models[i].name, &err));
        assert_true(lm_config_check(&c, &err));
        assert_string_equal(c.name, models[i].name);
        const uint64_t d = c.n_embd;
        const uint64_t kv = (uint64_t)c.n_head_kv * c.head_dim;
        const uint64_t layer = 2 * d * d + 2 * d * kv + 3 * d * c.n_ff + 2 * d;
        assert_int_equal(c.n_head * c.head_dim, d);
        assert_true(c.n_layer * layer + 2 * d * c.n_vocab + d == models[i].n_params);
        assert_int_equal(c.n_ctx_train, models[i].n_ctx);
        assert_true(c.rope_base == models[i].base && c.rope_factor == models[i].factor);
        assert_true(c.norm_eps == 1e-6f && !c.tied);
    }
}

static bool read_shape(const char *text, size_t size, lm_config *config, lm_error *err)
{
    scratch folder = scratch_create();
    char path[256];
    const bool ok = lm_config_from_shape(
        config, scratch_write(&folder, "my.shape.json", text, size, path), err);
    if (!ok && !strstr(err->message, "my.shape.json"))
        fail_msg("\"%s\" does not name the file", err->message);
    scratch_remove(&folder);
    return ok;
}

static void shape_refused(const char *text, const char *words)
{
    lm_config config = {.n_layer = 77};
    lm_error err;
    assert_false(read_shape(text, strlen(text), &config, &err));
    if (!strstr(err.message, words))
        fail_msg("\"%s\" says nothing of \"%s\"", err.message, words);
    assert_int_equal(config.n_layer, 77);
}

static void reads_a_shape(void **state)
{
    (void)state;
    const char text[] = "{\"layers\": 3, \"hidden\": 896, \"intermediate\": 1120, \"heads\": 14, "
                        "\"kv_heads\": 2, \"head_dim\": 64, \"vocab\": 1024, \"context\": 512, "
                        "\"rope_base\": 1e6, \"rope_factor\": 2.5, \"tied\": true, "
                        "\"qkv_bias\": true}\n";
    lm_config c;
    lm_error err;
    assert_true(read_shape(text, strlen(text), &c, &err));
    assert_string_equal(c.name, "my.shape");
    assert_int_equal(c.n_layer, 3);
    assert_int_equal(c.n_embd, 896);
    assert_int_equal(c.n_ff, 1120);
    assert_int_equal(c.n_head, 14);
    assert_int_equal(c.n_head_kv, 2);
    assert_int_equal(c.head_dim, 64);
    assert_int_equal(c.n_vocab, 1024);
    assert_int_equal(c.n_ctx_train, 512);
    assert_true(c.rope_base == 1e6 && c.rope_factor == 2.5 && c.tied);
    assert_true(c.qkv_bias);
}

static void missing_keys_have_defaults(void **state)
{
    (void)state;
    lm_config c, want;
    lm_error err;
    assert_true(read_shape("{}", 2, &c, &err));
    assert_true(lm_config_from_shape(&want, "deepseek-coder-1.3b", &err));
    memcpy(c.name, want.name, sizeof c.name);
    assert_int_equal(c.n_ff, want.n_ff);
    assert_int_equal(c.n_head, want.n_head);
    assert_int_equal(c.n_head_kv, want.n_head_kv);
    assert_int_equal(c.n_layer, want.n_layer);
    assert_int_equal(c.n_vocab, want.n_vocab);
    assert_true(c.rope_base == want.rope_base && c.rope_factor == want.rope_factor);
    const char heads[] = "{\"hidden\": 7168, \"heads\": 112}";
    assert_true(read_shape(heads, strlen(heads), &c, &err));
    assert_int_equal(c.head_dim, 64);
    assert_int_equal(c.n_head_kv, 112);
    assert_int_equal(c.n_ff, 19200);
}

static void refuses_bad_shapes(void **state)
{
    (void)state;
    const char *const counts[] = {"layers",   "hidden",   "intermediate", "heads",
                                  "kv_heads", "head_dim", "vocab",        "context"};
    const char *const values[] = {"0",     "-1",   "1.5",  "1e10", "1e999",
                                  "\"2\"", "null", "true", "[1]"};
    for (size_t i = 0; i < 8; i++)
        for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
            char text[64];
            snprintf(text, sizeof text, "{\"%s\": %s}", counts[i], values[k]);
            shape_refused(text, counts[i]);
        }
    shape_refused("{\"layers\": NaN}", "\"layers\": NaN");
    shape_refused("{\n\"layers\": 2,\n\"tied\": maybe}", "line 3, near '\"tied\": maybe'");
    shape_refused("{\"rope_base\": \"x\"}", "rope_base");
    shape_refused("{\"rope_base\": 0}", "rope_base 0");
    shape_refused("{\"rope_base\": 1e999}", "rope_base");
    shape_refused("{\"rope_factor\": -4}", "rope_factor -4");
    shape_refused("{\"rope_factor\": false}", "rope_factor");
    shape_refused("{\"tied\": 1}", "tied");
    shape_refused("{\"Layers\": 1}", "'Layers' is unknown");
    shape_refused("{\"\\u001b[31m\": 1}", "'?[31m' is unknown");
    shape_refused("{\"layers\": 1, \"layers\": 2}", "'layers' is there twice");
    shape_refused("{\"heads\": 3, \"kv_heads\": 2, \"head_dim\": 64}", "kv_heads 2");
    shape_refused("{\"head_dim\": 100}", "head_dim 100");
    shape_refused("{\"hidden\": 33}", "hidden 33");
    shape_refused("{\"hidden\": 64}", "heads 0");
    shape_refused("{\"hidden\": 65536, \"vocab\": 1000000}", "vocab matrix");
    shape_refused("[]", "object");
    shape_refused("3", "object");
    shape_refused("", "JSON");
    shape_refused("{}x", "JSON");
    shape_refused("{", "JSON");
    lm_config config;
    lm_error err;
    assert_false(read_shape("{}\0x", 4, &config, &err));
    assert_non_null(strstr(err.message, "zero byte"));
}

static void refuses_files_that_are_no_shapes(void **state)
{
    (void)state;
    lm_config config;
    lm_error err;
    assert_false(lm_config_from_shape(&config, "deepseek-coder-9b", &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
    assert_non_null(strstr(err.message, "'deepseek-coder-9b'"));
    assert_non_null(strstr(err.message, "deepseek-coder-1.3b"));
    assert_non_null(strstr(err.message, "-7b-v1.5"));
    assert_false(lm_config_from_shape(&config, "/", &err));
    assert_non_null(strstr(err.message, "directory"));
    assert_false(lm_config_from_shape(&config, "", &err));
    char *large = calloc(1, 66000);
    assert_non_null(large);
    memset(large, ' ', 66000);
    memcpy(large, "{}", 2);
    assert_false(read_shape(large, 66000, &config, &err));
    assert_non_null(strstr(err.message, "65536"));
    assert_true(read_shape(large, 65536, &config, &err));
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_keys_of_llama_cpp),
        cmocka_unit_test(biases_are_in_all_layers_or_none),
        cmocka_unit_test(optional_keys_have_defaults),
        cmocka_unit_test(scaling_has_three_spellings),
        cmocka_unit_test(scaling_has_two_names),
        cmocka_unit_test(lost_scaling_is_noticed),
        cmocka_unit_test(refuses_what_it_cannot_run),
        cmocka_unit_test(refuses_missing_and_wrong_keys),
        cmocka_unit_test(contradictions_name_both_sides),
        cmocka_unit_test(a_vocabulary_is_no_model),
        cmocka_unit_test(knows_the_family),
        cmocka_unit_test(reads_a_shape),
        cmocka_unit_test(missing_keys_have_defaults),
        cmocka_unit_test(refuses_bad_shapes),
        cmocka_unit_test(refuses_files_that_are_no_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
