#include "gen/pace.h"

#define SUBMIT_NS 50000000u

// A slow integrated GPU reads 50 GB/s: reasoned, not measured. A step that never ran goes out in
// submits of 2.5 GB of weights then, which last 50 ms there and less elsewhere.
#define GPU_BYTES_PER_US 50000u

// A tenth of a submit there. Each piece is a command buffer, of which a driver takes about one a
// microsecond, and ends in a barrier to the host.
#define GPU_PIECE_BYTES 268435456u

lm_pace lm_pace_of(bool is_software)
{
    return (lm_pace){
        .submit_ns = SUBMIT_NS,
        .bytes_per_us = is_software ? 0 : GPU_BYTES_PER_US,
        .piece_bytes = is_software ? 0 : GPU_PIECE_BYTES,
    };
}

uint64_t lm_pace_guess(const lm_pace *pace, uint64_t bytes, size_t n_pieces)
{
    if (pace->bytes_per_us == 0 || n_pieces == 0)
        return 0;
    return bytes / n_pieces * 1000 / pace->bytes_per_us + 1;
}

size_t lm_pace_take(const lm_pace *pace, const uint64_t *piece_ns, uint64_t guess_ns, size_t from,
                    size_t end, uint64_t *expected_ns)
{
    size_t to = from;
    *expected_ns = 0;
    while (to < end) {
        const uint64_t ns = piece_ns[to] ? piece_ns[to] : guess_ns;
        if (to > from && (ns == 0 || *expected_ns == 0 || *expected_ns + ns > pace->submit_ns))
            break;
        *expected_ns += ns;
        to++;
    }
    return to;
}

uint32_t lm_pace_repeats(const lm_pace *pace, uint64_t step_ns, uint32_t most)
{
    if (step_ns == 0 || step_ns > pace->submit_ns)
        return 0;
    const uint64_t n = pace->submit_ns / step_ns;
    const uint32_t limit = most < LM_PACE_MAX_REPEATS ? most : LM_PACE_MAX_REPEATS;
    return n < limit ? (uint32_t)n : limit;
}
