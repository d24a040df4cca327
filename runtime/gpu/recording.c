#include "gpu/recording.h"

#include "gpu/gpu_internal.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TIMED_OPS 4096

struct lm_recording {
    lm_gpu *gpu;      // borrowed
    const char *name; // borrowed
    VkCommandBuffer *pieces;
    size_t n_pieces, piece_room;
    lm_recorded_op *ops; // owned
    size_t n_ops, op_room;
    size_t n_barriers;
    VkQueryPool times; // two for each op; null without timestamps
    lm_hazards hazards;
    bool is_open; // a piece is being recorded
    bool is_list; // nothing is
    lm_error mistake;
};

static bool check(lm_recording *it, VkResult result, const char *call)
{
    lm_error err = {0};
    if (lm_gpu_check(it->gpu, result, call, &err))
        return true;
    if (it->mistake.status == LM_OK)
        it->mistake = err;
    return false;
}

void lm_recording_fail(lm_recording *it, lm_status status, const char *text)
{
    if (it->mistake.status == LM_OK)
        lm_fail(&it->mistake, status, "recording %s: %s", it->name, text);
}

lm_recording *lm_recording_begin(lm_gpu *gpu, const char *name, lm_error *err)
{
    lm_recording *it = calloc(1, sizeof *it);
    if (!it) {
        lm_fail(err, LM_NO_MEMORY, "out of memory for recording %s", name);
        return NULL;
    }
    it->gpu = gpu;
    it->name = name;
    if (!gpu->timestamps)
        return it;
    const VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_TIMESTAMP,
        .queryCount = 2 * MAX_TIMED_OPS,
    };
    if (!lm_gpu_check(gpu, gpu->vk.vkCreateQueryPool(gpu->handle, &info, NULL, &it->times),
                      "vkCreateQueryPool", err))
        lm_recording_destroy(&it);
    return it;
}

lm_recording *lm_recording_begin_list(lm_gpu *gpu, const char *name, lm_error *err)
{
    lm_recording *it = calloc(1, sizeof *it);
    if (!it) {
        lm_fail(err, LM_NO_MEMORY, "out of memory for the list of %s", name);
        return NULL;
    }
    it->gpu = gpu;
    it->name = name;
    it->is_list = true;
    return it;
}

lm_gpu *lm_recording_gpu(const lm_recording *it)
{
    return it->gpu;
}

static void barrier(lm_recording *it, VkPipelineStageFlags to, VkAccessFlags access)
{
    const VkMemoryBarrier memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
        .dstAccessMask = access,
    };
    it->gpu->vk.vkCmdPipelineBarrier(it->pieces[it->n_pieces - 1],
                                     VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, to, 0, 1, &memory, 0,
                                     NULL, 0, NULL);
}

static void compute_barrier(lm_recording *it)
{
    barrier(it, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
            VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
}

static bool open_piece(lm_recording *it)
{
    if (it->is_open)
        return true;
    if (it->n_pieces == it->piece_room) {
        const size_t room = it->piece_room ? it->piece_room * 2 : 32;
        VkCommandBuffer *larger = realloc(it->pieces, room * sizeof *larger);
        if (!larger) {
            lm_recording_fail(it, LM_NO_MEMORY, "out of memory for command buffers");
            return false;
        }
        it->pieces = larger;
        it->piece_room = room;
    }
    const VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = it->gpu->commands,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    VkCommandBuffer piece = VK_NULL_HANDLE;
    const bool ok = check(it, it->gpu->vk.vkAllocateCommandBuffers(it->gpu->handle, &info, &piece),
                          "vkAllocateCommandBuffers");
    if (piece)
        it->pieces[it->n_pieces++] = piece;
    const VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT,
    };
    if (!ok || !check(it, it->gpu->vk.vkBeginCommandBuffer(piece, &begin), "vkBeginCommandBuffer"))
        return false;
    it->is_open = true;
    lm_hazards_clear(&it->hazards);
    compute_barrier(it);
    return true;
}

static bool fits(lm_recording *it, const lm_dispatch *dispatch)
{
    const lm_limits *limits = &it->gpu->adapter.limits;
    const uint32_t group = dispatch->pipeline.group_size;
    if (dispatch->groups[0] == 0)
        lm_recording_fail(it, LM_BAD_ARGUMENT, "an op has an empty grid");
    else if (group == 0 || group > limits->group_invocations ||
             group % limits->subgroup_size != 0 ||
             group / limits->subgroup_size > limits->group_subgroups)
        lm_recording_fail(it, LM_UNSUPPORTED, "a workgroup is not what this device can run");
    else if (dispatch->args_bytes > lm_limits_floor.push_bytes)
        lm_recording_fail(it, LM_BAD_ARGUMENT, "an op pushes more than 128 bytes");
    else
        for (int i = 0; i < 3; i++)
            if (dispatch->groups[i] > limits->group_count)
                lm_recording_fail(it, LM_UNSUPPORTED,
                                  "a grid has more workgroups than this device "
                                  "can run in one dimension");
    return it->mistake.status == LM_OK;
}

static bool remember_op(lm_recording *it, const lm_dispatch *dispatch)
{
    if (it->n_ops == it->op_room) {
        const size_t room = it->op_room ? it->op_room * 2 : 64;
        lm_recorded_op *larger = realloc(it->ops, room * sizeof *larger);
        if (!larger) {
            lm_recording_fail(it, LM_NO_MEMORY, "out of memory for the list of ops");
            return false;
        }
        it->ops = larger;
        it->op_room = room;
    }
    lm_recorded_op *op = &it->ops[it->n_ops++];
    op->pipeline = dispatch->pipeline;
    op->piece = it->is_list ? 0 : (uint32_t)it->n_pieces - 1;
    op->args_bytes = dispatch->args_bytes;
    memcpy(op->groups, dispatch->groups, sizeof op->groups);
    memcpy(op->args, dispatch->args, dispatch->args_bytes);
    return true;
}

static void timestamp(lm_recording *it, uint32_t index)
{
    if (it->times && index < 2 * MAX_TIMED_OPS)
        it->gpu->vk.vkCmdWriteTimestamp(it->pieces[it->n_pieces - 1],
                                        VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, it->times, index);
}

void lm_recording_dispatch(lm_recording *it, const lm_dispatch *dispatch)
{
    if (it->mistake.status != LM_OK || !fits(it, dispatch))
        return;
    if (it->is_list) {
        remember_op(it, dispatch);
        return;
    }
    lm_error err = {0};
    const VkPipeline pipeline = lm_pipelines_get(it->gpu->pipelines, &dispatch->pipeline, &err);
    if (!pipeline) {
        it->mistake = err;
        return;
    }
    if (!open_piece(it) || !remember_op(it, dispatch))
        return;
    const bool needed = lm_hazards_add(&it->hazards, dispatch->accesses, dispatch->n_accesses);
    if (needed || !lm_features_on(&it->gpu->adapter.features, LM_FEATURE_FEW_BARRIERS)) {
        compute_barrier(it);
        it->n_barriers++;
    }
    const VkCommandBuffer piece = it->pieces[it->n_pieces - 1];
    const struct VolkDeviceTable *vk = &it->gpu->vk;
    const uint32_t query = 2 * (uint32_t)(it->n_ops - 1);
    if (it->times && query < 2 * MAX_TIMED_OPS)
        vk->vkCmdResetQueryPool(piece, it->times, query, 2);
    timestamp(it, query);
    vk->vkCmdBindPipeline(piece, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    vk->vkCmdPushConstants(piece, it->gpu->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                           dispatch->args_bytes, dispatch->args);
    vk->vkCmdDispatch(piece, dispatch->groups[0], dispatch->groups[1] ? dispatch->groups[1] : 1,
                      dispatch->groups[2] ? dispatch->groups[2] : 1);
    timestamp(it, query + 1);
}

void lm_recording_cut(lm_recording *it)
{
    if (!it->is_open)
        return;
    barrier(it, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
    check(it, it->gpu->vk.vkEndCommandBuffer(it->pieces[it->n_pieces - 1]), "vkEndCommandBuffer");
    it->is_open = false;
}

bool lm_recording_end(lm_recording *it, lm_error *err)
{
    lm_recording_cut(it);
    if (it->mistake.status == LM_OK)
        return true;
    if (err)
        *err = it->mistake;
    return false;
}

void lm_recording_destroy(lm_recording **recording)
{
    lm_recording *it = *recording;
    if (!it)
        return;
    lm_gpu *gpu = it->gpu;
    if (lm_gpu_is_idle(gpu)) {
        if (it->n_pieces > 0)
            gpu->vk.vkFreeCommandBuffers(gpu->handle, gpu->commands, (uint32_t)it->n_pieces,
                                         it->pieces);
        gpu->vk.vkDestroyQueryPool(gpu->handle, it->times, NULL);
    }
    free(it->pieces);
    free(it->ops);
    free(it);
    *recording = NULL;
}

size_t lm_recording_n_pieces(const lm_recording *it)
{
    return it->n_pieces;
}

const VkCommandBuffer *lm_recording_pieces(const lm_recording *it)
{
    return it->pieces;
}

size_t lm_recording_n_ops(const lm_recording *it)
{
    return it->n_ops;
}

size_t lm_recording_n_barriers(const lm_recording *it)
{
    return it->n_barriers;
}

const lm_recorded_op *lm_recording_op(const lm_recording *it, size_t op)
{
    return &it->ops[op];
}

static lm_pipeline_key *copy_keys(const lm_recording *it)
{
    lm_pipeline_key *keys = calloc(it->n_ops + 1, sizeof *keys);
    for (size_t i = 0; keys && i < it->n_ops; i++)
        keys[i] = it->ops[i].pipeline;
    return keys;
}

void lm_recording_prepare(const lm_recording *it)
{
    lm_pipeline_key *keys = copy_keys(it);
    if (keys) // without memory they are compiled when they are needed
        lm_pipelines_prepare(it->gpu->pipelines, keys, it->n_ops);
    free(keys);
}

bool lm_recording_is_prepared(const lm_recording *it)
{
    lm_pipeline_key *keys = copy_keys(it);
    const bool is = !keys || lm_pipelines_are_prepared(it->gpu->pipelines, keys, it->n_ops);
    free(keys);
    return is;
}

bool lm_recording_times(lm_recording *it, uint64_t *ns, lm_error *err)
{
    return lm_recording_spans(it, NULL, ns, err);
}

bool lm_recording_spans(lm_recording *it, uint64_t *start_ns, uint64_t *ns, lm_error *err)
{
    uint64_t first = 0;
    if (!it->times || it->n_ops > MAX_TIMED_OPS)
        return lm_fail(err, LM_UNSUPPORTED, "ops were not timed on this device");
    const double period = (double)it->gpu->adapter.properties.limits.timestampPeriod;
    for (size_t i = 0; i < it->n_ops; i++) {
        uint64_t ticks[2];
        if (!lm_gpu_check(it->gpu,
                          it->gpu->vk.vkGetQueryPoolResults(it->gpu->handle, it->times,
                                                            2 * (uint32_t)i, 2, sizeof ticks, ticks,
                                                            sizeof *ticks, VK_QUERY_RESULT_64_BIT),
                          "vkGetQueryPoolResults", err))
            return false;
        first = i == 0 ? ticks[0] : first;
        if (start_ns)
            start_ns[i] = ticks[0] > first ? (uint64_t)((double)(ticks[0] - first) * period) : 0;
        ns[i] = ticks[1] > ticks[0] ? (uint64_t)((double)(ticks[1] - ticks[0]) * period) : 0;
    }
    return true;
}

bool lm_recording_run(lm_recording *it, lm_error *err)
{
    const lm_batch batch = {it->pieces, (uint32_t)it->n_pieces};
    uint64_t value = 0;
    return lm_gpu_submit(it->gpu, &batch, 1, &value, err) && lm_gpu_wait(it->gpu, value, err);
}
