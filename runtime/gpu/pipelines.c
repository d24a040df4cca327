#include "gpu/pipelines.h"

#include "base/thread.h"
#include "gpu/gpu_internal.h"
#include "gpu/pipeline_cache.h"
#include "interface/interface.h"

#include <stdlib.h>
#include <string.h>

#define MAX_THREADS 4 // that compile ahead

enum entry_state {
    ENTRY_ABSENT, // whoever asks for it makes it
    ENTRY_QUEUED, // a thread will make it, unless somebody asks for it first
    ENTRY_MAKING,
    ENTRY_MADE,  // what the driver answered was not looked at yet
    ENTRY_READY, // was asked for, and is there
};

// What the driver gave and said. A thread leaves it to the device's own thread to judge that: all
// results are counted, and faults injected, in the order in which pipelines are asked for.
struct module {
    VkShaderModule handle;
    VkResult result;
    bool is_judged;
};

struct entry {
    lm_pipeline_key key;
    uint32_t device; // DEVICE_ flags that held
    enum entry_state state;
    VkPipeline pipeline;
    VkResult result;
};

struct lm_pipelines {
    lm_gpu *gpu; // borrowed
    VkPipelineCache cache;
    char *cache_path;                       // owned; NULL: not kept on disk
    struct module modules[LM_MODULE_COUNT]; // made by the device's thread, read by all
    // Shared with the threads, under the lock.
    lm_lock lock;
    struct entry *entries; // owned, [n_entries]; they move when the list grows, and never go
    size_t n_entries, room;
    bool is_new; // compiled since the cache was read
    size_t n_working;
    // The device's thread only.
    lm_thread *threads[MAX_THREADS];
};

lm_pipelines *lm_pipelines_create(lm_gpu *gpu, const char *cache_dir, lm_error *err)
{
    lm_pipelines *it = calloc(1, sizeof *it);
    if (!it) {
        lm_fail(err, LM_NO_MEMORY, "out of memory for pipelines");
        return NULL;
    }
    it->gpu = gpu;
    lm_lock_init(&it->lock);
    if (!lm_pipeline_cache_open(gpu, cache_dir, &it->cache, &it->cache_path, err))
        lm_pipelines_destroy(&it);
    return it;
}

// Nothing is made ahead any more, and no thread is left.
static void stop_threads(lm_pipelines *it)
{
    lm_lock_enter(&it->lock);
    for (size_t i = 0; i < it->n_entries; i++)
        if (it->entries[i].state == ENTRY_QUEUED)
            it->entries[i].state = ENTRY_ABSENT;
    lm_lock_leave(&it->lock);
    for (size_t i = 0; i < MAX_THREADS; i++)
        lm_thread_join(&it->threads[i]);
}

void lm_pipelines_save(lm_pipelines *it)
{
    stop_threads(it);
    if (it->is_new && !it->gpu->lost)
        lm_pipeline_cache_save(it->gpu, it->cache, it->cache_path);
    it->is_new = false;
}

void lm_pipelines_destroy(lm_pipelines **pipelines)
{
    lm_pipelines *it = *pipelines;
    if (!it)
        return;
    lm_pipelines_save(it);
    lm_gpu *gpu = it->gpu;
    if (lm_gpu_is_idle(gpu)) {
        for (size_t i = 0; i < it->n_entries; i++)
            gpu->vk.vkDestroyPipeline(gpu->handle, it->entries[i].pipeline, NULL);
        for (size_t i = 0; i < LM_MODULE_COUNT; i++)
            gpu->vk.vkDestroyShaderModule(gpu->handle, it->modules[i].handle, NULL);
        gpu->vk.vkDestroyPipelineCache(gpu->handle, it->cache, NULL);
    }
    lm_lock_finish(&it->lock);
    free(it->cache_path);
    free(it->entries);
    free(it);
    *pipelines = NULL;
}

static void make_module(lm_pipelines *it, lm_module number)
{
    struct module *module = &it->modules[number];
    const lm_spirv *spirv = &lm_spirv_modules[number];
    const VkShaderModuleCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = spirv->n_words * sizeof(uint32_t),
        .pCode = spirv->words,
    };
    if (module->handle)
        return;
    module->is_judged = false;
    module->result =
        it->gpu->vk.vkCreateShaderModule(it->gpu->handle, &info, NULL, &module->handle);
}

static uint32_t device_flags(const lm_features *features)
{
    return (lm_features_on(features, LM_FEATURE_HALF_UNPACK) ? 0 : DEVICE_HALF_BY_INTEGER) |
           (lm_features_on(features, LM_FEATURE_UNIFORM_LOADS) ? DEVICE_UNIFORM_LOADS : 0);
}

// On any thread: reads only what stays as it is from then on.
static VkResult compile(const lm_pipelines *it, const lm_pipeline_key *key, uint32_t device,
                        VkPipeline *pipeline)
{
    const lm_gpu *gpu = it->gpu;
    uint32_t values[LM_FIRST_CONSTANT + LM_MAX_CONSTANTS] = {
        key->group_size, gpu->adapter.limits.subgroup_size, device};
    VkSpecializationMapEntry entries[LM_FIRST_CONSTANT + LM_MAX_CONSTANTS];
    const uint32_t n = LM_FIRST_CONSTANT + key->n_constants;
    memcpy(values + LM_FIRST_CONSTANT, key->constants, key->n_constants * sizeof *values);
    for (uint32_t i = 0; i < n; i++)
        entries[i] = (VkSpecializationMapEntry){i, i * (uint32_t)sizeof *values, sizeof *values};
    const VkSpecializationInfo constants = {n, entries, n * sizeof *values, values};
    const VkPipelineShaderStageRequiredSubgroupSizeCreateInfo subgroup = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
        .requiredSubgroupSize = gpu->adapter.limits.subgroup_size,
    };
    const VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage =
            {
                .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .pNext = &subgroup,
                .flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT_EXT,
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .module = it->modules[key->module].handle,
                .pName = "main",
                .pSpecializationInfo = &constants,
            },
        .layout = gpu->layout,
    };
    return gpu->vk.vkCreateComputePipelines(gpu->handle, it->cache, 1, &info, NULL, pipeline);
}

static bool same_key(const lm_pipeline_key *a, const lm_pipeline_key *b)
{
    return a->module == b->module && a->group_size == b->group_size &&
           a->n_constants == b->n_constants &&
           memcmp(a->constants, b->constants, a->n_constants * sizeof *a->constants) == 0;
}

// Inside the lock. The entry of a key, added if it is new; false without memory.
static bool find(lm_pipelines *it, const lm_pipeline_key *key, size_t *index)
{
    const uint32_t device = device_flags(&it->gpu->adapter.features);
    for (*index = 0; *index < it->n_entries; ++*index)
        if (same_key(&it->entries[*index].key, key) && it->entries[*index].device == device)
            return true;
    if (it->n_entries == it->room) {
        const size_t room = it->room ? it->room * 2 : 32;
        struct entry *larger = realloc(it->entries, room * sizeof *larger);
        if (!larger)
            return false;
        it->entries = larger;
        it->room = room;
    }
    it->entries[it->n_entries++] = (struct entry){.key = *key, .device = device};
    return true;
}

// Inside the lock, which is left meanwhile.
static void make_entry(lm_pipelines *it, size_t i)
{
    const lm_pipeline_key key = it->entries[i].key;
    const uint32_t device = it->entries[i].device;
    VkPipeline pipeline = VK_NULL_HANDLE;
    it->entries[i].state = ENTRY_MAKING;
    lm_lock_leave(&it->lock);
    const VkResult result = compile(it, &key, device, &pipeline);
    lm_lock_enter(&it->lock);
    it->entries[i].pipeline = pipeline;
    it->entries[i].result = result;
    it->entries[i].state = ENTRY_MADE;
    it->is_new = true;
    lm_lock_tell(&it->lock);
}

// Inside the lock. The entry is made by now, by whomever.
static void await_entry(lm_pipelines *it, size_t i)
{
    while (it->entries[i].state == ENTRY_MAKING)
        lm_lock_wait(&it->lock);
    if (it->entries[i].state == ENTRY_ABSENT || it->entries[i].state == ENTRY_QUEUED)
        make_entry(it, i);
}

static bool load_module(lm_pipelines *it, lm_module number, lm_error *err)
{
    struct module *module = &it->modules[number];
    make_module(it, number);
    if (module->is_judged)
        return true;
    module->is_judged = true;
    return lm_gpu_check(it->gpu, module->result, "vkCreateShaderModule", err);
}

VkPipeline lm_pipelines_get(lm_pipelines *it, const lm_pipeline_key *key, lm_error *err)
{
    size_t i;
    if (!load_module(it, key->module, err))
        return VK_NULL_HANDLE;
    lm_lock_enter(&it->lock);
    if (!find(it, key, &i)) {
        lm_lock_leave(&it->lock);
        lm_fail(err, LM_NO_MEMORY, "out of memory for %zu pipelines", it->n_entries + 1);
        return VK_NULL_HANDLE;
    }
    await_entry(it, i);
    const VkPipeline pipeline = it->entries[i].pipeline;
    const VkResult result = it->entries[i].result;
    const bool is_judged = it->entries[i].state == ENTRY_READY;
    // Also where a fault hides a success: it must be destroyed.
    it->entries[i].state = pipeline ? ENTRY_READY : ENTRY_ABSENT;
    lm_lock_leave(&it->lock);
    if (is_judged || lm_gpu_check(it->gpu, result, "vkCreateComputePipelines", err))
        return pipeline;
    lm_fail_while(err, "compiling shader %s", lm_spirv_modules[key->module].name);
    return VK_NULL_HANDLE;
}

// ---- ahead -------------------------------------------------------------------------------------

static void work(void *user)
{
    lm_pipelines *it = user;
    lm_lock_enter(&it->lock);
    size_t i = 0;
    while (i < it->n_entries)
        if (it->entries[i].state == ENTRY_QUEUED)
            make_entry(it, i);
        else
            i++;
    it->n_working--;
    lm_lock_leave(&it->lock);
}

// A core is left to whoever asked.
static size_t threads_wanted(size_t n_queued)
{
    const uint32_t cores = lm_thread_n_cores();
    const size_t most = cores <= 2 ? 1 : cores - 1 < MAX_THREADS ? cores - 1 : MAX_THREADS;
    return n_queued < most ? n_queued : most;
}

void lm_pipelines_prepare(lm_pipelines *it, const lm_pipeline_key *keys, size_t n_keys)
{
    size_t n_queued = 0, index;
    for (size_t i = 0; i < n_keys; i++)
        make_module(it, keys[i].module);
    lm_lock_enter(&it->lock);
    for (size_t i = 0; i < n_keys; i++)
        if (it->modules[keys[i].module].handle && find(it, &keys[i], &index) &&
            it->entries[index].state == ENTRY_ABSENT) {
            it->entries[index].state = ENTRY_QUEUED;
            n_queued++;
        }
    const bool idle = it->n_working == 0;
    lm_lock_leave(&it->lock);
    // Threads that have not ended yet may be past the new ones: they wait to be asked for then.
    if (!idle)
        return;
    const size_t n = threads_wanted(n_queued);
    for (size_t i = 0; i < n; i++) {
        lm_thread_join(&it->threads[i]);
        lm_lock_enter(&it->lock);
        it->n_working++;
        lm_lock_leave(&it->lock);
        it->threads[i] = lm_thread_start(work, it, NULL);
        if (it->threads[i])
            continue;
        lm_lock_enter(&it->lock);
        it->n_working--;
        lm_lock_leave(&it->lock);
    }
}

bool lm_pipelines_are_prepared(lm_pipelines *it, const lm_pipeline_key *keys, size_t n_keys)
{
    size_t n_waiting = 0, index;
    lm_lock_enter(&it->lock);
    for (size_t i = 0; i < n_keys && it->n_working > 0; i++)
        if (find(it, &keys[i], &index))
            n_waiting += it->entries[index].state == ENTRY_QUEUED ||
                         it->entries[index].state == ENTRY_MAKING;
    lm_lock_leave(&it->lock);
    return n_waiting == 0;
}

size_t lm_pipelines_count(lm_pipelines *it)
{
    size_t n = 0;
    lm_lock_enter(&it->lock);
    for (size_t i = 0; i < it->n_entries; i++)
        n += it->entries[i].state == ENTRY_READY;
    lm_lock_leave(&it->lock);
    return n;
}
