// What a step reads and computes, and where memory went: the facts beside a speed.

#include "gen/objects.h"
#include "lm_bench.h"

_Static_assert(LM_MAX_HEAPS == VK_MAX_MEMORY_HEAPS, "every heap has room");

static uint64_t matrix_bytes(const lm_matrix *matrix)
{
    return lm_matrix_bytes(matrix->storage, matrix->n_rows, matrix->n_cols);
}

lm_model_cost lm_model_get_cost(const lm_model *it)
{
    static const lm_tensor_kind of_layers[] = {
        LM_TENSOR_Q,    LM_TENSOR_K,  LM_TENSOR_V,    LM_TENSOR_ATTN_OUT,
        LM_TENSOR_GATE, LM_TENSOR_UP, LM_TENSOR_DOWN,
    };
    const uint32_t n_layer = it->config.n_layer;
    const lm_matrix output = lm_weights_matrix(it->weights, LM_TENSOR_OUTPUT, 0);
    lm_model_cost cost = {
        .output_bytes = matrix_bytes(&output),
        .output_weights = (uint64_t)output.n_rows * output.n_cols,
    };
    for (uint32_t layer = 0; layer < n_layer; layer++)
        for (size_t i = 0; i < sizeof of_layers / sizeof *of_layers; i++) {
            const lm_matrix matrix = lm_weights_matrix(it->weights, of_layers[i], layer);
            cost.layer_bytes += matrix_bytes(&matrix);
            cost.layer_weights += (uint64_t)matrix.n_rows * matrix.n_cols;
        }
    if (!it->config.tied) {
        const lm_matrix embedding = lm_weights_matrix(it->weights, LM_TENSOR_TOKEN_EMBD, 0);
        cost.embedding_bytes = matrix_bytes(&embedding);
    }
    return cost;
}

size_t lm_device_heaps(const lm_device *device, lm_heap_use *heaps)
{
    const VkPhysicalDeviceMemoryProperties *memory = &lm_gpu_adapter(device->gpu)->memory;
    for (uint32_t i = 0; i < memory->memoryHeapCount; i++)
        heaps[i] = (lm_heap_use){
            .size_bytes = memory->memoryHeaps[i].size,
            .used_bytes = lm_gpu_heap_used(device->gpu, i),
            .peak_bytes = lm_gpu_heap_peak(device->gpu, i),
            .is_device_local =
                (memory->memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) != 0,
        };
    return memory->memoryHeapCount;
}
