// Synthetic models as GGUF files. What stands in them: synth_weights.c and synth_vocab.c.

#include "model/source.h"

#include "base/output.h"
#include "gguf/write.h"
#include "model/synth_vocab.h"

#include <stdlib.h>

#define CHUNK_BYTES ((size_t)4 << 20) // weights are made and written in pieces of about this size

// general.file_type: llama.cpp's enum llama_ftype, which names what most tensors are.
static uint32_t file_type(lm_format format)
{
    switch (format) {
    case LM_FORMAT_F32:
        return 0;
    case LM_FORMAT_F16:
        return 1;
    case LM_FORMAT_Q4_0:
        return 2;
    case LM_FORMAT_Q4_1:
        return 3;
    case LM_FORMAT_Q8_0:
        return 7;
    case LM_FORMAT_Q5_0:
        return 8;
    case LM_FORMAT_Q5_1:
        return 9;
    case LM_FORMAT_Q2_K:
        return 10;
    case LM_FORMAT_Q3_K:
        return 11;
    case LM_FORMAT_Q4_K:
        return 14;
    case LM_FORMAT_Q5_K:
        return 16;
    case LM_FORMAT_Q6_K:
        return 18;
    case LM_FORMAT_BF16:
        return 32;
    }
    return 0;
}

static void write_model_keys(lm_gguf_writer *w, const lm_config *c, lm_format format)
{
    lm_gguf_write_text(w, "general.architecture", lm_text_of("llama"));
    lm_gguf_write_text(w, "general.name", lm_text_of(c->name));
    lm_gguf_write_u32(w, "general.file_type", file_type(format));
    lm_gguf_write_u32(w, "general.quantization_version", 2);
    lm_gguf_write_u32(w, "llama.vocab_size", c->n_vocab);
    lm_gguf_write_u32(w, "llama.context_length", c->n_ctx_train);
    lm_gguf_write_u32(w, "llama.embedding_length", c->n_embd);
    lm_gguf_write_u32(w, "llama.block_count", c->n_layer);
    lm_gguf_write_u32(w, "llama.feed_forward_length", c->n_ff);
    lm_gguf_write_u32(w, "llama.attention.head_count", c->n_head);
    lm_gguf_write_u32(w, "llama.attention.head_count_kv", c->n_head_kv);
    lm_gguf_write_u32(w, "llama.attention.key_length", c->head_dim);
    lm_gguf_write_u32(w, "llama.attention.value_length", c->head_dim);
    lm_gguf_write_f32(w, "llama.attention.layer_norm_rms_epsilon", c->norm_eps);
    lm_gguf_write_u32(w, "llama.rope.dimension_count", c->head_dim);
    lm_gguf_write_f32(w, "llama.rope.freq_base", (float)c->rope_base);
    if (c->rope_factor != 1) {
        lm_gguf_write_text(w, "llama.rope.scaling.type", lm_text_of("linear"));
        lm_gguf_write_f32(w, "llama.rope.scaling.factor", (float)c->rope_factor);
    }
}

static bool write_vocabulary(lm_gguf_writer *w, const lm_config *c, lm_error *err)
{
    lm_synth_vocab v;
    if (!lm_synth_vocab_init(&v, c->n_vocab, err))
        return false;
    lm_gguf_write_text(w, "tokenizer.ggml.model", lm_text_of("gpt2"));
    lm_gguf_write_text(w, "tokenizer.ggml.pre", lm_text_of("deepseek-coder"));
    lm_gguf_write_texts(w, "tokenizer.ggml.tokens", v.tokens, v.n_tokens);
    lm_gguf_write_i32s(w, "tokenizer.ggml.token_type", v.types, v.n_tokens);
    lm_gguf_write_texts(w, "tokenizer.ggml.merges", v.merges, v.n_merges);
    lm_gguf_write_u32(w, "tokenizer.ggml.bos_token_id", v.bos);
    lm_gguf_write_u32(w, "tokenizer.ggml.eos_token_id", v.eos);
    lm_gguf_write_u32(w, "tokenizer.ggml.padding_token_id", v.eos);
    lm_gguf_write_bool(w, "tokenizer.ggml.add_bos_token", true);
    lm_gguf_write_bool(w, "tokenizer.ggml.add_eos_token", false);
    lm_synth_vocab_finish(&v);
    return true;
}

// The header of the file: keys and, where `source` is given, its tensors.
static bool make_header(const lm_config *config, lm_format format, const lm_source *source,
                        void **data, size_t *size, lm_error *err)
{
    lm_gguf_writer writer = {0};
    write_model_keys(&writer, config, format);
    const bool ok = write_vocabulary(&writer, config, err);
    for (size_t i = 0; ok && source && i < lm_source_n_tensors(source); i++) {
        const lm_tensor_info *info = lm_source_tensor(source, i);
        const uint64_t dims[2] = {info->n_cols, info->n_rows};
        char name[64];
        lm_tensor_name(info->kind, info->layer, name, sizeof name);
        lm_gguf_write_tensor(&writer, name, info->format, dims, info->n_rows == 1 ? 1 : 2,
                             info->n_rows * info->row_bytes);
    }
    if (ok)
        return lm_gguf_writer_finish(&writer, data, size, err);
    free(writer.bytes);
    return false;
}

// One tensor in pieces, padded to the alignment. `chunk` holds CHUNK_BYTES or one row.
static bool write_tensor(lm_output *output, const lm_source *source, size_t index, void *chunk,
                         lm_error *err)
{
    const lm_tensor_info *info = lm_source_tensor(source, index);
    static const char zeros[LM_GGUF_ALIGNMENT] = {0};
    uint32_t step = (uint32_t)(CHUNK_BYTES / info->row_bytes);
    if (step == 0)
        step = 1;
    for (uint32_t row = 0; row < info->n_rows; row += step) {
        const uint32_t n = info->n_rows - row < step ? info->n_rows - row : step;
        if (!lm_source_read(source, index, row, n, chunk, err) ||
            !lm_output_write(output, chunk, (size_t)(n * info->row_bytes), err))
            return false;
    }
    const size_t over = (size_t)(info->n_rows * info->row_bytes % LM_GGUF_ALIGNMENT);
    return over == 0 || lm_output_write(output, zeros, LM_GGUF_ALIGNMENT - over, err);
}

static size_t chunk_bytes(const lm_source *source)
{
    size_t size = CHUNK_BYTES;
    for (size_t i = 0; i < lm_source_n_tensors(source); i++)
        if (lm_source_tensor(source, i)->row_bytes > size)
            size = (size_t)lm_source_tensor(source, i)->row_bytes;
    return size;
}

bool lm_synth_write(const lm_config *config, lm_format format, const char *path, lm_error *err)
{
    void *header = NULL;
    void *chunk = NULL;
    size_t header_bytes;
    lm_output *output = NULL;
    lm_source *source = lm_source_synthetic(config, format, err);
    bool ok = source && make_header(config, format, source, &header, &header_bytes, err);
    if (ok) {
        chunk = malloc(chunk_bytes(source));
        ok = chunk || lm_fail(err, LM_NO_MEMORY, "out of memory writing %s", path);
    }
    if (ok) {
        output = lm_output_create(path, err);
        ok = output && lm_output_write(output, header, header_bytes, err);
    }
    for (size_t i = 0; ok && i < lm_source_n_tensors(source); i++)
        ok = write_tensor(output, source, i, chunk, err);
    if (ok)
        ok = lm_output_commit(&output, err);
    lm_output_discard(&output);
    lm_source_destroy(&source);
    free(chunk);
    free(header);
    return ok;
}

bool lm_synth_vocabulary(const lm_config *config, void **data, size_t *size, lm_error *err)
{
    return lm_config_check(config, err) &&
           make_header(config, LM_FORMAT_F32, NULL, data, size, err);
}
