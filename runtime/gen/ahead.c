// What is compiled while a model's weights are on their way.

#include "gen/objects.h"

#include <stdlib.h>

void lm_model_compile_ahead(const lm_model *model, lm_kv_type kv)
{
    lm_gpu *gpu = model->device->gpu;
    const lm_config *config = &model->config;
    lm_kv_layer *layers = calloc(config->n_layer, sizeof *layers);
    if (!layers)
        return;
    const uint32_t n_ctx = (model->ctx_tokens + 15) / 16 * 16;
    for (uint32_t i = 0; i < config->n_layer; i++)
        layers[i] = (lm_kv_layer){.n_head_kv = config->n_head_kv,
                                  .head_dim = config->head_dim,
                                  .n_ctx = n_ctx,
                                  .type = kv};
    // A session's memory, as far as pipelines depend on it.
    const lm_scratch scratch = {0};
    const lm_timeline_memory memory = {.kv = layers, .n_ctx = n_ctx};
    lm_steps *steps = lm_steps_create(gpu, config, model->weights, &scratch, &memory,
                                      lm_steps_max_chunk(gpu), NULL);
    if (steps)
        lm_steps_compile_ahead(steps);
    lm_steps_destroy(&steps);
    free(layers);
}
