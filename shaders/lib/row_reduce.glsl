// Reductions over ROW_THREADS neighbouring threads, a power of two; the module defines it.

shared float row_parts[GROUP_SIZE / SUBGROUP_SIZE];

// The maximum or the sum over a row's threads, for each of them: first within subgroups, then
// across. Call in uniform control flow.
float row_reduce(float value, bool is_max)
{
    for (uint lanes = 1; lanes < min(ROW_THREADS, SUBGROUP_SIZE); lanes *= 2) {
        const float other = subgroupShuffleXor(value, lanes);
        value = is_max ? max(value, other) : value + other;
    }
    if (ROW_THREADS <= SUBGROUP_SIZE)
        return value;
    const uint me = gl_LocalInvocationID.x;
    barrier();
    if (me % SUBGROUP_SIZE == 0)
        row_parts[me / SUBGROUP_SIZE] = value;
    barrier();
    const uint n = ROW_THREADS / SUBGROUP_SIZE;
    const uint first = me / ROW_THREADS * n;
    float total = row_parts[first];
    for (uint i = 1; i < n; i++)
        total = is_max ? max(total, row_parts[first + i]) : total + row_parts[first + i];
    return total;
}
