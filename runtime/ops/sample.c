#include "ops/dispatch.h"
#include "ops/ops.h"

#include "interface/sample.h"

_Static_assert(sizeof(struct sample_adjust_args) == 56, "pushed as it is");
_Static_assert(sizeof(struct sample_compact_args) == 56, "pushed as it is");
_Static_assert(sizeof(struct logprobs_args) == 40, "pushed as it is");
_Static_assert(sizeof(struct sample_draw_args) == 88, "pushed as it is");
_Static_assert(sizeof(struct step_sampling) == 12 * 4 + STEP_BIASES * 8, "scalar layout");
_Static_assert(sizeof(struct logprobs_part) == 8 + STEP_LOGPROBS * 4, "scalar layout");

#define DRAW_GROUP 256 // threads of sample_draw: one for each value of eight bits, if it can be

static uint32_t draw_group(const lm_recording *rec)
{
    const lm_limits *limits = lm_gpu_limits(lm_recording_gpu(rec));
    const uint32_t most = limits->subgroup_size * limits->group_subgroups;
    uint32_t group = DRAW_GROUP;
    while (group > most || group > limits->group_invocations)
        group /= 2;
    return group;
}

#define PER_RANGE_BYTES (SAMPLE_PARTS * 4u)
#define TOLD_BYTES      (SAMPLE_PARTS * (uint32_t)sizeof(struct logprobs_part))

static uint64_t keys_bytes(uint32_t n_vocab)
{
    return (uint64_t)n_vocab * 4;
}

static uint64_t candidates_bytes(uint32_t n_vocab)
{
    return 3 * keys_bytes(n_vocab);
}

// Each is a multiple of 16 bytes.
lm_sample_parts lm_sample_parts_of(uint64_t scratch, uint32_t n_vocab)
{
    const uint64_t candidates = scratch + 2 * PER_RANGE_BYTES + TOLD_BYTES;
    return (lm_sample_parts){
        .largest = scratch,
        .counts = scratch + PER_RANGE_BYTES,
        .told = scratch + 2 * PER_RANGE_BYTES,
        .candidates = candidates,
        .keys = candidates + (candidates_bytes(n_vocab) + 15) / 16 * 16,
    };
}

uint64_t lm_sample_scratch_bytes(uint32_t n_vocab)
{
    return lm_sample_parts_of(0, n_vocab).keys + keys_bytes(n_vocab);
}

static void adjust(lm_recording *rec, const lm_sample *op, const lm_sample_parts *at)
{
    const struct sample_adjust_args args = {
        .logits = op->logits,
        .tokens = op->tokens,
        .inbox = op->inbox,
        .step = op->step,
        .largest = at->largest,
        .keys = at->keys,
        .n_vocab = op->n_vocab,
        .n_ctx = op->n_ctx,
    };
    const lm_access accesses[] = {
        lm_reads(op->logits, (uint64_t)op->n_vocab * 4),
        lm_reads(op->tokens, (uint64_t)op->n_ctx * 4),
        lm_reads(op->inbox, sizeof(struct step_inbox)),
        lm_reads(op->step, sizeof(struct step_state)),
        lm_writes(at->largest, PER_RANGE_BYTES),
        lm_writes(at->keys, keys_bytes(op->n_vocab)),
    };
    lm_recording_dispatch(
        rec, &(lm_dispatch){
                 .pipeline = {.module = LM_MODULE_SAMPLE_ADJUST, .group_size = lm_group_size(rec)},
                 .args = &args,
                 .args_bytes = sizeof args,
                 .groups = {SAMPLE_PARTS},
                 .accesses = accesses,
                 .n_accesses = LM_COUNT(accesses),
             });
}

static void compact(lm_recording *rec, const lm_sample *op, const lm_sample_parts *at)
{
    const struct sample_compact_args args = {
        .largest = at->largest,
        .keys = at->keys,
        .inbox = op->inbox,
        .step = op->step,
        .candidates = at->candidates,
        .counts = at->counts,
        .n_vocab = op->n_vocab,
    };
    const lm_access accesses[] = {
        lm_reads(at->largest, PER_RANGE_BYTES),
        lm_reads(at->keys, keys_bytes(op->n_vocab)),
        lm_reads(op->inbox, sizeof(struct step_inbox)),
        lm_reads(op->step, sizeof(struct step_state)),
        lm_writes(at->candidates, candidates_bytes(op->n_vocab)),
        lm_writes(at->counts, PER_RANGE_BYTES),
    };
    lm_recording_dispatch(
        rec, &(lm_dispatch){
                 .pipeline = {.module = LM_MODULE_SAMPLE_COMPACT, .group_size = lm_group_size(rec)},
                 .args = &args,
                 .args_bytes = sizeof args,
                 .groups = {SAMPLE_PARTS},
                 .accesses = accesses,
                 .n_accesses = LM_COUNT(accesses),
             });
}

static void find_logprobs(lm_recording *rec, const lm_sample *op, const lm_sample_parts *at)
{
    const struct logprobs_args args = {
        .logits = op->logits,
        .inbox = op->inbox,
        .step = op->step,
        .parts = at->told,
        .n_vocab = op->n_vocab,
    };
    const lm_access accesses[] = {
        lm_reads(op->logits, (uint64_t)op->n_vocab * 4),
        lm_reads(op->inbox, sizeof(struct step_inbox)),
        lm_reads(op->step, sizeof(struct step_state)),
        lm_writes(at->told, TOLD_BYTES),
    };
    lm_recording_dispatch(
        rec, &(lm_dispatch){
                 .pipeline = {.module = LM_MODULE_LOGPROBS, .group_size = lm_group_size(rec)},
                 .args = &args,
                 .args_bytes = sizeof args,
                 .groups = {SAMPLE_PARTS},
                 .accesses = accesses,
                 .n_accesses = LM_COUNT(accesses),
             });
}

static void draw(lm_recording *rec, const lm_sample *op, const lm_sample_parts *at)
{
    const struct sample_draw_args args = {
        .logits = op->logits,
        .parts = op->parts,
        .told = at->told,
        .largest = at->largest,
        .counts = at->counts,
        .candidates = at->candidates,
        .inbox = op->inbox,
        .step = op->step,
        .outbox = op->outbox,
        .tokens = op->tokens,
        .n_vocab = op->n_vocab,
        .n_ctx = op->n_ctx,
    };
    const lm_access accesses[] = {
        lm_reads(op->logits, (uint64_t)op->n_vocab * 4),
        lm_reads(op->parts, lm_draw_parts_bytes()),
        lm_reads(at->told, TOLD_BYTES),
        lm_reads(at->largest, PER_RANGE_BYTES),
        lm_reads(at->counts, PER_RANGE_BYTES),
        lm_reads(at->candidates, candidates_bytes(op->n_vocab)),
        lm_reads(op->inbox, sizeof(struct step_inbox)),
        lm_updates(op->step, sizeof(struct step_state)),
        lm_updates(op->outbox, sizeof(struct step_outbox)),
        lm_writes(op->tokens, (uint64_t)op->n_ctx * 4),
    };
    lm_recording_dispatch(
        rec, &(lm_dispatch){
                 .pipeline = {.module = LM_MODULE_SAMPLE_DRAW, .group_size = draw_group(rec)},
                 .args = &args,
                 .args_bytes = sizeof args,
                 .groups = {1},
                 .accesses = accesses,
                 .n_accesses = LM_COUNT(accesses),
             });
}

void lm_op_sample(lm_recording *rec, const lm_sample *op)
{
    const lm_sample_parts at = lm_sample_parts_of(op->scratch, op->n_vocab);
    lm_op_argmax(rec, &(lm_argmax){.logits = op->logits,
                                   .parts = op->parts,
                                   .step = op->step,
                                   .n_vocab = op->n_vocab});
    adjust(rec, op, &at);
    if (op->logprobs)
        find_logprobs(rec, op, &at);
    compact(rec, op, &at);
    draw(rec, op, &at);
}
