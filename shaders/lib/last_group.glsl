// The last of several workgroups goes on with what all of them wrote, and no workgroup waits.
//
//     args.parts.at[mine] = ...;                          // through a u32_between_inout
//     if (last_group(args.counters, row, n_parts))        // in all threads, not under a condition
//         ... = args.parts.at[any];                       // through the same pointer
//
// Only where LM_FEATURE_LAST_GROUP is on (runtime/gpu/features.h): there are devices whose caches
// show old values, and the self-test looks for that. Elsewhere a dispatch of its own must go on.
// - What is handed over lies behind a pointer of interface/between.h: f32_between_inout,
//   u32_between_inout. These are `coherent`: others may be answered by a cache of one workgroup.
// - One counter for each set of workgroups, 0 before the first dispatch. The last one sets it back,
//   so that a recording can be replayed. The op declares parts and counters by lm_updates().
// - Which workgroup is the last differs from run to run: add up parts in the order of their number,
//   the own one too and from memory like the others, so that the bits are the same.
// - `n` workgroups must come here, those without work too.

shared bool last_group_is_here;

// True in all threads of the workgroup that is the last of `n` to come here.
bool last_group(u32_between_inout counters, uint which, uint n)
{
    memoryBarrierBuffer(); // what this thread wrote is there for the whole device ...
    barrier();             // ... and so is what the other threads of the workgroup wrote
    if (gl_LocalInvocationID.x == 0) {
        last_group_is_here = atomicAdd(counters.at[which], 1) == n - 1;
        if (last_group_is_here)
            counters.at[which] = 0;
    }
    barrier();
    memoryBarrierBuffer(); // nothing that is read from here on was read before
    return last_group_is_here;
}
