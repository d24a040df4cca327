// Models: opened, inspected, loaded.

#include "gen/objects.h"

#include "base/clock.h"
#include "model/fingerprint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The format that holds the most weights.
static lm_format main_format(const lm_source *source)
{
    uint64_t weights[LM_FORMAT_BF16 + 1] = {0};
    lm_format format = LM_FORMAT_F32;
    for (size_t i = 0; i < lm_source_n_tensors(source); i++) {
        const lm_tensor_info *info = lm_source_tensor(source, i);
        weights[info->format] += (uint64_t)info->n_rows * info->n_cols;
        if (weights[info->format] > weights[format])
            format = info->format;
    }
    return format;
}

bool lm_opened_init(lm_opened *it, const lm_model_params *params, lm_error *err)
{
    *it = (lm_opened){0};
    if (params->path) {
        it->gguf = lm_gguf_open(params->path, err);
        if (!it->gguf)
            goto fail;
        if (params->file_stamp && params->file_stamp != lm_gguf_stamp(it->gguf)) {
            lm_fail(err, LM_BAD_FILE,
                    "%s is not what was loaded before: its size, time or header has changed",
                    params->path);
            goto fail;
        }
        if (!lm_config_from_gguf(&it->config, it->gguf, err))
            goto fail;
        it->source = lm_source_from_gguf(it->gguf, &it->config, err);
    } else if (params->synthetic) {
        lm_format format = LM_FORMAT_Q8_0;
        if ((params->format && !lm_format_parse(params->format, &format, err)) ||
            !lm_config_from_shape(&it->config, params->synthetic, err))
            goto fail;
        it->source = lm_source_synthetic(&it->config, format, err);
    } else {
        lm_fail(err, LM_BAD_ARGUMENT, "neither a model file nor a shape was given");
    }
    if (!it->source)
        goto fail;
    it->format = main_format(it->source);
    return true;
fail:
    lm_opened_finish(it);
    return false;
}

void lm_opened_finish(lm_opened *it)
{
    lm_source_destroy(&it->source);
    lm_gguf_close(&it->gguf);
}

void lm_opened_info(const lm_opened *it, lm_model_info *info)
{
    const lm_config *c = &it->config;
    *info = (lm_model_info){
        .n_layer = c->n_layer,
        .n_embd = c->n_embd,
        .n_ff = c->n_ff,
        .n_head = c->n_head,
        .n_head_kv = c->n_head_kv,
        .head_dim = c->head_dim,
        .n_vocab = c->n_vocab,
        .n_ctx_train = c->n_ctx_train,
        .rope_base = c->rope_base,
        .rope_factor = c->rope_factor,
        .tied = c->tied,
        .qkv_bias = c->qkv_bias,
        .file_bytes = it->gguf ? lm_gguf_file_bytes(it->gguf) : 0,
        .file_stamp = it->gguf ? lm_gguf_stamp(it->gguf) : 0,
    };
    snprintf(info->name, sizeof info->name, "%s", c->name);
    snprintf(info->format, sizeof info->format, "%s", lm_format_name(it->format));
    if (it->gguf && lm_config_lost_scaling(c, it->gguf))
        snprintf(
            info->warning, sizeof info->warning,
            "the file says nothing of RoPE scaling, and DeepSeek-Coder models of 16,384 tokens "
            "need a factor of 4: a converter may have lost it, and the text be garbage");
    for (size_t i = 0; i < lm_source_n_tensors(it->source); i++) {
        const lm_tensor_info *tensor = lm_source_tensor(it->source, i);
        info->n_params += (uint64_t)tensor->n_rows * tensor->n_cols;
    }
}

// One line a tensor: name, format, shape.
static char *list_tensors(const lm_opened *it)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    for (size_t i = 0; i < lm_source_n_tensors(it->source); i++) {
        const lm_tensor_info *tensor = lm_source_tensor(it->source, i);
        char name[64];
        lm_tensor_name(tensor->kind, tensor->layer, name, sizeof name);
        fprintf(out, "%-28s %-5s %6" PRIu32 " x %" PRIu32 "\n", name,
                lm_format_name(tensor->format), tensor->n_rows, tensor->n_cols);
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

bool lm_model_inspect(const lm_model_params *params, lm_model_info *info, char **summary,
                      lm_error *err)
{
    lm_opened opened;
    if (!lm_opened_init(&opened, params, err))
        return false;
    lm_opened_info(&opened, info);
    bool ok = true;
    if (summary) {
        *summary = list_tensors(&opened);
        ok = *summary || lm_fail(err, LM_NO_MEMORY, "out of memory listing the tensors");
    }
    lm_opened_finish(&opened);
    return ok;
}

bool lm_model_write_synthetic(const lm_model_params *params, const char *path, lm_error *err)
{
    lm_config config;
    lm_format format = LM_FORMAT_Q8_0;
    return (!params->format || lm_format_parse(params->format, &format, err)) &&
           lm_config_from_shape(&config, params->synthetic, err) &&
           lm_synth_write(&config, format, path, err);
}

static lm_tokenizer *synthetic_tokenizer(const lm_config *config, lm_error *err)
{
    void *data = NULL;
    size_t size = 0;
    if (!lm_synth_vocabulary(config, &data, &size, err))
        return NULL;
    lm_gguf *gguf = lm_gguf_open_memory("the synthetic vocabulary", data, size, err);
    lm_tokenizer *tokenizer = gguf ? lm_tokenizer_create(gguf, err) : NULL;
    lm_gguf_close(&gguf);
    free(data);
    return tokenizer;
}

lm_tokenizer *lm_model_read_tokenizer(const lm_model_params *params, lm_error *err)
{
    lm_config config;
    lm_format format;
    if (params->path) {
        lm_gguf *gguf = lm_gguf_open(params->path, err);
        lm_tokenizer *tokenizer = gguf ? lm_tokenizer_create(gguf, err) : NULL;
        lm_gguf_close(&gguf);
        return tokenizer;
    }
    if (!params->synthetic) {
        lm_fail(err, LM_BAD_ARGUMENT, "neither a model file nor a shape was given");
        return NULL;
    }
    // The vocabulary does not depend on the format, but a wrong name is still a mistake.
    if ((params->format && !lm_format_parse(params->format, &format, err)) ||
        !lm_config_from_shape(&config, params->synthetic, err))
        return NULL;
    return synthetic_tokenizer(&config, err);
}

static bool tell_misfit(const lm_model *it, const lm_plan *plan, lm_error *err)
{
    const uint64_t mib = 1 << 20;
    char times[32] = "";
    if (plan->n_sessions > 1)
        snprintf(times, sizeof times, "%" PRIu32 " sessions of ", plan->n_sessions);
    lm_fail(err, LM_NO_MEMORY,
            "%s with %s%" PRIu32 " tokens of context needs %" PRIu64 " MiB (weights %" PRIu64
            ", KV cache %" PRIu64 ", rest %" PRIu64 ") and %s has %" PRIu64 " MiB for it",
            it->info.name, times, plan->ctx_tokens, plan->total_bytes / mib,
            plan->weights_bytes / mib, plan->kv_bytes / mib,
            (plan->scratch_bytes + plan->staging_bytes) / mib, it->device->info.name,
            plan->available_bytes / mib);
    char more[96];
    if (plan->ctx_tokens_fit > 0)
        snprintf(more, sizeof more, "; a context of %" PRIu32 " tokens fits", plan->ctx_tokens_fit);
    else
        snprintf(more, sizeof more, "; no context fits, take a smaller model or format");
    if (err && strlen(err->message) + strlen(more) < sizeof err->message)
        strcat(err->message, more);
    return false;
}

// Takes the model's place on the device, if the plan fits beside what is there.
static bool reserve(lm_model *it, const lm_opened *opened, const lm_model_params *params,
                    lm_error *err)
{
    lm_device *device = it->device;
    lm_wish wish;
    lm_plan plan;
    if (device->n_models == LM_MAX_MODELS)
        return lm_fail(err, LM_BAD_ARGUMENT, "a device holds %d models at a time: close one first",
                       LM_MAX_MODELS);
    if (!lm_wish_init(&wish, opened, params, err) || !lm_plan_opened(device, &wish, &plan, err))
        return false;
    if (!plan.fits)
        return tell_misfit(it, &plan, err);
    it->ctx_tokens = wish.ctx_tokens;
    it->session_bytes = (plan.total_bytes - plan.weights_bytes) / wish.n_sessions;
    it->n_kept = wish.n_sessions;
    it->is_counted = true;
    device->kept_bytes += it->n_kept * it->session_bytes;
    device->n_models++;
    return true;
}

static bool load(lm_model *it, const lm_opened *opened, const lm_model_params *params,
                 lm_error *err)
{
    it->tokenizer = opened->gguf ? lm_tokenizer_create(opened->gguf, err)
                                 : synthetic_tokenizer(&opened->config, err);
    if (!it->tokenizer)
        return false;
    if (lm_tokenizer_n_vocab(it->tokenizer) > it->config.n_vocab)
        return lm_fail(err, LM_BAD_FILE,
                       "%s: tokenizer.ggml.tokens has %zu entries, token_embd.weight only %" PRIu32
                       " rows",
                       it->info.name, lm_tokenizer_n_vocab(it->tokenizer), it->config.n_vocab);
    it->weights = lm_weights_create(it->device->gpu, opened->source, err);
    if (!it->weights || !lm_weights_allocate(it->weights, err))
        return false;
    lm_model_compile_ahead(it, params->kv);
    return lm_weights_load(it->weights, params->progress, params->progress_user, err) &&
           lm_fingerprint(&it->config, opened->source, &it->fingerprint, err);
}

lm_model *lm_model_open(lm_device *device, const lm_model_params *params, lm_error *err)
{
    const uint64_t start_ns = lm_clock_ns();
    lm_opened opened;
    if (!lm_device_is_sound(device, err) || !lm_opened_init(&opened, params, err))
        return NULL;
    lm_model *it = calloc(1, sizeof *it);
    if (!it) {
        lm_fail(err, LM_NO_MEMORY, "out of memory opening a model");
        goto fail;
    }
    it->device = device;
    it->config = opened.config;
    lm_opened_info(&opened, &it->info);
    if (!reserve(it, &opened, params, err) || !load(it, &opened, params, err))
        goto fail;
    it->load_ns = lm_clock_ns() - start_ns;
    lm_opened_finish(&opened);
    return it;
fail:
    lm_opened_finish(&opened);
    lm_model_close(&it);
    return NULL;
}

void lm_model_close(lm_model **model)
{
    lm_model *it = *model;
    if (!it)
        return;
    lm_gpu_save_cache(it->device->gpu);
    lm_weights_destroy(&it->weights);
    lm_tokenizer_destroy(&it->tokenizer);
    if (it->is_counted) {
        it->device->kept_bytes -= it->n_kept * it->session_bytes;
        it->device->n_models--;
    }
    free(it);
    *model = NULL;
}

const lm_model_info *lm_model_get_info(const lm_model *model)
{
    return &model->info;
}

const lm_tokenizer *lm_model_tokenizer(const lm_model *model)
{
    return model->tokenizer;
}

uint64_t lm_model_load_ns(const lm_model *model)
{
    return model->load_ns;
}
