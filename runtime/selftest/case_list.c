// Which cases there are for a model's shapes.
//
// Widths are the model's own, rows and heads as few as show every tile; odd shapes stand around
// the edges of tiles. A case takes few shaders, and those that the model needs anyway: compiling
// is what takes time.

#include "selftest/case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CASES 160

struct list {
    const lm_case_wish *wish;
    lm_case *cases; // owned, [MAX_CASES]
    size_t n;
};

static lm_case *add(struct list *list, const char *op,
                    void (*run)(const lm_case *, lm_trial *, const char **),
                    const lm_case_numbers *numbers)
{
    lm_case *c = &list->cases[list->n < MAX_CASES ? list->n++ : MAX_CASES - 1];
    *c = (lm_case){.op = op, .run = run, .numbers = *numbers};
    c->paths = 1u << LM_FEATURE_HALF_UNPACK | 1u << LM_FEATURE_FEW_BARRIERS;
    if (c->numbers.n_runs == 0)
        c->numbers.n_runs = 1;
    return c;
}

static uint32_t runs(const struct list *list)
{
    return list->wish->n_runs;
}

// ---- weights ------------------------------------------------------------------------------------

static void add_weights(struct list *list, lm_storage storage, uint32_t n_rows, uint32_t n_cols,
                        uint32_t n_tokens, uint32_t n_here)
{
    const lm_format format = lm_case_format(storage);
    const uint32_t block =
        lm_format_block_weights(format) > 1 ? lm_format_block_weights(format) : 32;
    const uint32_t bit = 1u << storage;
    const lm_case_wish *wish = list->wish;
    const lm_case_numbers numbers = {
        .storage = storage,
        .readers = (wish->embed & bit ? LM_READ_EMBED : 0u) |
                   (wish->vector & bit ? LM_READ_VECTOR : 0u) |
                   (wish->tiles & bit ? LM_READ_TILES : 0u),
        .n_rows = n_rows,
        .n_cols = (n_cols + block - 1) / block * block,
        .n_tokens = n_tokens,
        .n_here = n_here,
        .tile = n_tokens <= 8 ? 8 : 16,
        .n_runs = runs(list),
    };
    if (numbers.readers == 0)
        return;
    lm_case *c = add(list, "weights", lm_case_weights, &numbers);
    c->paths |= 1u << LM_FEATURE_UNIFORM_LOADS;
    snprintf(c->what, sizeof c->what, "%s [%u][%u], %u of %u tokens", lm_format_name(format),
             n_rows, numbers.n_cols, n_here, n_tokens);
}

// One format is enough: what unpacks the others is in the cases above, in their own tile.
static void add_matrix_tiles(struct list *list)
{
    lm_storage storage = LM_STORAGE_F16;
    while (storage < LM_STORAGE_COUNT - 1 && !(list->wish->tiles & 1u << storage))
        storage++;
    size_t n_tiles;
    const lm_matmul_tile *tiles = lm_matmul_tiles(&n_tiles);
    for (size_t i = 0; list->wish->matrices && i < n_tiles; i++) {
        const size_t before = list->n;
        const uint32_t n_tokens = tiles[i].tokens + 9;
        add_weights(list, storage, tiles[i].rows + 7, 288, n_tokens, n_tokens - 2);
        if (list->n > before)
            list->cases[list->n - 1].numbers.matrix_tile = (uint32_t)i + 1;
    }
}

static void add_fused(struct list *list, lm_storage storage)
{
    const lm_config *config = list->wish->config;
    const uint32_t block = lm_format_block_weights(lm_case_format(storage));
    const uint32_t step = block > 32 ? block : 32;
    const lm_case_numbers numbers = {
        .storage = storage,
        .n_rows = 2 * config->head_dim,
        .n_cols = (config->n_embd + step - 1) / step * step,
        .pos = 37,
        .head_dim = config->head_dim,
        .kv = list->wish->kv & 1u << LM_KV_F32 ? LM_KV_F32 : LM_KV_F16,
        .n_runs = runs(list),
    };
    if (!list->wish->fused || !(list->wish->vector & 1u << storage))
        return;
    lm_case *c = add(list, "fused", lm_case_fused, &numbers);
    c->paths |= 1u << LM_FEATURE_FUSED;
    c->rope_base = config->rope_base;
    c->rope_factor = config->rope_factor;
    snprintf(c->what, sizeof c->what, "%s [%u][%u]", lm_format_name(lm_case_format(storage)),
             numbers.n_rows, numbers.n_cols);
}

static void add_formats(struct list *list)
{
    const lm_config *config = list->wish->config;
    for (lm_storage storage = 0; storage < LM_STORAGE_COUNT; storage++) {
        add_weights(list, storage, 33, config->n_embd, 16, 16);
        add_fused(list, storage);
        if (!list->wish->many_shapes)
            continue;
        add_weights(list, storage, 17, config->n_ff, 16, 13);
        add_weights(list, storage, 7, 96, 8, 5);
    }
}

// ---- activations --------------------------------------------------------------------------------

static void add_rows(struct list *list)
{
    const lm_case_wish *wish = list->wish;
    const struct {
        uint32_t n_cols, n_tokens, n_here, tile;
    } norms[] = {{wish->config->n_embd, 1, 1, 1},
                 {wish->config->n_embd, 16, 13, 16},
                 {wish->config->n_ff, 8, 7, 8},
                 {33, 1, 1, 1}};
    const size_t n = wish->many_shapes ? 4 : 2;
    for (size_t i = 0; i < n; i++) {
        const lm_case_numbers numbers = {.n_cols = norms[i].n_cols,
                                         .n_tokens = norms[i].n_tokens,
                                         .n_here = norms[i].n_here,
                                         .tile = norms[i].tile,
                                         .n_runs = runs(list)};
        lm_case *c = add(list, "rms_norm", lm_case_rms_norm, &numbers);
        snprintf(c->what, sizeof c->what, "%u of %u tokens of %u", numbers.n_here, numbers.n_tokens,
                 numbers.n_cols);
        lm_case_numbers wide = numbers;
        wide.n_cols = i < 2 ? wish->config->n_ff : numbers.n_cols;
        wide.n_runs = 1;
        c = add(list, "swiglu", lm_case_swiglu, &wide);
        snprintf(c->what, sizeof c->what, "%u of %u tokens of %u", wide.n_here, wide.n_tokens,
                 wide.n_cols);
    }
    const lm_case_numbers chain = {
        .n_cols = wish->config->n_embd, .n_tokens = 4, .n_runs = runs(list)};
    lm_case *c = add(list, "barriers", lm_case_barriers, &chain);
    c->needs = "rms_norm";
    snprintf(c->what, sizeof c->what, "a chain of norms of %u", chain.n_cols);
}

static void add_moves(struct list *list)
{
    const lm_case_numbers copy = {.n_cols = 4 * 1031};
    snprintf(add(list, "copy", lm_case_copy, &copy)->what, sizeof(lm_case){0}.what, "%u words",
             copy.n_cols);
    const lm_case_numbers begin = {
        .pos = 17, .n_tokens = 63, .n_vocab = list->wish->config->n_vocab};
    snprintf(add(list, "step_begin", lm_case_step_begin, &begin)->what, sizeof(lm_case){0}.what,
             "%u tokens", begin.n_tokens);
}

static void add_groups(struct list *list)
{
    // Few repetitions are wished for on a software device, which runs few workgroups at once.
    const lm_case_numbers numbers = {
        .n_rows = runs(list) < 100 ? 4 : 32, .n_splits = 16, .n_runs = runs(list)};
    lm_case *c = add(list, "last_group", lm_case_last_group, &numbers);
    c->paths = 1u << LM_FEATURE_LAST_GROUP;
    snprintf(c->what, sizeof c->what, "%u times %u workgroups", numbers.n_rows, numbers.n_splits);
}

// ---- attention ----------------------------------------------------------------------------------

static void describe_heads(lm_case *c)
{
    const lm_case_numbers *n = &c->numbers;
    snprintf(c->what, sizeof c->what, "%u of %u tokens at %u, %u/%u heads of %u, %s%s%s", n->n_here,
             n->n_tokens, n->pos, n->n_head, n->n_head_kv, n->head_dim,
             lm_kv_type_name((lm_kv_type)n->kv), n->has_bias ? ", biases" : "",
             n->n_splits > 1 ? ", split" : "");
}

static void add_heads(struct list *list, lm_kv_type kv)
{
    const lm_config *config = list->wish->config;
    const uint32_t ratio = config->n_head / config->n_head_kv;
    const uint32_t n_head_kv = config->n_head_kv < 2 ? 1 : 2;
    const lm_case_numbers base = {.n_head = ratio * n_head_kv,
                                  .n_head_kv = n_head_kv,
                                  .head_dim = config->head_dim,
                                  .kv = kv,
                                  .n_splits = 1,
                                  .n_runs = runs(list)};
    // Decoding, and prefill; then decoding with the keys split, and a step of few tokens.
    const struct {
        uint32_t pos, n_tokens, n_here, tile, n_splits;
    } steps[] = {{201, 1, 1, 1, 1}, {63, 16, 13, 16, 1}, {300, 1, 1, 1, 5}, {130, 8, 5, 8, 2}};
    const size_t n = list->wish->many_shapes ? 4 : 3;
    for (size_t i = 0; i < n; i++) {
        lm_case_numbers numbers = base;
        numbers.pos = steps[i].pos;
        numbers.n_tokens = steps[i].n_tokens;
        numbers.n_here = steps[i].n_here;
        numbers.tile = steps[i].tile;
        numbers.n_splits = steps[i].n_splits;
        lm_case *c = numbers.n_splits > 1
                         ? add(list, "attention_merge", lm_case_attention, &numbers)
                         : add(list, "attention", lm_case_attention, &numbers);
        c->needs = numbers.n_splits > 1 ? "attention" : NULL;
        c->paths |= numbers.n_splits > 1 ? 1u << LM_FEATURE_LAST_GROUP : 0;
        describe_heads(c);
        if (numbers.n_splits > 1)
            continue;
        numbers.n_runs = 1;
        numbers.has_bias = config->qkv_bias || (list->wish->many_shapes && i == 1);
        c = add(list, "rope_store", lm_case_rope_store, &numbers);
        c->rope_base = config->rope_base;
        c->rope_factor = config->rope_factor;
        describe_heads(c);
    }
}

static void add_draws(struct list *list)
{
    const lm_case_numbers numbers = {.n_vocab = list->wish->config->n_vocab, .n_runs = runs(list)};
    add(list, "argmax", lm_case_argmax, &numbers);
    add(list, "draw_greedy", lm_case_draw_greedy, &numbers)->needs = "argmax";
    const size_t first = list->n - 2;
    if (list->wish->drafts) {
        add(list, "draft_begin", lm_case_draft_begin, &numbers);
        add(list, "draft_judge", lm_case_draft_judge, &numbers);
        add(list, "draft_end", lm_case_draft_end, &numbers);
    }
    if (list->wish->sampling)
        add(list, "sample", lm_case_sample, &numbers)->needs = "argmax";
    for (size_t i = first; i < list->n; i++)
        snprintf(list->cases[i].what, sizeof list->cases[i].what, "a vocabulary of %u",
                 numbers.n_vocab);
}

bool lm_case_list(const lm_case_wish *wish, lm_case **cases, size_t *n, lm_error *err)
{
    struct list list = {.wish = wish, .cases = calloc(MAX_CASES, sizeof *list.cases)};
    if (!list.cases)
        return lm_fail(err, LM_NO_MEMORY, "out of memory listing the cases of the self-test");
    add_moves(&list);
    add_formats(&list);
    add_matrix_tiles(&list);
    add_rows(&list);
    add_groups(&list);
    for (lm_kv_type kv = 0; kv < LM_KV_TYPE_COUNT; kv++)
        if (wish->kv & 1u << kv)
            add_heads(&list, kv);
    add_draws(&list);
    *cases = list.cases;
    *n = list.n;
    return true;
}
