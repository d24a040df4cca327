// Reductions over a workgroup, in an order that depends on nothing but its size.

shared float reduce_parts[64];

// The sum of `value` over the workgroup, for every thread of it. Call in uniform control flow.
float workgroup_sum(float value)
{
    const float sum = subgroupAdd(value);
    const uint n_parts = GROUP_SIZE / SUBGROUP_SIZE;
    if (n_parts == 1)
        return sum;
    if (subgroupElect())
        reduce_parts[gl_SubgroupID] = sum;
    barrier();
    float total = 0.0;
    for (uint i = 0; i < n_parts; i++)
        total += reduce_parts[i];
    barrier();
    return total;
}
