// The plan: where the device memory of models and their sessions goes, before anything is taken.

#include "gen/objects.h"

#include <inttypes.h>

#define MARGIN_BYTES ((uint64_t)512 << 20)
#define MIN_BUCKET   256 // shortest context that recordings tell apart

static uint32_t round_up(uint32_t value, uint32_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

bool lm_wish_init(lm_wish *wish, const lm_opened *opened, const lm_model_params *params,
                  lm_error *err)
{
    const uint32_t most = opened->config.n_ctx_train;
    const uint32_t usual = most < LM_DEFAULT_CTX ? most : LM_DEFAULT_CTX;
    *wish = (lm_wish){
        .opened = opened,
        .ctx_tokens = params->ctx_tokens ? params->ctx_tokens : usual,
        .n_sessions = params->n_sessions ? params->n_sessions : 1,
        .kv = params->kv,
    };
    if (wish->ctx_tokens > most)
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "a context of %" PRIu32 " tokens exceeds the model's %" PRIu32,
                       wish->ctx_tokens, most);
    if (wish->n_sessions > LM_MAX_SESSIONS)
        return lm_fail(err, LM_BAD_ARGUMENT, "%" PRIu32 " sessions exceed the %d of a device",
                       wish->n_sessions, LM_MAX_SESSIONS);
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

// Fills in what the sessions take with that much context.
static bool plan_sessions(lm_gpu *gpu, const lm_wish *wish, uint32_t ctx_tokens, lm_plan *plan,
                          lm_error *err)
{
    lm_session_memory memory;
    if (!lm_session_memory_plan(&memory, gpu, &wish->opened->config, ctx_tokens, wish->kv, err))
        return false;
    const bool ok = lm_arena_cost(memory.kv, &plan->kv_bytes, err) &&
                    lm_arena_cost(memory.scratch, &plan->scratch_bytes, err) &&
                    lm_arena_cost(memory.shared, &plan->staging_bytes, err);
    lm_session_memory_finish(&memory);
    plan->kv_bytes *= wish->n_sessions;
    plan->scratch_bytes *= wish->n_sessions;
    plan->staging_bytes *= wish->n_sessions;
    plan->total_bytes =
        plan->weights_bytes + plan->kv_bytes + plan->scratch_bytes + plan->staging_bytes;
    return ok;
}

// The margin keeps a desktop and other programs alive.
uint64_t lm_available_bytes(const lm_device *device)
{
    const lm_adapter *adapter = lm_gpu_adapter(device->gpu);
    uint64_t free_bytes = lm_adapter_free_bytes(adapter);
    // Without the extension the driver does not say what is taken; of that our own part is known.
    const uint64_t used = lm_features_on(&adapter->features, LM_FEATURE_MEMORY_BUDGET)
                              ? 0
                              : lm_gpu_memory_used(device->gpu);
    free_bytes -= used < free_bytes ? used : free_bytes;
    const uint64_t tenth = adapter->heap_bytes / 10;
    const uint64_t margin = tenth > MARGIN_BYTES ? tenth : MARGIN_BYTES;
    // A small heap would be eaten up by the margin alone.
    const uint64_t most = free_bytes / 4;
    const uint64_t kept = device->kept_bytes + (margin < most ? margin : most);
    return free_bytes > kept ? free_bytes - kept : 0;
}

// The largest context, in steps of 256 tokens, whose sessions fit beside the weights into
// `available` bytes; 0: none.
static bool largest_ctx(lm_gpu *gpu, const lm_wish *wish, const lm_plan *plan, uint64_t available,
                        uint32_t *ctx_tokens, lm_error *err)
{
    uint32_t low = 0;
    uint32_t high = wish->opened->config.n_ctx_train / MIN_BUCKET;
    while (low < high) {
        const uint32_t middle = low + (high - low + 1) / 2;
        lm_plan trial = *plan;
        lm_error why = {0};
        const bool known = plan_sessions(gpu, wish, middle * MIN_BUCKET, &trial, &why);
        // A context whose keys are too large for one buffer does not fit, whatever is free.
        if (!known && why.status != LM_UNSUPPORTED) {
            if (err)
                *err = why;
            return false;
        }
        if (known && trial.total_bytes <= available)
            low = middle;
        else
            high = middle - 1;
    }
    *ctx_tokens = low * MIN_BUCKET;
    return true;
}

// Plans a model beside others that take `before` bytes; *peak is the most that is taken while it
// loads and later.
static bool plan_beside(lm_device *device, const lm_wish *wish, uint64_t before, lm_plan *plan,
                        uint64_t *peak, lm_error *err)
{
    *plan = (lm_plan){.ctx_tokens = wish->ctx_tokens, .n_sessions = wish->n_sessions};
    uint64_t ring = 0;
    lm_weights *weights = lm_weights_create(device->gpu, wish->opened->source, err);
    const bool ok = weights && lm_weights_cost(weights, &plan->weights_bytes, &ring, err);
    lm_weights_destroy(&weights);
    if (!ok || !plan_sessions(device->gpu, wish, wish->ctx_tokens, plan, err))
        return false;
    // While loading, the ring stands where the sessions will.
    const uint64_t loading = plan->weights_bytes + ring;
    *peak = before + (loading > plan->total_bytes ? loading : plan->total_bytes);
    return true;
}

bool lm_plan_opened(lm_device *device, const lm_wish *wish, lm_plan *plan, lm_error *err)
{
    uint64_t peak = 0;
    if (!plan_beside(device, wish, 0, plan, &peak, err))
        return false;
    plan->available_bytes = lm_available_bytes(device);
    plan->fits = peak <= plan->available_bytes;
    return largest_ctx(device->gpu, wish, plan, plan->available_bytes, &plan->ctx_tokens_fit, err);
}

static bool plan_opened(lm_device *device, const lm_wish *wishes, size_t n, lm_plan *plans,
                        lm_plan *total, lm_error *err)
{
    uint64_t most = 0;
    *total = (lm_plan){.available_bytes = lm_available_bytes(device)};
    for (size_t i = 0; i < n; i++) {
        uint64_t peak = 0;
        if (!plan_beside(device, &wishes[i], total->total_bytes, &plans[i], &peak, err))
            return false;
        most = peak > most ? peak : most;
        total->weights_bytes += plans[i].weights_bytes;
        total->kv_bytes += plans[i].kv_bytes;
        total->scratch_bytes += plans[i].scratch_bytes;
        total->staging_bytes += plans[i].staging_bytes;
        total->total_bytes += plans[i].total_bytes;
        total->n_sessions += plans[i].n_sessions;
    }
    total->fits = most <= total->available_bytes;
    for (size_t i = 0; i < n; i++) {
        const uint64_t others = total->total_bytes - plans[i].total_bytes;
        const uint64_t left = total->available_bytes > others ? total->available_bytes - others : 0;
        plans[i].available_bytes = left;
        plans[i].fits = total->fits;
        if (!largest_ctx(device->gpu, &wishes[i], &plans[i], left, &plans[i].ctx_tokens_fit, err))
            return false;
    }
    return true;
}

bool lm_models_plan(lm_device *device, const lm_model_params *params, size_t n_models,
                    lm_plan *plans, lm_plan *total, lm_error *err)
{
    lm_opened opened[LM_MAX_MODELS] = {0};
    lm_wish wishes[LM_MAX_MODELS];
    if (n_models == 0 || n_models > LM_MAX_MODELS)
        return lm_fail(err, LM_BAD_ARGUMENT, "%zu models are not 1 to %d", n_models, LM_MAX_MODELS);
    bool ok = true;
    uint32_t n_sessions = 0;
    for (size_t i = 0; ok && i < n_models; i++) {
        ok = lm_opened_init(&opened[i], &params[i], err) &&
             lm_wish_init(&wishes[i], &opened[i], &params[i], err);
        n_sessions += ok ? wishes[i].n_sessions : 0;
    }
    if (ok && n_sessions > LM_MAX_SESSIONS)
        ok = lm_fail(err, LM_BAD_ARGUMENT, "%" PRIu32 " sessions exceed the %d of a device",
                     n_sessions, LM_MAX_SESSIONS);
    ok = ok && plan_opened(device, wishes, n_models, plans, total, err);
    for (size_t i = 0; i < n_models; i++)
        lm_opened_finish(&opened[i]);
    return ok;
}

bool lm_model_plan(lm_device *device, const lm_model_params *params, lm_plan *plan, lm_error *err)
{
    lm_opened opened;
    lm_wish wish;
    if (!lm_opened_init(&opened, params, err))
        return false;
    const bool ok =
        lm_wish_init(&wish, &opened, params, err) && lm_plan_opened(device, &wish, plan, err);
    lm_opened_finish(&opened);
    return ok;
}
