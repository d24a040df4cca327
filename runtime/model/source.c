#include "model/source.h"

#include "model/mixture.h"
#include "model/synth_weights.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_LAYER_KINDS (LM_TENSOR_KIND_COUNT - LM_TENSOR_ATTN_NORM)
#define MAX_GRIDS     3 // matrices have n_embd, n_head * head_dim or n_ff columns

struct lm_source {
    size_t n_tensors;
    lm_tensor_info *tensors; // owned, [n_tensors]
    // from a file
    const lm_gguf *gguf;            // borrowed; NULL for a synthetic source
    const lm_gguf_tensor **in_file; // owned array of borrowed tensors, [n_tensors]
    // synthetic
    lm_synth_grid grids[MAX_GRIDS];
    size_t n_grids;
};

static bool is_bias(lm_tensor_kind kind)
{
    return kind == LM_TENSOR_Q_BIAS || kind == LM_TENSOR_K_BIAS || kind == LM_TENSOR_V_BIAS;
}

void lm_tensor_name(lm_tensor_kind kind, uint32_t layer, char *name, size_t size)
{
    static const char *const NAMES[LM_TENSOR_KIND_COUNT] = {
        [LM_TENSOR_TOKEN_EMBD] = "token_embd",
        [LM_TENSOR_OUTPUT_NORM] = "output_norm",
        [LM_TENSOR_OUTPUT] = "output",
        [LM_TENSOR_ATTN_NORM] = "attn_norm",
        [LM_TENSOR_Q] = "attn_q",
        [LM_TENSOR_K] = "attn_k",
        [LM_TENSOR_V] = "attn_v",
        [LM_TENSOR_ATTN_OUT] = "attn_output",
        [LM_TENSOR_FFN_NORM] = "ffn_norm",
        [LM_TENSOR_GATE] = "ffn_gate",
        [LM_TENSOR_UP] = "ffn_up",
        [LM_TENSOR_DOWN] = "ffn_down",
        [LM_TENSOR_Q_BIAS] = "attn_q",
        [LM_TENSOR_K_BIAS] = "attn_k",
        [LM_TENSOR_V_BIAS] = "attn_v",
    };
    const char *suffix = is_bias(kind) ? "bias" : "weight";
    if (kind < LM_TENSOR_ATTN_NORM)
        snprintf(name, size, "%s.%s", NAMES[kind], suffix);
    else
        snprintf(name, size, "blk.%" PRIu32 ".%s.%s", layer, NAMES[kind], suffix);
}

bool lm_tensor_find(const char *name, lm_tensor_kind *kind, uint32_t *layer)
{
    uint32_t number = 0;
    if (strncmp(name, "blk.", 4) == 0)
        number = (uint32_t)strtoul(name + 4, NULL, 10);
    for (lm_tensor_kind k = 0; k < LM_TENSOR_KIND_COUNT; k++) {
        char spelled[64];
        lm_tensor_name(k, number, spelled, sizeof spelled);
        if (strcmp(spelled, name) != 0)
            continue;
        *kind = k;
        *layer = number;
        return true;
    }
    return false;
}

bool lm_tensor_is_vector(lm_tensor_kind kind)
{
    return kind == LM_TENSOR_OUTPUT_NORM || kind == LM_TENSOR_ATTN_NORM ||
           kind == LM_TENSOR_FFN_NORM || is_bias(kind);
}

// Kind, layer and shape as the config demands them; no format yet.
static lm_tensor_info demand(const lm_config *c, lm_tensor_kind kind, uint32_t layer)
{
    const uint32_t q = c->n_head * c->head_dim;
    const uint32_t kv = c->n_head_kv * c->head_dim;
    lm_tensor_info info = {.kind = kind, .layer = layer, .n_cols = c->n_embd};
    switch (kind) {
    case LM_TENSOR_TOKEN_EMBD:
    case LM_TENSOR_OUTPUT:
        info.n_rows = c->n_vocab;
        break;
    case LM_TENSOR_OUTPUT_NORM:
    case LM_TENSOR_ATTN_NORM:
    case LM_TENSOR_FFN_NORM:
        info.n_rows = 1;
        break;
    case LM_TENSOR_Q:
        info.n_rows = q;
        break;
    case LM_TENSOR_K:
    case LM_TENSOR_V:
        info.n_rows = kv;
        break;
    case LM_TENSOR_ATTN_OUT:
        info.n_rows = c->n_embd;
        info.n_cols = q;
        break;
    case LM_TENSOR_GATE:
    case LM_TENSOR_UP:
        info.n_rows = c->n_ff;
        break;
    case LM_TENSOR_DOWN:
        info.n_rows = c->n_embd;
        info.n_cols = c->n_ff;
        break;
    case LM_TENSOR_Q_BIAS:
        info.n_rows = 1;
        info.n_cols = q;
        break;
    case LM_TENSOR_K_BIAS:
    case LM_TENSOR_V_BIAS:
        info.n_rows = 1;
        info.n_cols = kv;
        break;
    case LM_TENSOR_KIND_COUNT:
        break;
    }
    return info;
}

static void set_format(lm_tensor_info *info, lm_format format)
{
    info->format = format;
    info->row_bytes =
        (uint64_t)info->n_cols / lm_format_block_weights(format) * lm_format_block_bytes(format);
}

// A source that lists the tensors the config demands.
static lm_source *create(const lm_config *c, lm_error *err)
{
    if (!lm_config_check(c, err))
        return NULL;
    const size_t max = LM_TENSOR_ATTN_NORM + (size_t)c->n_layer * N_LAYER_KINDS;
    lm_source *source = calloc(1, sizeof *source);
    if (!source)
        goto fail;
    source->tensors = calloc(max, sizeof *source->tensors);
    source->in_file = calloc(max, sizeof *source->in_file);
    if (!source->tensors || !source->in_file)
        goto fail;
    for (lm_tensor_kind kind = 0; kind < LM_TENSOR_ATTN_NORM; kind++)
        if (kind != LM_TENSOR_OUTPUT || !c->tied)
            source->tensors[source->n_tensors++] = demand(c, kind, 0);
    for (uint32_t layer = 0; layer < c->n_layer; layer++)
        for (lm_tensor_kind kind = LM_TENSOR_ATTN_NORM; kind < LM_TENSOR_KIND_COUNT; kind++)
            if (!is_bias(kind) || c->qkv_bias)
                source->tensors[source->n_tensors++] = demand(c, kind, layer);
    return source;
fail:
    lm_fail(err, LM_NO_MEMORY, "out of memory listing the tensors of %s", c->name);
    lm_source_destroy(&source);
    return NULL;
}

static bool check_format(const lm_gguf *gguf, const lm_tensor_info *info, const char *name,
                         uint32_t format, lm_error *err)
{
    const char *known = lm_format_name(format);
    char number[24];
    snprintf(number, sizeof number, "type %" PRIu32, format);
    if (!lm_format_supported(format))
        return lm_fail(err, LM_UNSUPPORTED,
                       "%s: tensor '%s' has the format %s, which is not supported; known "
                       "are " LM_FORMATS_SUPPORTED,
                       lm_gguf_path(gguf), name, known ? known : number);
    if (lm_tensor_is_vector(info->kind) && format != LM_FORMAT_F32 && format != LM_FORMAT_F16 &&
        format != LM_FORMAT_BF16)
        return lm_fail(err, LM_UNSUPPORTED,
                       "%s: tensor '%s' has the format %s; a norm or a bias must be F32, F16 or "
                       "BF16",
                       lm_gguf_path(gguf), name, known);
    return true;
}

// The keys that demand the shape of a tensor.
static const char *shape_keys(lm_tensor_kind kind)
{
    switch (kind) {
    case LM_TENSOR_Q:
    case LM_TENSOR_ATTN_OUT:
        return "llama.embedding_length, llama.attention.head_count and llama.attention.key_length";
    case LM_TENSOR_K:
    case LM_TENSOR_V:
        return "llama.embedding_length, llama.attention.head_count_kv and "
               "llama.attention.key_length";
    case LM_TENSOR_Q_BIAS:
        return "llama.attention.head_count and llama.attention.key_length";
    case LM_TENSOR_K_BIAS:
    case LM_TENSOR_V_BIAS:
        return "llama.attention.head_count_kv and llama.attention.key_length";
    case LM_TENSOR_GATE:
    case LM_TENSOR_UP:
    case LM_TENSOR_DOWN:
        return "llama.embedding_length and llama.feed_forward_length";
    default:
        return "llama.embedding_length and llama.vocab_size";
    }
}

static bool fail_missing(const lm_source *source, const lm_tensor_info *info, const char *name,
                         lm_error *err)
{
    char matrix[64]; // stands for the rest of the layer, of which a norm comes first
    const char *path = lm_gguf_path(source->gguf);
    lm_tensor_name(LM_TENSOR_Q, info->layer, matrix, sizeof matrix);
    if (info->kind == LM_TENSOR_ATTN_NORM && !lm_gguf_find(source->gguf, matrix))
        return lm_fail(err, LM_BAD_FILE,
                       "%s: tensor '%s' is missing with all of layer %" PRIu32
                       ", which the key 'llama.block_count' demands",
                       path, name, info->layer);
    return lm_fail(err, LM_BAD_FILE, "%s: tensor '%s' is missing", path, name);
}

// Finds one demanded tensor in the file and takes over its format.
static bool match(lm_source *source, size_t index, lm_error *err)
{
    lm_tensor_info *info = &source->tensors[index];
    char name[64];
    lm_tensor_name(info->kind, info->layer, name, sizeof name);
    const lm_gguf_tensor *found = lm_gguf_find(source->gguf, name);
    if (!found)
        return fail_missing(source, info, name, err);
    if (found->dims[0] != info->n_cols || found->dims[1] != info->n_rows || found->dims[2] != 1 ||
        found->dims[3] != 1)
        return lm_fail(err, LM_BAD_FILE,
                       "%s: tensor '%s' is %" PRIu64 " x %" PRIu64 " x %" PRIu64 " x %" PRIu64
                       "; the keys %s demand %" PRIu32 " x %" PRIu32,
                       lm_gguf_path(source->gguf), name, found->dims[0], found->dims[1],
                       found->dims[2], found->dims[3], shape_keys(info->kind), info->n_cols,
                       info->n_rows);
    if (!check_format(source->gguf, info, name, found->format, err))
        return false;
    set_format(info, (lm_format)found->format);
    source->in_file[index] = found;
    return true;
}

lm_source *lm_source_from_gguf(const lm_gguf *gguf, const lm_config *config, lm_error *err)
{
    lm_source *source = create(config, err);
    if (!source)
        return NULL;
    source->gguf = gguf;
    for (size_t i = 0; i < source->n_tensors; i++)
        if (!match(source, i, err))
            goto fail;
    char beyond[64];
    lm_tensor_name(LM_TENSOR_Q, config->n_layer, beyond, sizeof beyond);
    if (lm_gguf_find(gguf, beyond)) {
        lm_fail(err, LM_BAD_FILE,
                "%s: the key 'llama.block_count' %" PRIu32 " contradicts tensor '%s'",
                lm_gguf_path(gguf), config->n_layer, beyond);
        goto fail;
    }
    return source;
fail:
    lm_source_destroy(&source);
    return NULL;
}

static const lm_synth_grid *find_grid(const lm_source *source, uint32_t n_cols)
{
    for (size_t i = 0; i < source->n_grids; i++)
        if (source->grids[i].n_cols == n_cols)
            return &source->grids[i];
    return NULL;
}

lm_source *lm_source_synthetic(const lm_config *config, lm_format format, lm_error *err)
{
    if (!lm_format_supported(format)) {
        lm_fail(err, LM_UNSUPPORTED,
                "weight format %d is not supported; known are " LM_FORMATS_SUPPORTED, (int)format);
        return NULL;
    }
    lm_source *source = create(config, err);
    for (size_t i = 0; source && i < source->n_tensors; i++) {
        lm_tensor_info *info = &source->tensors[i];
        set_format(info, lm_tensor_is_vector(info->kind) ? LM_FORMAT_F32
                                                         : lm_format_fitting(format, info->n_cols));
        if (lm_tensor_is_vector(info->kind) || find_grid(source, info->n_cols))
            continue;
        if (lm_synth_grid_init(&source->grids[source->n_grids++], info->format, info->n_cols))
            continue;
        lm_fail(err, LM_NO_MEMORY, "out of memory making weights for %s", config->name);
        lm_source_destroy(&source);
    }
    return source;
}

void lm_source_destroy(lm_source **source)
{
    lm_source *s = *source;
    if (!s)
        return;
    for (size_t i = 0; i < s->n_grids; i++)
        lm_synth_grid_finish(&s->grids[i]);
    free(s->in_file);
    free(s->tensors);
    free(s);
    *source = NULL;
}

size_t lm_source_n_tensors(const lm_source *source)
{
    return source->n_tensors;
}

const lm_tensor_info *lm_source_tensor(const lm_source *source, size_t index)
{
    return &source->tensors[index];
}

bool lm_source_read(const lm_source *source, size_t index, uint32_t row, uint32_t n_rows, void *to,
                    lm_error *err)
{
    const lm_tensor_info *info = &source->tensors[index];
    if (row > info->n_rows || n_rows > info->n_rows - row) {
        char name[64];
        lm_tensor_name(info->kind, info->layer, name, sizeof name);
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "rows %" PRIu32 " to %" PRIu64 " reach beyond the %" PRIu32
                       " of tensor '%s'",
                       row, (uint64_t)row + n_rows, info->n_rows, name);
    }
    if (source->gguf)
        return lm_gguf_read(source->gguf, source->in_file[index], row * info->row_bytes, to,
                            (size_t)(n_rows * info->row_bytes), err);
    if (!lm_tensor_is_vector(info->kind))
        lm_synth_matrix(find_grid(source, info->n_cols), info, row, n_rows, to);
    else if (n_rows > 0)
        lm_synth_vector(info, to);
    return true;
}
