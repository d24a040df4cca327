#include "selftest/tuner.h"

#include "base/clock.h"
#include "gpu/memory.h"
#include "interface/step.h"
#include "interface/weights.h"
#include "model/quantize.h"
#include "model/synth_blocks.h"
#include "ops/ops.h"
#include "selftest/case.h"
#include "selftest/trial.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS          12
#define ROUNDS_SOFTWARE 4

// Read by one run: more than the last cache of a GPU, and of a processor of few cores.
#define STREAM_BYTES          ((uint64_t)384 << 20)
#define STREAM_SOFTWARE_BYTES ((uint64_t)48 << 20)
#define MAX_COPIES            32

#define FILE_ROWS 80 // repeated down the matrix; no power of two, so that a wrong row is seen

// Sums of the same products in another order, as in case_weights.c.
#define LIMIT 1e-5

// A variant is taken that is so much faster, in thousandths; less is noise.
#define GAIN 1030u

#define ALIGN 256u

// What one product is measured on. The host sees all but the weights.
struct bench {
    lm_gpu *gpu;
    const lm_tuned_product *product;
    uint32_t tile;                 // tokens that lie together in x
    lm_buffer *copies[MAX_COPIES]; // owned
    uint32_t n_copies;
    lm_buffer *host; // owned: the step at its beginning, then
    uint64_t x, y;   // places in it
    uint64_t y_bytes;
    float *want; // owned, [y_bytes / 4]: what the built-in variant gives
};

struct running {
    lm_recording *recording; // owned
    uint64_t best_ns;        // of one product
    bool is_right;
};

struct list {
    lm_tuned_variant variants[LM_TUNED_VARIANTS];
    struct running running[LM_TUNED_VARIANTS];
    size_t n;
};

static lm_matrix matrix_at(const struct bench *it, uint32_t copy)
{
    const lm_tuned_product *p = it->product;
    return (lm_matrix){lm_buffer_address(it->copies[copy]), p->storage, p->n_rows, p->n_cols};
}

static uint64_t aligned(uint64_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

// ---- memory ------------------------------------------------------------------------------------

static uint64_t row_bytes_of(const lm_tuned_product *p)
{
    const lm_format format = lm_case_format(p->storage);
    return (uint64_t)p->n_cols / lm_format_block_weights(format) * lm_format_block_bytes(format);
}

static bool make_rows(const lm_tuned_product *p, void *rows, lm_error *err)
{
    const lm_format format = lm_case_format(p->storage);
    const uint64_t row_bytes = row_bytes_of(p);
    const uint32_t n_blocks = p->n_cols / lm_format_block_weights(format);
    lm_trial random = {.random = 17};
    float *values = calloc(p->n_cols, sizeof *values);
    if (!values)
        return lm_fail(err, LM_NO_MEMORY, "out of memory for rows to measure with");
    lm_synth_blocks blocks;
    const bool is_drawn = lm_synth_blocks_cover(format); // quantising well takes long
    if (is_drawn)
        lm_synth_blocks_init(&blocks, format, p->n_cols);
    for (uint32_t r = 0; r < FILE_ROWS; r++) {
        unsigned char *row = (unsigned char *)rows + r * row_bytes;
        lm_trial_fill(&random, values, p->n_cols, -0.5f, 1.5f);
        if (is_drawn)
            lm_synth_blocks_make(&blocks, 1, (uint64_t)r * n_blocks, n_blocks, row);
        else
            lm_quantize_row(format, values, p->n_cols, row);
    }
    free(values);
    return true;
}

static bool lay_out(const struct bench *it, const lm_buffer *rows, lm_error *err)
{
    const lm_tuned_product *p = it->product;
    lm_recording *rec = lm_recording_begin(it->gpu, "weights to measure with", err);
    if (!rec)
        return false;
    for (uint32_t i = 0; i < it->n_copies; i++) {
        for (uint32_t row = 0; row < p->n_rows; row += FILE_ROWS) {
            const uint32_t left = p->n_rows - row;
            lm_op_relayout(rec, &(lm_relayout){.from = lm_buffer_address(rows),
                                               .to = matrix_at(it, i),
                                               .row_begin = row,
                                               .n_rows = left < FILE_ROWS ? left : FILE_ROWS,
                                               .row_bytes = (uint32_t)row_bytes_of(p)});
        }
        lm_recording_cut(rec);
    }
    const bool ok = lm_recording_end(rec, err) && lm_recording_run(rec, err);
    lm_recording_destroy(&rec);
    return ok;
}

static bool create_weights(struct bench *it, lm_error *err)
{
    const lm_tuned_product *p = it->product;
    const uint64_t bytes = lm_matrix_bytes(p->storage, p->n_rows, p->n_cols);
    const uint64_t wanted = lm_gpu_is_software(it->gpu) ? STREAM_SOFTWARE_BYTES : STREAM_BYTES;
    const lm_buffer_params params = {"weights to measure with", bytes, LM_MEMORY_DEVICE};
    const lm_buffer_params staging = {"rows to measure with", FILE_ROWS * row_bytes_of(p) + 16,
                                      LM_MEMORY_SHARED};
    while (it->n_copies < MAX_COPIES && (it->n_copies == 0 || it->n_copies * bytes < wanted)) {
        lm_buffer **copy = &it->copies[it->n_copies];
        *copy = lm_buffer_create(it->gpu, &params, err);
        if (!*copy)
            return false;
        it->n_copies++;
    }
    lm_buffer *rows = lm_buffer_create(it->gpu, &staging, err);
    const bool ok = rows && make_rows(p, lm_buffer_map(rows), err) && lay_out(it, rows, err);
    lm_buffer_destroy(&rows);
    return ok;
}

static bool create_host(struct bench *it, lm_error *err)
{
    const lm_tuned_product *p = it->product;
    const struct step_state state = {.n_tokens = p->n_tokens, .n_held = p->n_tokens};
    const uint64_t n_x = ((uint64_t)p->n_tokens + it->tile - 1) / it->tile * it->tile;
    it->x = aligned(sizeof state);
    it->y = it->x + aligned(n_x * p->n_cols * 4);
    it->y_bytes = (uint64_t)p->n_tokens * p->n_rows * 4;
    const lm_buffer_params params = {"activations to measure with", it->y + aligned(it->y_bytes),
                                     LM_MEMORY_SHARED};
    it->host = lm_buffer_create(it->gpu, &params, err);
    if (!it->host)
        return false;
    it->want = malloc((size_t)it->y_bytes);
    if (!it->want)
        return lm_fail(err, LM_NO_MEMORY, "out of memory for what is wanted");
    char *map = lm_buffer_map(it->host);
    lm_trial random = {.random = 23};
    memcpy(map, &state, sizeof state);
    lm_trial_fill(&random, (float *)(map + it->x), (size_t)(n_x * p->n_cols), -0.5f, 1.5f);
    return true;
}

static void bench_finish(struct bench *it)
{
    for (uint32_t i = 0; i < it->n_copies; i++)
        lm_buffer_destroy(&it->copies[i]);
    lm_buffer_destroy(&it->host);
    free(it->want);
}

// ---- runs --------------------------------------------------------------------------------------

static void record(const struct bench *it, lm_recording *rec)
{
    const lm_tuned_product *p = it->product;
    const uint64_t at = lm_buffer_address(it->host);
    for (uint32_t i = 0; i < it->n_copies; i++)
        if (p->op == LM_TUNED_MATVEC)
            lm_op_matvec(rec, &(lm_matvec){.weights = matrix_at(it, i),
                                           .x = at + it->x,
                                           .y = at + it->y,
                                           .step = at});
        else
            lm_op_matmul(rec, &(lm_matmul){.weights = matrix_at(it, i),
                                           .x = at + it->x,
                                           .y = at + it->y,
                                           .step = at,
                                           .n_tokens = p->n_tokens,
                                           .tile = it->tile});
}

static bool run(const struct bench *it, struct running *running, lm_error *err)
{
    const uint64_t start_ns = lm_clock_ns();
    if (!lm_recording_run(running->recording, err))
        return false;
    const uint64_t ns = (lm_clock_ns() - start_ns) / it->n_copies + 1;
    if (running->best_ns == 0 || ns < running->best_ns)
        running->best_ns = ns;
    return true;
}

// Records a variant and runs it for the first time. The first of all is what the others must give.
static bool begin(struct bench *it, const lm_tuned_variant *variant, bool is_first,
                  struct running *running, lm_error *err)
{
    lm_tuning *table = lm_gpu_tuning(it->gpu);
    float *y = (float *)((char *)lm_buffer_map(it->host) + it->y);
    const size_t n = (size_t)it->y_bytes / sizeof *y;
    memset(y, 0xff, (size_t)it->y_bytes); // NaN: what is not written is not right
    running->recording = lm_recording_begin(it->gpu, "a variant", err);
    if (!running->recording)
        return false;
    lm_tuning_force(table, it->product->op, variant->words);
    record(it, running->recording);
    lm_tuning_force(table, it->product->op, NULL);
    if (!lm_recording_end(running->recording, err) || !run(it, running, err))
        return false;
    running->best_ns = 0; // drivers compile in the first run, too
    if (is_first)
        memcpy(it->want, y, (size_t)it->y_bytes);
    running->is_right = lm_trial_is_close(y, it->want, n, LIMIT);
    return running->is_right || !is_first ||
           lm_fail(err, LM_UNSUPPORTED, "the device gives no numbers: run lemnos doctor");
}

// ---- the choice --------------------------------------------------------------------------------

static void conclude(const struct bench *it, const struct list *list, lm_tuner_finding *finding)
{
    size_t best = 0;
    for (size_t i = 1; i < list->n; i++)
        if (list->running[i].is_right && list->running[i].best_ns < list->running[best].best_ns)
            best = i;
    const uint64_t built_in_ns = list->running[0].best_ns;
    if (built_in_ns * 1000 < list->running[best].best_ns * GAIN)
        best = 0;
    finding->is_built_in = best == 0;
    finding->built_in_ns = built_in_ns;
    finding->best_ns = list->running[best].best_ns;
    finding->entry.gain = (uint32_t)(built_in_ns * 1000 / finding->best_ns);
    memcpy(finding->entry.words, list->variants[best].words, sizeof finding->entry.words);
    lm_tuned_describe(it->product, &list->variants[best], finding->variant,
                      sizeof finding->variant);
}

static bool measure(struct bench *it, struct list *list, lm_tuner_finding *finding, lm_error *err)
{
    for (size_t i = 0; i < list->n; i++) {
        lm_error own = {0};
        const bool ok = begin(it, &list->variants[i], i == 0, &list->running[i], &own);
        finding->n_tried++;
        finding->n_failed += !ok;
        finding->n_wrong += ok && !list->running[i].is_right;
        // A variant that the driver refuses is one fewer; the rest is no matter of variants.
        if (!ok && (i == 0 || own.status != LM_UNSUPPORTED)) {
            if (err)
                *err = own;
            return false;
        }
    }
    const int rounds = lm_gpu_is_software(it->gpu) ? ROUNDS_SOFTWARE : ROUNDS;
    // In turns, so that whatever else the machine does meets them all.
    for (int round = 0; round < rounds; round++)
        for (size_t i = 0; i < list->n; i++)
            if (list->running[i].is_right && !run(it, &list->running[i], err))
                return false;
    conclude(it, list, finding);
    return true;
}

void lm_tuner_name(const lm_tuned_product *p, char *text, size_t size)
{
    snprintf(text, size, "%s %s %" PRIu32 " x %" PRIu32 ", %" PRIu32 " token%s",
             p->op == LM_TUNED_MATVEC ? "matvec" : "matmul",
             lm_format_name(lm_case_format(p->storage)), p->n_rows, p->n_cols, p->n_tokens,
             p->n_tokens == 1 ? "" : "s");
}

bool lm_tuner_measure(lm_gpu *gpu, const lm_tuned_product *product, uint32_t max_variants,
                      lm_tuner_finding *finding, lm_error *err)
{
    struct bench it = {
        .gpu = gpu, .product = product, .tile = product->op == LM_TUNED_MATVEC ? 1 : WEIGHT_TILE};
    *finding = (lm_tuner_finding){.is_built_in = true, .entry.key = lm_tuned_key(product)};
    struct list *list = calloc(1, sizeof *list);
    if (!list)
        return lm_fail(err, LM_NO_MEMORY, "out of memory for a list of variants");
    list->n = lm_tuned_variants(gpu, product, list->variants);
    if (max_variants > 0 && list->n > max_variants)
        list->n = max_variants;
    const bool ok = list->n < 2 || (create_weights(&it, err) && create_host(&it, err) &&
                                    measure(&it, list, finding, err));
    for (size_t i = 0; i < list->n; i++)
        lm_recording_destroy(&list->running[i].recording);
    free(list);
    bench_finish(&it);
    char name[96];
    lm_tuner_name(product, name, sizeof name);
    return ok || lm_fail_while(err, "measuring %s", name);
}
