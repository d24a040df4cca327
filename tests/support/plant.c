#include "support/plant.h"

#include "base/thread.h"
#include "gpu/gpu_internal.h"
#include "interface/interface.h"
#include "support/spirv_fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define MAX_PIPELINES 128
#define MAX_CONSTANTS 16

// A pipeline as it was asked for.
struct known {
    VkPipeline pipeline, twin; // twin: with the fault, made when it is bound
    lm_module module;
    uint32_t values[MAX_CONSTANTS];
    VkSpecializationMapEntry entries[MAX_CONSTANTS];
    uint32_t n;
    VkComputePipelineCreateInfo info;
    VkPipelineShaderStageRequiredSubgroupSizeCreateInfo subgroup;
};

static struct {
    lm_gpu *gpu;
    struct VolkDeviceTable vk; // the true functions
    VkShaderModule modules[LM_MODULE_COUNT], faulty;
    struct known known[MAX_PIPELINES];
    size_t n_known;
    bool is_planted, only_unpack;
    lm_module module;
    lm_lock lock; // over what is known: pipelines are made in several threads
} plant;

static VkShaderModule make_faulty(lm_module module, size_t store)
{
    const lm_spirv *spirv = &lm_spirv_modules[module];
    uint32_t *words = malloc((spirv->n_words + SPIRV_FAULT_WORDS) * sizeof *words);
    assert_non_null(words);
    const size_t n = spirv_fault(spirv->words, spirv->n_words, store, words);
    const VkShaderModuleCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                           .codeSize = n * sizeof *words,
                                           .pCode = words};
    VkShaderModule made = VK_NULL_HANDLE;
    if (n > 0)
        assert_int_equal(plant.vk.vkCreateShaderModule(plant.gpu->handle, &info, NULL, &made),
                         VK_SUCCESS);
    free(words);
    return made;
}

// ---- in place of the driver's functions ---------------------------------------------------------

static VkResult create_module(VkDevice device, const VkShaderModuleCreateInfo *info,
                              const VkAllocationCallbacks *callbacks, VkShaderModule *module)
{
    const VkResult result = plant.vk.vkCreateShaderModule(device, info, callbacks, module);
    for (int i = 0; i < LM_MODULE_COUNT; i++)
        if (lm_spirv_modules[i].words == info->pCode)
            plant.modules[i] = *module;
    return result;
}

static void remember(const VkComputePipelineCreateInfo *info, VkPipeline pipeline)
{
    assert_in_range(plant.n_known, 0, MAX_PIPELINES - 1);
    struct known *known = &plant.known[plant.n_known++];
    const VkSpecializationInfo *constants = info->stage.pSpecializationInfo;
    assert_in_range(constants->mapEntryCount, 0, MAX_CONSTANTS);
    *known = (struct known){.pipeline = pipeline, .n = constants->mapEntryCount, .info = *info};
    memcpy(known->values, constants->pData, constants->dataSize);
    memcpy(known->entries, constants->pMapEntries, known->n * sizeof *known->entries);
    memcpy(&known->subgroup, info->stage.pNext, sizeof known->subgroup);
    while (plant.modules[known->module] != info->stage.module)
        known->module++;
}

static VkResult create_pipelines(VkDevice device, VkPipelineCache cache, uint32_t n,
                                 const VkComputePipelineCreateInfo *infos,
                                 const VkAllocationCallbacks *callbacks, VkPipeline *pipelines)
{
    const VkResult result =
        plant.vk.vkCreateComputePipelines(device, cache, n, infos, callbacks, pipelines);
    lm_lock_enter(&plant.lock);
    if (result == VK_SUCCESS)
        remember(infos, *pipelines);
    lm_lock_leave(&plant.lock);
    return result;
}

static VkPipeline twin_of(struct known *known)
{
    if (known->twin)
        return known->twin;
    const VkSpecializationInfo constants = {known->n, known->entries,
                                            known->n * sizeof *known->values, known->values};
    VkComputePipelineCreateInfo info = known->info;
    info.stage.module = plant.faulty;
    info.stage.pNext = &known->subgroup;
    info.stage.pSpecializationInfo = &constants;
    assert_int_equal(plant.vk.vkCreateComputePipelines(plant.gpu->handle, VK_NULL_HANDLE, 1, &info,
                                                       NULL, &known->twin),
                     VK_SUCCESS);
    return known->twin;
}

static void bind(VkCommandBuffer commands, VkPipelineBindPoint point, VkPipeline pipeline)
{
    enum { DEVICE = 2 }; // the number of the constant
    lm_lock_enter(&plant.lock);
    for (size_t i = 0; i < plant.n_known && plant.is_planted; i++) {
        struct known *known = &plant.known[i];
        if (known->pipeline == pipeline && known->module == plant.module &&
            !(plant.only_unpack && (known->values[DEVICE] & DEVICE_HALF_BY_INTEGER)))
            pipeline = twin_of(known);
    }
    lm_lock_leave(&plant.lock);
    plant.vk.vkCmdBindPipeline(commands, point, pipeline);
}

// ---- begin and end ------------------------------------------------------------------------------

void plant_begin(lm_gpu *gpu)
{
    memset(&plant, 0, sizeof plant);
    lm_lock_init(&plant.lock);
    plant.gpu = gpu;
    plant.vk = gpu->vk;
    gpu->vk.vkCreateShaderModule = create_module;
    gpu->vk.vkCreateComputePipelines = create_pipelines;
    gpu->vk.vkCmdBindPipeline = bind;
}

void plant_nothing(void)
{
    for (size_t i = 0; i < plant.n_known; i++) {
        plant.vk.vkDestroyPipeline(plant.gpu->handle, plant.known[i].twin, NULL);
        plant.known[i].twin = VK_NULL_HANDLE;
    }
    plant.vk.vkDestroyShaderModule(plant.gpu->handle, plant.faulty, NULL);
    plant.faulty = VK_NULL_HANDLE;
    plant.is_planted = false;
}

bool plant_fault(lm_module module, size_t store, bool only_unpack)
{
    plant_nothing();
    plant.faulty = make_faulty(module, store);
    plant.is_planted = plant.faulty != VK_NULL_HANDLE;
    plant.module = module;
    plant.only_unpack = only_unpack;
    return plant.is_planted;
}

void plant_end(void)
{
    plant_nothing();
    plant.gpu->vk = plant.vk;
    lm_lock_finish(&plant.lock);
}
