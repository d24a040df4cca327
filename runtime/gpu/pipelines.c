#include "gpu/pipelines.h"

#include "gpu/gpu_internal.h"
#include "gpu/pipeline_cache.h"
#include "interface/interface.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    lm_pipeline_key key;
    bool half_unpack; // LM_FEATURE_HALF_UNPACK was on
    VkPipeline pipeline;
};

struct lm_pipelines {
    lm_gpu *gpu; // borrowed
    VkShaderModule modules[LM_MODULE_COUNT];
    struct entry *entries; // owned
    size_t n_entries, room;
    VkPipelineCache cache;
    char *cache_path; // owned; NULL: not kept on disk
    bool is_new;      // compiled since the cache was read
};

lm_pipelines *lm_pipelines_create(lm_gpu *gpu, const char *cache_dir, lm_error *err)
{
    lm_pipelines *it = calloc(1, sizeof *it);
    if (!it) {
        lm_fail(err, LM_NO_MEMORY, "out of memory for pipelines");
        return NULL;
    }
    it->gpu = gpu;
    if (!lm_pipeline_cache_open(gpu, cache_dir, &it->cache, &it->cache_path, err))
        lm_pipelines_destroy(&it);
    return it;
}

void lm_pipelines_save(lm_pipelines *it)
{
    if (it->is_new && !it->gpu->lost)
        lm_pipeline_cache_save(it->gpu, it->cache, it->cache_path);
    it->is_new = false;
}

static void destroy_handles(lm_pipelines *it)
{
    lm_gpu *gpu = it->gpu;
    for (size_t i = 0; i < it->n_entries; i++)
        gpu->vk.vkDestroyPipeline(gpu->handle, it->entries[i].pipeline, NULL);
    for (size_t i = 0; i < LM_MODULE_COUNT; i++)
        gpu->vk.vkDestroyShaderModule(gpu->handle, it->modules[i], NULL);
    gpu->vk.vkDestroyPipelineCache(gpu->handle, it->cache, NULL);
}

void lm_pipelines_destroy(lm_pipelines **pipelines)
{
    lm_pipelines *it = *pipelines;
    if (!it)
        return;
    lm_pipelines_save(it);
    if (lm_gpu_is_idle(it->gpu))
        destroy_handles(it);
    free(it->cache_path);
    free(it->entries);
    free(it);
    *pipelines = NULL;
}

static bool load_module(lm_pipelines *it, lm_module module, lm_error *err)
{
    if (it->modules[module])
        return true;
    const lm_spirv *spirv = &lm_spirv_modules[module];
    const VkShaderModuleCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = spirv->n_words * sizeof(uint32_t),
        .pCode = spirv->words,
    };
    return lm_gpu_check(
        it->gpu,
        it->gpu->vk.vkCreateShaderModule(it->gpu->handle, &info, NULL, &it->modules[module]),
        "vkCreateShaderModule", err);
}

static bool compile(lm_pipelines *it, struct entry *entry, lm_error *err)
{
    const lm_pipeline_key *key = &entry->key;
    uint32_t values[LM_FIRST_CONSTANT + LM_MAX_CONSTANTS] = {
        key->group_size, it->gpu->adapter.limits.subgroup_size, !entry->half_unpack};
    VkSpecializationMapEntry entries[LM_FIRST_CONSTANT + LM_MAX_CONSTANTS];
    const uint32_t n = LM_FIRST_CONSTANT + key->n_constants;
    memcpy(values + LM_FIRST_CONSTANT, key->constants, key->n_constants * sizeof *values);
    for (uint32_t i = 0; i < n; i++)
        entries[i] = (VkSpecializationMapEntry){i, i * (uint32_t)sizeof *values, sizeof *values};
    const VkSpecializationInfo constants = {n, entries, n * sizeof *values, values};
    const VkPipelineShaderStageRequiredSubgroupSizeCreateInfo subgroup = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
        .requiredSubgroupSize = it->gpu->adapter.limits.subgroup_size,
    };
    const VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage =
            {
                .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .pNext = &subgroup,
                .flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT_EXT,
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .module = it->modules[key->module],
                .pName = "main",
                .pSpecializationInfo = &constants,
            },
        .layout = it->gpu->layout,
    };
    return lm_gpu_check(it->gpu,
                        it->gpu->vk.vkCreateComputePipelines(it->gpu->handle, it->cache, 1, &info,
                                                             NULL, &entry->pipeline),
                        "vkCreateComputePipelines", err) ||
           lm_fail_while(err, "compiling shader %s", lm_spirv_modules[key->module].name);
}

static bool same_key(const lm_pipeline_key *a, const lm_pipeline_key *b)
{
    return a->module == b->module && a->group_size == b->group_size &&
           a->n_constants == b->n_constants &&
           memcmp(a->constants, b->constants, a->n_constants * sizeof *a->constants) == 0;
}

VkPipeline lm_pipelines_get(lm_pipelines *it, const lm_pipeline_key *key, lm_error *err)
{
    const bool half_unpack = lm_features_on(&it->gpu->adapter.features, LM_FEATURE_HALF_UNPACK);
    for (size_t i = 0; i < it->n_entries; i++)
        if (same_key(&it->entries[i].key, key) && it->entries[i].half_unpack == half_unpack)
            return it->entries[i].pipeline;
    if (it->n_entries == it->room) {
        const size_t room = it->room ? it->room * 2 : 32;
        struct entry *larger = realloc(it->entries, room * sizeof *larger);
        if (!larger) {
            lm_fail(err, LM_NO_MEMORY, "out of memory for %zu pipelines", room);
            return VK_NULL_HANDLE;
        }
        it->entries = larger;
        it->room = room;
    }
    struct entry *entry = &it->entries[it->n_entries];
    *entry = (struct entry){.key = *key, .half_unpack = half_unpack};
    if (!load_module(it, key->module, err))
        return VK_NULL_HANDLE;
    const bool ok = compile(it, entry, err);
    if (entry->pipeline)
        it->n_entries++; // also when a fault was injected behind a success: it must be destroyed
    it->is_new = true;
    return ok ? entry->pipeline : VK_NULL_HANDLE;
}

size_t lm_pipelines_count(const lm_pipelines *it)
{
    return it->n_entries;
}
