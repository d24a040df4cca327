// Whole numbers over a workgroup: exact, so in whatever order. Needs lib/wide.glsl. Call all of it
// in uniform control flow.

shared uvec2 group_parts[64]; // a subgroup has at least 4 threads, a workgroup at most 256

// Threads numbered as the sums below go: by subgroup, then by lane.
uint thread_index()
{
    return gl_SubgroupID * SUBGROUP_SIZE + gl_SubgroupInvocationID;
}

uint workgroup_max(uint value)
{
    const uint most = subgroupMax(value);
    if (subgroupElect())
        group_parts[gl_SubgroupID].x = most;
    barrier();
    uint total = 0;
    for (uint i = 0; i < GROUP_SIZE / SUBGROUP_SIZE; i++)
        total = max(total, group_parts[i].x);
    barrier();
    return total;
}

uint workgroup_min(uint value)
{
    return ~workgroup_max(~value);
}

// The sum of `value` (lib/wide.glsl) over the threads before this one, and over all.
uvec2 workgroup_sum_before(uvec2 value, out uvec2 total)
{
    const uvec2 here = subgroupInclusiveAdd(value);
    if (gl_SubgroupInvocationID == SUBGROUP_SIZE - 1)
        group_parts[gl_SubgroupID] = here;
    barrier();
    uvec2 before = uvec2(0);
    uvec2 all = uvec2(0);
    for (uint i = 0; i < GROUP_SIZE / SUBGROUP_SIZE; i++) {
        before += i < gl_SubgroupID ? group_parts[i] : uvec2(0);
        all += group_parts[i];
    }
    barrier();
    total = wide_carry(all);
    return wide_carry(before + here - value);
}
