// Draws a token from the candidates, appends it and makes the next step, as draw_greedy does. One
// workgroup of 64 to 256 threads, each of which walks a run of candidates: runs follow each other
// in the order of tokens.

#include "interface/sample.h"

layout(push_constant, scalar) uniform Args { sample_draw_args args; };

#include "lib/append.glsl"
#include "lib/candidates.glsl"
#include "lib/ordered.glsl"
#include "lib/philox.glsl"
#include "lib/reduce.glsl"
#include "lib/wide.glsl"

#include "lib/group.glsl"

uint run_begin;
uint run_end;

void find_run(uint me)
{
    const uint n_runs = GROUP_SIZE / SAMPLE_PARTS; // of a range
    const uint range = me / n_runs;
    const uint n = args.counts.at[range];
    const uint length = (n + n_runs - 1) / n_runs;
    run_begin = range * range_width() + min(me % n_runs * length, n);
    run_end = range * range_width() + min((me % n_runs + 1) * length, n);
}

// The sum of the weights (or the number) of this thread's candidates whose key is at least `cut`.
uvec2 run_sum(uint cut)
{
    uvec2 sum = uvec2(0);
    for (uint i = run_begin; i < run_end; i++)
        if (KEY_AT(i) >= cut)
            sum = wide_carry(sum + uvec2(WEIGHT_AT(i), 0));
    return sum;
}

const uint THREAD_BINS = 256 / GROUP_SIZE; // consecutive bins that a thread looks after

shared uint bin_low[256];
shared uint bin_high[256];
shared uint chosen_bin;
shared uvec2 chosen_above;

// The largest key with which the candidates from it on have a sum of at least `target`, which all
// from `cut` on reach: of weights, or their number. Eight bits of the key are found at a time.
uint find_cut(uint cut, uvec2 target, bool by_weight)
{
    const uint me = thread_index();
    const uint first_bin = 255 - me * THREAD_BINS; // sums over threads run from large keys to small
    uint key = 0;
    uint known = 0; // mask of the bits found
    uvec2 above = uvec2(0);
    for (uint shift = 32; shift > 0;) {
        shift -= 8;
        for (uint b = 0; b < THREAD_BINS; b++) {
            bin_low[first_bin - b] = 0;
            bin_high[first_bin - b] = 0;
        }
        barrier();
        for (uint i = run_begin; i < run_end; i++) {
            const uint other = KEY_AT(i);
            if (other < cut || (other & known) != key)
                continue;
            const uint amount = by_weight ? WEIGHT_AT(i) : 1;
            const uint to = other >> shift & 255;
            const uint old = atomicAdd(bin_low[to], amount);
            if (old + amount < old)
                atomicAdd(bin_high[to], 1);
        }
        barrier();
        uvec2 here = uvec2(0);
        for (uint b = 0; b < THREAD_BINS; b++)
            here = wide_carry(here + wide_of(bin_low[first_bin - b], bin_high[first_bin - b]));
        uvec2 total;
        uvec2 upto = wide_carry(above + workgroup_sum_before(here, total));
        for (uint b = 0; b < THREAD_BINS; b++) {
            const uint bin = first_bin - b;
            const uvec2 before = upto;
            upto = wide_carry(upto + wide_of(bin_low[bin], bin_high[bin]));
            if (wide_less(before, target) && !wide_less(upto, target)) {
                chosen_bin = bin;
                chosen_above = before;
            }
        }
        barrier();
        key |= chosen_bin << shift;
        known |= 255u << shift;
        above = chosen_above;
    }
    return key;
}

// The least key that may be drawn, after top-k and top-p.
uint find_cuts()
{
    const uint top_k = args.inbox.inbox.sampling.top_k;
    const uint top_p = args.inbox.inbox.sampling.top_p;
    uint cut = 0;
    uvec2 total;
    if (top_k != 0) {
        workgroup_sum_before(uvec2(run_end - run_begin, 0), total);
        if (wide_less(wide_of(top_k, 0), total))
            cut = find_cut(cut, wide_of(top_k, 0), false);
    }
    if (top_p < STEP_TOP_P_ALL) {
        workgroup_sum_before(run_sum(cut), total);
        const uvec2 share = wide_share(total, top_p);
        cut = find_cut(cut, share == uvec2(0) ? uvec2(1, 0) : share, true);
    }
    return cut;
}

// The least key that min-p leaves.
uint find_floor()
{
    const uint me = thread_index();
    const uint largest = workgroup_max(me < SAMPLE_PARTS ? args.largest.at[me] : 0);
    const float least = value_of(largest) + args.inbox.inbox.sampling.min_gap;
    return min(key_of(least), largest);
}

shared uint chosen;

// For all threads: a token by the random number of this position.
uint draw(uint cut, uint position)
{
    const uvec2 mine = run_sum(cut);
    uvec2 total;
    const uvec2 before = workgroup_sum_before(mine, total);
    const uvec2 seed =
        uvec2(args.inbox.inbox.sampling.seed_low, args.inbox.inbox.sampling.seed_high);
    const uvec4 random = philox(uvec4(position, 0, 0, 0), seed);
    const bool greedy = args.inbox.inbox.sampling.inv_temperature == 0.0;
    const uvec2 target = greedy ? uvec2(0) : wide_at(total, random.xy >> 8);
    if (!wide_less(target, before) && wide_less(target, wide_carry(before + mine))) {
        uvec2 upto = before;
        uint i = run_begin;
        for (; i < run_end; i++) {
            upto = wide_carry(upto + uvec2(KEY_AT(i) >= cut ? WEIGHT_AT(i) : 0, 0));
            if (wide_less(target, upto))
                break;
        }
        chosen = TOKEN_AT(i);
    }
    barrier();
    return chosen;
}

// Tells the host about the token at place `n_out`.
void tell_logprobs(uint token, uint n_out)
{
    const uint me = thread_index();
    const bool has_list = me < SAMPLE_PARTS;
    const float most = has_list ? args.told.at[me].largest : -3.0e38;
    const float largest = value_of(workgroup_max(key_of(most)));
    const float part = has_list ? args.told.at[me].sum * exp(most - largest) : 0.0;
    const float log_sum = log(workgroup_sum(part));
    const uint slot = n_out % STEP_OUT_LOGPROBS;
    const uint n = min(min(args.inbox.inbox.sampling.n_logprobs, STEP_LOGPROBS), args.n_vocab);
    if (me == 0) {
        args.outbox.outbox.logprobs[slot].token = token;
        args.outbox.outbox.logprobs[slot].logprob = args.logits.at[token] - largest - log_sum;
        args.outbox.outbox.logprobs[slot].n_top = n;
    }
    // The lists of the ranges are merged: the first SAMPLE_PARTS threads hold one each.
    uint next = 0;
    for (uint round = 0; round < n; round++) {
        uint first = SAMPLE_NONE;
        if (has_list && next < n)
            first = args.told.at[me].tokens[next];
        const uint token_there = min(first, args.n_vocab - 1);
        const uint key = first != SAMPLE_NONE ? key_of(args.logits.at[token_there]) : 0;
        const uint best = workgroup_max(key);
        const uint winner = workgroup_min(key == best ? first : SAMPLE_NONE);
        next += first == winner ? 1 : 0;
        if (me == 0) {
            args.outbox.outbox.logprobs[slot].top_tokens[round] = winner;
            args.outbox.outbox.logprobs[slot].top_logprobs[round] =
                value_of(best) - largest - log_sum;
        }
    }
}

shared uint bad_count;

// By one thread: counts what is no finite number and hashes all logits, as draw_greedy does.
void take_parts()
{
    uint bad = 0;
    uint low = args.outbox.outbox.hash_low;
    uint high = args.outbox.outbox.hash_high;
    for (uint i = 0; i < ARGMAX_PARTS; i++) {
        // Software devices may load once more behind the last round.
        const uint at = min(i, ARGMAX_PARTS - 1);
        bad += args.parts.at[at].bad_count;
        low = low * 31u + args.parts.at[at].hash_low;
        high = high * 31u + args.parts.at[at].hash_high;
    }
    args.outbox.outbox.hash_low = low;
    args.outbox.outbox.hash_high = high;
    if (bad != 0)
        args.outbox.outbox.bad_count = bad;
    bad_count = bad;
}

void main()
{
    const uint me = thread_index();
    const uint why = args.step.state.stop;
    const uint length = args.step.state.n_held;
    const uint n_out = args.step.state.n_out;
    const uint remaining = args.step.state.remaining;
    barrier(); // all have read what one will write
    if (why != STEP_RUNNING)
        return;
    const bool is_full = remaining == 0 || length >= args.n_ctx;
    if (me == 0 && !is_full)
        take_parts();
    barrier();
    if (is_full || bad_count != 0) {
        if (me == 0)
            stop(is_full ? STEP_STOP_LENGTH : STEP_STOP_NUMBERS);
        return;
    }
    find_run(me);
    const uint token = draw(max(find_cuts(), find_floor()), length);
    if (args.inbox.inbox.sampling.n_logprobs != 0)
        tell_logprobs(token, n_out);
    if (me == 0)
        append_token(token, length);
}
