#include "ops/tuned.h"

#include "interface/weights.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

lm_tuning_key lm_tuned_key(const lm_tuned_product *p)
{
    return (lm_tuning_key){.op = p->op,
                           .storage = p->storage,
                           .rows = lm_tuning_class(p->n_rows),
                           .cols = lm_tuning_class(p->n_cols),
                           .tokens = lm_tuning_class(p->n_tokens)};
}

// ---- matvec ------------------------------------------------------------------------------------

// A GPU has thousands of lanes to keep busy: there, several subgroups share each tile.
static lm_tuned_variant built_in_matvec(const lm_gpu *gpu)
{
    const uint32_t lanes = lm_gpu_limits(gpu)->subgroup_size;
    if (!lm_gpu_is_software(gpu))
        return (lm_tuned_variant){{4, 4}};
    return (lm_tuned_variant){{1, lanes < 64 ? 64 / lanes : 1}};
}

static bool fits_matvec(const lm_gpu *gpu, const lm_tuned_variant *v)
{
    const lm_limits *limits = lm_gpu_limits(gpu);
    const uint64_t share = v->words[0], subgroups = v->words[1];
    return share > 0 && subgroups > 0 && subgroups % share == 0 &&
           subgroups <= limits->group_subgroups &&
           subgroups * limits->subgroup_size <= limits->group_invocations &&
           subgroups * WEIGHT_TILE * 4 <= limits->shared_bytes;
}

// ---- all ---------------------------------------------------------------------------------------

// An op that has one variant alone has no words.
static lm_tuned_variant built_in(const lm_gpu *gpu, lm_tuned_op op)
{
    return op == LM_TUNED_MATVEC ? built_in_matvec(gpu) : (lm_tuned_variant){{0}};
}

lm_tuned_variant lm_tuned_choose(const lm_gpu *gpu, const lm_tuned_product *product)
{
    lm_tuned_variant variant;
    const lm_tuning_key key = lm_tuned_key(product);
    const lm_tuning_entry *entry = lm_tuning_find(lm_gpu_tuning(gpu), &key);
    if (entry) {
        memcpy(variant.words, entry->words, sizeof variant.words);
        if (product->op == LM_TUNED_MATVEC && fits_matvec(gpu, &variant))
            return variant;
    }
    return built_in(gpu, product->op);
}

size_t lm_tuned_variants(const lm_gpu *gpu, const lm_tuned_product *product,
                         lm_tuned_variant variants[LM_TUNED_VARIANTS])
{
    static const uint32_t changes[][2] = {{1, 4}, {4, 4}, {2, 4},  {2, 2}, {1, 1}, {8, 8},
                                          {1, 8}, {2, 8}, {1, 16}, {4, 8}, {1, 2}, {16, 16}};
    size_t n = 0;
    variants[n++] = built_in(gpu, product->op);
    if (product->op != LM_TUNED_MATVEC)
        return n;
    for (size_t i = 0; i < sizeof changes / sizeof *changes && n < LM_TUNED_VARIANTS; i++) {
        const lm_tuned_variant v = {{changes[i][0], changes[i][1]}};
        if (fits_matvec(gpu, &v) && memcmp(&v, &variants[0], sizeof v) != 0)
            variants[n++] = v;
    }
    return n;
}

void lm_tuned_describe(const lm_tuned_product *product, const lm_tuned_variant *variant, char *text,
                       size_t size)
{
    if (product->op != LM_TUNED_MATVEC)
        snprintf(text, size, "the only one");
    else
        snprintf(text, size, "%" PRIu32 " of %" PRIu32 " subgroups a tile", variant->words[0],
                 variant->words[1]);
}
