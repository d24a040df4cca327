// The plan: where the device memory of a model and a session goes, before anything is taken.

#include "gen/objects.h"

#include <inttypes.h>

#define MARGIN_BYTES ((uint64_t)512 << 20)
#define MIN_BUCKET   256 // shortest context that recordings tell apart

static uint32_t round_up(uint32_t value, uint32_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

bool lm_choose_ctx(const lm_config *config, uint32_t wanted, uint32_t *ctx_tokens, lm_error *err)
{
    if (wanted > config->n_ctx_train)
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "a context of %" PRIu32 " tokens exceeds the model's %" PRIu32, wanted,
                       config->n_ctx_train);
    const uint32_t usual =
        config->n_ctx_train < LM_DEFAULT_CTX ? config->n_ctx_train : LM_DEFAULT_CTX;
    *ctx_tokens = wanted ? wanted : usual;
    return true;
}

static void plan_scratch(lm_session_memory *it, const lm_config *config)
{
    uint64_t sizes[LM_SCRATCH_TENSORS];
    lm_scratch_sizes(config, it->max_chunk, it->max_splits, sizes);
    it->scratch_first = lm_arena_add(it->scratch, "activations", sizes[0]);
    for (int i = 1; i < LM_SCRATCH_TENSORS; i++)
        lm_arena_add(it->scratch, "activations", sizes[i]);
    it->step = lm_arena_add(it->scratch, "step state", lm_step_state_bytes());
    it->tokens = lm_arena_add(it->scratch, "tokens", (uint64_t)it->n_ctx * 4);
    it->cos_sin =
        lm_arena_add(it->scratch, "rope table", (uint64_t)it->n_ctx * config->head_dim * 4);
}

bool lm_session_memory_plan(lm_session_memory *it, lm_gpu *gpu, const lm_config *config,
                            uint32_t ctx_tokens, lm_kv_type kv, lm_error *err)
{
    *it = (lm_session_memory){
        .n_ctx = round_up(ctx_tokens, 16),
        .max_chunk = lm_steps_max_chunk(gpu),
        .max_splits = lm_steps_splits(gpu, config, 1, round_up(ctx_tokens, MIN_BUCKET)),
    };
    it->kv = lm_arena_create(gpu, "the KV cache", LM_MEMORY_DEVICE, err);
    it->scratch = lm_arena_create(gpu, "activations", LM_MEMORY_DEVICE, err);
    it->shared = lm_arena_create(gpu, "host-visible memory", LM_MEMORY_SHARED, err);
    if (!it->kv || !it->scratch || !it->shared) {
        lm_session_memory_finish(it);
        return false;
    }
    const lm_kv_layer layer = {.n_head_kv = config->n_head_kv,
                               .head_dim = config->head_dim,
                               .n_ctx = it->n_ctx,
                               .type = kv};
    for (uint32_t i = 0; i < 2 * config->n_layer; i++)
        lm_arena_add(it->kv, "a layer's keys or values", lm_kv_layer_bytes(&layer));
    plan_scratch(it, config);
    it->inbox = lm_arena_add(it->shared, "inbox", lm_step_inbox_bytes());
    it->outbox = lm_arena_add(it->shared, "outbox", lm_step_outbox_bytes());
    it->readback =
        lm_arena_add(it->shared, "logits for the host", ((uint64_t)config->n_vocab + 3) / 4 * 16);
    return true;
}

void lm_session_memory_finish(lm_session_memory *it)
{
    lm_arena_destroy(&it->kv);
    lm_arena_destroy(&it->scratch);
    lm_arena_destroy(&it->shared);
}

static bool session_cost(lm_gpu *gpu, const lm_config *config, uint32_t ctx_tokens, lm_kv_type kv,
                         lm_plan *plan, lm_error *err)
{
    lm_session_memory memory;
    if (!lm_session_memory_plan(&memory, gpu, config, ctx_tokens, kv, err))
        return false;
    const bool ok = lm_arena_cost(memory.kv, &plan->kv_bytes, err) &&
                    lm_arena_cost(memory.scratch, &plan->scratch_bytes, err) &&
                    lm_arena_cost(memory.shared, &plan->staging_bytes, err);
    lm_session_memory_finish(&memory);
    return ok;
}

// The margin keeps a desktop and other programs alive.
uint64_t lm_available_bytes(lm_gpu *gpu)
{
    const uint64_t free_bytes = lm_adapter_free_bytes(lm_gpu_adapter(gpu));
    const uint64_t tenth = lm_gpu_adapter(gpu)->heap_bytes / 10;
    const uint64_t margin = tenth > MARGIN_BYTES ? tenth : MARGIN_BYTES;
    // A small heap would be eaten up by the margin alone.
    const uint64_t most = free_bytes / 4;
    const uint64_t kept = margin < most ? margin : most;
    return free_bytes - kept;
}

// The largest context, in steps of 256 tokens, that fits beside the weights; 0: none.
static bool largest_ctx(lm_gpu *gpu, const lm_opened *opened, lm_kv_type kv, const lm_plan *plan,
                        uint32_t *ctx_tokens, lm_error *err)
{
    uint32_t low = 0;
    uint32_t high = opened->config.n_ctx_train / MIN_BUCKET;
    while (low < high) {
        const uint32_t middle = low + (high - low + 1) / 2;
        lm_plan trial = *plan;
        lm_error why = {0};
        const bool known =
            session_cost(gpu, &opened->config, middle * MIN_BUCKET, kv, &trial, &why);
        // A context whose keys are too large for one buffer does not fit, whatever is free.
        if (!known && why.status != LM_UNSUPPORTED) {
            if (err)
                *err = why;
            return false;
        }
        const uint64_t total =
            trial.weights_bytes + trial.kv_bytes + trial.scratch_bytes + trial.staging_bytes;
        if (known && total <= plan->available_bytes)
            low = middle;
        else
            high = middle - 1;
    }
    *ctx_tokens = low * MIN_BUCKET;
    return true;
}

bool lm_plan_opened(lm_gpu *gpu, const lm_opened *opened, uint32_t ctx_tokens, lm_kv_type kv,
                    lm_plan *plan, lm_error *err)
{
    *plan = (lm_plan){.ctx_tokens = ctx_tokens, .available_bytes = lm_available_bytes(gpu)};
    uint64_t ring = 0;
    lm_weights *weights = lm_weights_create(gpu, opened->source, err);
    const bool ok = weights && lm_weights_cost(weights, &plan->weights_bytes, &ring, err);
    lm_weights_destroy(&weights);
    if (!ok || !session_cost(gpu, &opened->config, ctx_tokens, kv, plan, err))
        return false;
    plan->total_bytes =
        plan->weights_bytes + plan->kv_bytes + plan->scratch_bytes + plan->staging_bytes;
    // While loading, the ring stands where the session will.
    const uint64_t peak = plan->weights_bytes + ring > plan->total_bytes
                              ? plan->weights_bytes + ring
                              : plan->total_bytes;
    plan->fits = peak <= plan->available_bytes;
    return largest_ctx(gpu, opened, kv, plan, &plan->ctx_tokens_fit, err);
}

bool lm_model_plan(lm_device *device, const lm_model_params *params, lm_plan *plan, lm_error *err)
{
    lm_opened opened;
    uint32_t ctx_tokens = 0;
    if (!lm_opened_init(&opened, params, err))
        return false;
    const bool ok = lm_choose_ctx(&opened.config, params->ctx_tokens, &ctx_tokens, err) &&
                    lm_plan_opened(device->gpu, &opened, ctx_tokens, params->kv, plan, err);
    lm_opened_finish(&opened);
    return ok;
}
