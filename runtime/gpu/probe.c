#include "gpu/gpu_internal.h"

#include "base/half.h"
#include "gpu/memory.h"
#include "gpu/recording.h"
#include "interface/probe.h"

// Subnormals of both signs, their neighbours among the normals, zeros and large values.
static void fill(uint32_t from[PROBE_VALUES])
{
    for (uint32_t i = 0; i < PROBE_VALUES; i++)
        from[i] = (i * 37u & 0x7ffu) | (i & 1u ? 0x8000u : 0u);
}

bool lm_gpu_probe_half(lm_gpu *gpu, lm_error *err)
{
    if (!lm_features_on(&gpu->adapter.features, LM_FEATURE_HALF_UNPACK))
        return true; // not used, whatever it gives
    const uint64_t bytes = PROBE_VALUES * sizeof(uint32_t);
    const lm_buffer_params params = {"the probe", 2 * bytes, LM_MEMORY_SHARED};
    lm_recording *recording = NULL;
    bool ok = false;
    lm_buffer *buffer = lm_buffer_create(gpu, &params, err);
    if (!buffer)
        goto fail;
    uint32_t *from = lm_buffer_map(buffer);
    fill(from);
    const struct probe_args args = {lm_buffer_address(buffer), lm_buffer_address(buffer) + bytes};
    const lm_access accesses[] = {lm_reads(args.from, bytes), lm_writes(args.to, bytes)};
    recording = lm_recording_begin(gpu, "probe", err);
    if (!recording)
        goto fail;
    lm_recording_dispatch(recording, &(lm_dispatch){
                                         .pipeline = {.module = LM_MODULE_PROBE, .group_size = 64},
                                         .args = &args,
                                         .args_bytes = sizeof args,
                                         .groups = {1},
                                         .accesses = accesses,
                                         .n_accesses = 2,
                                     });
    ok = lm_recording_end(recording, err) && lm_recording_run(recording, err);
    for (uint32_t i = 0; ok && i < PROBE_VALUES; i++)
        if (from[PROBE_VALUES + i] != lm_bits_from_f32(lm_f32_from_f16((uint16_t)from[i])))
            lm_features_turn_off(&gpu->adapter.features, LM_FEATURE_HALF_UNPACK, LM_OFF_SELF_TEST,
                                 "the f16 value 0x%04x is read as the f32 bits 0x%08x",
                                 from[i] & 0xffffu, from[PROBE_VALUES + i]);
fail:
    lm_recording_destroy(&recording);
    lm_buffer_destroy(&buffer);
    return ok;
}
