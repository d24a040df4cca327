#include "check/checker.h"

#include "check/rules.h"
#include "model/forward.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A family of modules: those with this name, and with this name and a format.
struct rule {
    const char *name;
    void (*check)(lm_check *);
    bool has_weights; // its first argument is a matrix
};

static const struct rule RULES[] = {
    {"embed", lm_check_embed, true},
    {"rms_norm", lm_check_rms_norm, false},
    {"matvec", lm_check_matvec, true},
    {"matmul_coopmat", lm_check_matmul_coopmat, true}, // before its shorter name
    {"matmul", lm_check_matmul, true},
    {"rope_store", lm_check_rope_store, false},
    {"attention", lm_check_attention, false},
    {"attention_merge", lm_check_attention_merge, false},
    {"swiglu", lm_check_swiglu, false},
    {"step_begin", lm_check_step_begin, false},
    {"argmax", lm_check_argmax, false},
    {"draw_greedy", lm_check_draw_greedy, false},
    {"sample_adjust", lm_check_part_of_draw, false},
    {"sample_compact", lm_check_part_of_draw, false},
    {"logprobs", lm_check_part_of_draw, false},
    {"sample_draw", lm_check_sample_draw, false},
    {"draft_begin", lm_check_draft_begin, false},
    {"draft_judge", lm_check_draft_judge, false},
    {"draft_end", lm_check_draft_end, false},
    {"copy", lm_check_copy, false},
};

enum { N_RULES = sizeof RULES / sizeof *RULES };
_Static_assert(N_RULES <= LM_CHECK_FAMILIES, "a family each");

struct lm_checker {
    lm_check check;
    uint32_t n_prefill, n_decode; // steps that are left
    bool (*progress)(void *user, uint64_t n_done, uint64_t n_ops);
    void *progress_user;
    bool knows_layer;
    uint32_t layer;          // of the last tensor that was read
    uint64_t n_steps;        // taken
    uint64_t n_ops[N_RULES]; // that agreed
    double worst[N_RULES];
};

// ---- what runs ----------------------------------------------------------------------------------

static const struct rule *rule_of(lm_module module)
{
    const char *name = lm_spirv_modules[module].name;
    for (size_t i = 0; i < N_RULES; i++) {
        const size_t size = strlen(RULES[i].name);
        if (strncmp(name, RULES[i].name, size) != 0)
            continue;
        if (name[size] == 0 || (RULES[i].has_weights && name[size] == '_'))
            return &RULES[i];
    }
    return NULL;
}

// The tensor that the op reads, and with it the layer. Its address is the first argument, of a norm
// the second.
static void find_tensor(lm_checker *it, const lm_recorded_op *op)
{
    lm_check *c = &it->check;
    c->has_tensor = false;
    for (size_t i = 0; i < 2 && !c->has_tensor; i++) {
        uint64_t address;
        memcpy(&address, op->args + i * sizeof address, sizeof address);
        c->has_tensor = lm_weights_find(c->weights, address, &c->tensor);
    }
    if (!c->has_tensor)
        return;
    c->info = *lm_source_tensor(c->source, c->tensor);
    it->knows_layer = c->info.kind != LM_TENSOR_TOKEN_EMBD && c->info.kind != LM_TENSOR_OUTPUT &&
                      c->info.kind != LM_TENSOR_OUTPUT_NORM;
    it->layer = c->info.layer;
}

// "layer 3, matvec_q8_0 of blk.3.attn_q.weight".
static void name_op(const lm_checker *it, const lm_recorded_op *op, char *text, size_t size)
{
    char layer[24] = "", tensor[64] = "", of[72] = "";
    if (it->check.has_tensor) {
        lm_tensor_name(it->check.info.kind, it->check.info.layer, tensor, sizeof tensor);
        snprintf(of, sizeof of, " of %s", tensor);
    }
    if (it->knows_layer)
        snprintf(layer, sizeof layer, "layer %" PRIu32 ", ", it->layer);
    snprintf(text, size, "%s%s%s", layer, lm_spirv_modules[op->pipeline.module].name, of);
}

// "y [1][2048] at row 0, column 17".
static void name_place(const lm_bench_finding *f, char *text, size_t size)
{
    snprintf(text, size, "%s [%" PRIu64 "][%" PRIu64 "] at row %" PRIu64 ", column %" PRIu64,
             f->operand, f->rows, f->columns, f->row, f->column);
}

// Of a product the columns of y are the rows of the weights.
static const char *remark(lm_checker *it, const lm_recorded_op *op)
{
    const struct rule *rule = rule_of(op->pipeline.module);
    lm_check_weights weights = LM_CHECK_WEIGHTS_UNKNOWN;
    if (rule->check == lm_check_matvec || rule->check == lm_check_matmul ||
        rule->check == lm_check_matmul_coopmat)
        weights = lm_check_laid(&it->check, (uint32_t)it->check.bench.wrong.column);
    return weights == LM_CHECK_WEIGHTS_OTHER  ? ", and the weights on the device are not the file's"
           : weights == LM_CHECK_WEIGHTS_SAME ? ", and the weights on the device are the file's"
                                              : "";
}

static bool fail_wrong(lm_checker *it, const lm_recorded_op *op, lm_error *err)
{
    char name[128], place[128];
    const lm_bench *b = &it->check.bench;
    const lm_bench_finding *f = &b->wrong;
    name_op(it, op, name, sizeof name);
    name_place(f, place, sizeof place);
    if (!f->is_number)
        return lm_fail(err, LM_WRONG_RESULT,
                       "%s: %s is %08" PRIx32 " on the device and %08" PRIx32
                       " on the host; %" PRIu64 " of %" PRIu64 " values differ",
                       name, place, (uint32_t)f->device, (uint32_t)f->host, b->n_wrong,
                       b->n_compared);
    return lm_fail(err, LM_WRONG_RESULT,
                   "%s: %s is %.7g on the device and %.7g on the host, which differ by %.2g where "
                   "%.2g may be; %" PRIu64 " of %" PRIu64 " values differ%s",
                   name, place, f->device, f->host, fabs(f->device - f->host), f->tolerance,
                   b->n_wrong, b->n_compared, remark(it, op));
}

static bool fail_bad(const lm_checker *it, const lm_recorded_op *op, lm_error *err)
{
    char name[128], place[128];
    name_op(it, op, name, sizeof name);
    name_place(&it->check.bench.bad, place, sizeof place);
    return lm_fail(err, LM_BAD_FILE,
                   "%s: %s is %g on the device and on the host: the first number that is not "
                   "finite, and not the device's fault",
                   name, place, it->check.bench.bad.device);
}

static bool run_op(lm_checker *it, const lm_recorded_op *op, lm_error *err)
{
    char name[128];
    lm_bench *b = &it->check.bench;
    const struct rule *rule = rule_of(op->pipeline.module);
    lm_bench_begin(b, op);
    find_tensor(it, op);
    name_op(it, op, name, sizeof name);
    if (!rule || (rule->has_weights && !it->check.has_tensor))
        return lm_fail(err, LM_UNSUPPORTED, "%s cannot be checked", name);
    rule->check(&it->check);
    if (!lm_bench_goes_on(b)) {
        if (err)
            *err = b->trouble;
        return lm_fail_while(err, "checking %s", name);
    }
    if (b->wrong.operand)
        return fail_wrong(it, op, err);
    if (b->bad.operand)
        return fail_bad(it, op, err);
    if (rule->check == lm_check_part_of_draw)
        return true;
    const size_t i = (size_t)(rule - RULES);
    it->n_ops[i]++;
    it->worst[i] = fmax(it->worst[i], b->worst);
    return true;
}

bool lm_checker_run(lm_checker *it, const lm_recording *recording, size_t from, size_t to,
                    uint32_t max_tokens, lm_error *err)
{
    const size_t n_ops = lm_recording_n_ops(recording);
    it->check.max_tokens = max_tokens;
    it->knows_layer = false;
    for (size_t i = 0; i < n_ops; i++) {
        const lm_recorded_op *op = lm_recording_op(recording, i);
        if (op->piece < from || op->piece >= to)
            continue;
        if (!run_op(it, op, err))
            return false;
        if (it->progress && !it->progress(it->progress_user, i + 1, n_ops))
            return lm_fail(err, LM_CANCELLED, "checking was cancelled");
    }
    return true;
}

// ---- what is to be checked ----------------------------------------------------------------------

bool lm_checker_takes_prefill(lm_checker *it)
{
    if (it->n_prefill == 0)
        return false;
    it->n_prefill--;
    it->n_steps++;
    return true;
}

bool lm_checker_takes_decode(lm_checker *it)
{
    if (it->n_decode == 0)
        return false;
    it->n_decode--;
    it->n_steps++;
    return true;
}

bool lm_checker_has_decode(const lm_checker *it)
{
    return it->n_decode > 0;
}

lm_check_report lm_checker_report(const lm_checker *it)
{
    lm_check_report report = {.n_steps = it->n_steps};
    for (size_t i = 0; i < N_RULES; i++) {
        if (it->n_ops[i] == 0)
            continue;
        const uint32_t at = report.n_families++;
        report.families[at].name = RULES[i].name;
        report.families[at].n_ops = it->n_ops[i];
        report.families[at].worst = it->worst[i];
        report.n_ops += it->n_ops[i];
    }
    return report;
}

void lm_checker_set_hook(lm_checker *it, lm_bench_hook hook, void *user)
{
    it->check.bench.hook = hook;
    it->check.bench.hook_user = user;
}

// ---- life ---------------------------------------------------------------------------------------

static bool check_table(lm_checker *it, const lm_checker_params *params, lm_error *err)
{
    lm_bench *b = &it->check.bench;
    const size_t n = (size_t)params->n_ctx * params->config->head_dim;
    lm_bench_begin(b, NULL);
    const float *got = lm_bench_floats(b, params->cos_sin, n);
    float *want = lm_bench_take(b, n * sizeof *want);
    if (!lm_bench_goes_on(b)) {
        if (err)
            *err = b->trouble;
        return false;
    }
    lm_rope_table(params->config, params->n_ctx, want);
    for (size_t i = 0; i < n; i++)
        if (!(got[i] == want[i]))
            return lm_fail(err, LM_WRONG_RESULT,
                           "the table of rotations on the device is wrong: at position %zu it has "
                           "%.7g, not %.7g",
                           i / params->config->head_dim, (double)got[i], (double)want[i]);
    return true;
}

lm_checker *lm_checker_create(const lm_checker_params *params, lm_error *err)
{
    lm_checker *it = calloc(1, sizeof *it);
    if (!it) {
        lm_fail(err, LM_NO_MEMORY, "out of memory for checking");
        return NULL;
    }
    it->check.config = params->config;
    it->check.weights = params->weights;
    it->check.source = params->source;
    it->n_prefill = it->n_decode = params->n_steps;
    it->progress = params->progress;
    it->progress_user = params->progress_user;
    if (lm_bench_init(&it->check.bench, params->gpu, err) &&
        lm_bench_check_copy(&it->check.bench, err) && check_table(it, params, err))
        return it;
    lm_checker_destroy(&it);
    return NULL;
}

void lm_checker_destroy(lm_checker **checker)
{
    lm_checker *it = *checker;
    if (!it)
        return;
    lm_bench_finish(&it->check.bench);
    free(it);
    *checker = NULL;
}
