#include "model/weights.h"

#include "model/upload.h"

#include <stdlib.h>

struct lm_weights {
    lm_gpu *gpu;               // borrowed
    const lm_source *source;   // borrowed while loading
    lm_arena *arena;           // owned
    lm_upload_tensor *tensors; // owned, [n_tensors] as in the source
    size_t n_tensors;
    uint32_t *index; // owned, [LM_TENSOR_KIND_COUNT][n_layer]: 1 + number in tensors
    uint32_t n_layer;
};

static lm_storage storage_of(lm_format format)
{
    switch (format) {
    case LM_FORMAT_F16:
        return LM_STORAGE_F16;
    case LM_FORMAT_BF16:
        return LM_STORAGE_BF16;
    case LM_FORMAT_Q8_0:
        return LM_STORAGE_Q8_0;
    case LM_FORMAT_Q4_0:
        return LM_STORAGE_Q4_0;
    case LM_FORMAT_Q4_1:
        return LM_STORAGE_Q4_1;
    case LM_FORMAT_Q5_0:
        return LM_STORAGE_Q5_0;
    case LM_FORMAT_Q5_1:
        return LM_STORAGE_Q5_1;
    case LM_FORMAT_Q2_K:
        return LM_STORAGE_Q2_K;
    case LM_FORMAT_Q3_K:
        return LM_STORAGE_Q3_K;
    case LM_FORMAT_Q4_K:
        return LM_STORAGE_Q4_K;
    case LM_FORMAT_Q5_K:
        return LM_STORAGE_Q5_K;
    case LM_FORMAT_Q6_K:
        return LM_STORAGE_Q6_K;
    case LM_FORMAT_F32:
        break;
    }
    return LM_STORAGE_F32;
}

static void place(lm_weights *it, size_t i)
{
    const lm_tensor_info *info = lm_source_tensor(it->source, i);
    lm_upload_tensor *tensor = &it->tensors[i];
    tensor->info = *info;
    tensor->is_vector = lm_tensor_is_vector(info->kind);
    tensor->matrix = (lm_matrix){
        .storage = storage_of(info->format), .n_rows = info->n_rows, .n_cols = info->n_cols};
    const uint64_t bytes =
        tensor->is_vector ? (uint64_t)info->n_cols * 4
                          : lm_matrix_bytes(tensor->matrix.storage, info->n_rows, info->n_cols);
    tensor->place = lm_arena_add(it->arena, "weights", bytes);
    it->index[info->kind * it->n_layer + info->layer] = (uint32_t)i + 1;
}

lm_weights *lm_weights_create(lm_gpu *gpu, const lm_source *source, lm_error *err)
{
    lm_weights *it = calloc(1, sizeof *it);
    if (!it)
        goto fail;
    it->gpu = gpu;
    it->source = source;
    it->n_tensors = lm_source_n_tensors(source);
    it->n_layer = 1;
    for (size_t i = 0; i < it->n_tensors; i++)
        if (lm_source_tensor(source, i)->layer >= it->n_layer)
            it->n_layer = lm_source_tensor(source, i)->layer + 1;
    it->tensors = calloc(it->n_tensors, sizeof *it->tensors);
    it->index = calloc((size_t)LM_TENSOR_KIND_COUNT * it->n_layer, sizeof *it->index);
    it->arena = lm_arena_create(gpu, "weights", LM_MEMORY_DEVICE, err);
    if (!it->tensors || !it->index || !it->arena)
        goto fail;
    for (size_t i = 0; i < it->n_tensors; i++)
        place(it, i);
    return it;
fail:
    lm_fail(err, LM_NO_MEMORY, "out of memory planning the weights");
    lm_weights_destroy(&it);
    return NULL;
}

void lm_weights_destroy(lm_weights **weights)
{
    lm_weights *it = *weights;
    if (!it)
        return;
    lm_arena_destroy(&it->arena);
    free(it->tensors);
    free(it->index);
    free(it);
    *weights = NULL;
}

bool lm_weights_cost(lm_weights *it, uint64_t *cost, uint64_t *staging, lm_error *err)
{
    return lm_arena_cost(it->arena, cost, err) &&
           lm_upload_cost(it->gpu, it->tensors, it->n_tensors, staging, err);
}

bool lm_weights_allocate(lm_weights *it, lm_error *err)
{
    if (!lm_arena_allocate(it->arena, err))
        return false;
    for (size_t i = 0; i < it->n_tensors; i++)
        it->tensors[i].matrix.address = lm_arena_address(it->arena, it->tensors[i].place);
    return true;
}

bool lm_weights_load(lm_weights *it, lm_weights_progress progress, void *user, lm_error *err)
{
    return lm_upload(it->gpu, it->source, it->tensors, it->n_tensors, progress, user, err);
}

static const lm_upload_tensor *find(const lm_weights *it, lm_tensor_kind kind, uint32_t layer)
{
    const uint32_t number = it->index[kind * it->n_layer + layer];
    return number ? &it->tensors[number - 1] : NULL;
}

bool lm_weights_find(const lm_weights *it, uint64_t address, size_t *index)
{
    for (size_t i = 0; i < it->n_tensors; i++) {
        if (it->tensors[i].matrix.address != address)
            continue;
        *index = i;
        return true;
    }
    return false;
}

lm_matrix lm_weights_matrix(const lm_weights *it, lm_tensor_kind kind, uint32_t layer)
{
    const lm_upload_tensor *tensor = find(it, kind, layer);
    if (!tensor && kind == LM_TENSOR_OUTPUT)
        tensor = find(it, LM_TENSOR_TOKEN_EMBD, 0);
    return tensor->matrix;
}

uint64_t lm_weights_norm(const lm_weights *it, lm_tensor_kind kind, uint32_t layer)
{
    return find(it, kind, layer)->matrix.address;
}

uint64_t lm_weights_bias(const lm_weights *it, lm_tensor_kind kind, uint32_t layer)
{
    const lm_upload_tensor *tensor = find(it, kind, layer);
    return tensor ? tensor->matrix.address : 0;
}
