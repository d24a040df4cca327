// Tuning in the words of lm.h: which products a model has, and what is told.

#include "lm_tune.h"

#include "gen/objects.h"

#include "base/clock.h"
#include "selftest/case.h"
#include "selftest/tuner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PRODUCTS 128

// The products to measure, one of each class.
struct products {
    lm_tuned_product all[MAX_PRODUCTS];
    size_t n;
};

static lm_storage storage_of(lm_format format)
{
    for (lm_storage storage = 0; storage < LM_STORAGE_COUNT; storage++)
        if (lm_case_format(storage) == format)
            return storage;
    return LM_STORAGE_F32;
}

static void add(struct products *it, const lm_tuned_product *product)
{
    const lm_tuning_key key = lm_tuned_key(product);
    for (size_t i = 0; i < it->n; i++) {
        const lm_tuning_key other = lm_tuned_key(&it->all[i]);
        if (memcmp(&key, &other, sizeof key) == 0)
            return;
    }
    if (it->n < MAX_PRODUCTS)
        it->all[it->n++] = *product;
}

// The largest of a class speaks for it: there the time is.
static int by_size(const void *left, const void *right)
{
    const lm_tuned_product *a = left, *b = right;
    const uint64_t of_a = (uint64_t)a->n_rows * a->n_cols;
    const uint64_t of_b = (uint64_t)b->n_rows * b->n_cols;
    return of_a < of_b ? 1 : of_a > of_b ? -1 : 0;
}

static bool list_products(struct products *it, const lm_opened *opened, lm_error *err)
{
    const size_t n_tensors = lm_source_n_tensors(opened->source);
    lm_tuned_product *all = calloc(n_tensors + 1, sizeof *all);
    if (!all)
        return lm_fail(err, LM_NO_MEMORY, "out of memory listing what to measure");
    size_t n = 0;
    for (size_t i = 0; i < n_tensors; i++) {
        const lm_tensor_info *info = lm_source_tensor(opened->source, i);
        const bool is_read = info->kind != LM_TENSOR_TOKEN_EMBD || opened->config.tied;
        if (is_read && !lm_tensor_is_vector(info->kind))
            all[n++] = (lm_tuned_product){LM_TUNED_MATVEC, storage_of(info->format), info->n_rows,
                                          info->n_cols, 1};
    }
    qsort(all, n, sizeof *all, by_size);
    for (size_t i = 0; i < n; i++)
        add(it, &all[i]);
    free(all);
    return true;
}

static void tell(const lm_tuned_product *product, const lm_tuner_finding *finding,
                 lm_tune_item *item)
{
    *item = (lm_tune_item){.is_built_in = finding->is_built_in,
                           .n_tried = finding->n_tried,
                           .n_wrong = finding->n_wrong,
                           .n_failed = finding->n_failed,
                           .built_in_ns = finding->built_in_ns,
                           .best_ns = finding->best_ns};
    lm_tuner_name(product, item->what, sizeof item->what);
    snprintf(item->variant, sizeof item->variant, "%s", finding->variant);
}

static bool measure(lm_device *device, const lm_tune_params *params, const struct products *list,
                    lm_tuning *found, lm_tune_report *report, lm_error *err)
{
    for (size_t i = 0; i < list->n; i++) {
        lm_tuner_finding finding;
        if (params->progress && !params->progress(params->progress_user, i, list->n))
            return lm_fail(err, LM_CANCELLED, "tuning was cancelled");
        if (!lm_tuner_measure(device->gpu, &list->all[i], params->max_variants, &finding, err))
            return false;
        tell(&list->all[i], &finding, &report->items[report->n_items++]);
        report->n_changed += !finding.is_built_in;
        if (finding.best_ns > 0) // also what is built in, in place of what was found before
            lm_tuning_put(found, &finding.entry);
    }
    return true;
}

// The file has the new table, and then the device.
static bool keep(lm_device *device, const lm_tune_params *params, const lm_tuning *found,
                 lm_tune_report *report, lm_error *err)
{
    lm_tuning *table = lm_gpu_tuning(device->gpu);
    if (params->cache_dir) {
        const lm_device_stamp stamp = lm_tuning_stamp_of(device->gpu);
        char *path = lm_tuning_path(params->cache_dir, &stamp);
        const bool ok = path ? lm_tuning_save(found, path, &stamp, err)
                             : lm_fail(err, LM_NO_MEMORY, "out of memory for the tuning table");
        snprintf(report->path, sizeof report->path, "%s", ok ? path : "");
        free(path);
        if (!ok)
            return false;
    }
    for (size_t i = 0; lm_tuning_at(found, i); i++)
        lm_tuning_put(table, lm_tuning_at(found, i));
    report->table_hash = lm_tuning_hash(table);
    return true;
}

lm_tune_report *lm_device_tune(lm_device *device, const lm_tune_params *params, lm_error *err)
{
    const uint64_t start_ns = lm_clock_ns();
    struct products list = {0};
    lm_opened opened;
    if (!lm_device_is_sound(device, err) || !lm_opened_init(&opened, params->model, err))
        return NULL;
    bool ok = list_products(&list, &opened, err);
    lm_opened_finish(&opened);
    lm_tuning *found = lm_tuning_create(err);
    lm_tune_report *report = calloc(1, sizeof *report);
    if (report)
        report->items = calloc(MAX_PRODUCTS, sizeof *report->items);
    if (!report || !report->items)
        ok = lm_fail(err, LM_NO_MEMORY, "out of memory for the report of tuning");
    ok = ok && found && measure(device, params, &list, found, report, err) &&
         keep(device, params, found, report, err);
    lm_tuning_destroy(&found);
    if (!ok) {
        lm_tune_report_destroy(&report);
        return NULL;
    }
    report->ns = lm_clock_ns() - start_ns;
    return report;
}

void lm_tune_report_destroy(lm_tune_report **report)
{
    if (!*report)
        return;
    free((*report)->items);
    free(*report);
    *report = NULL;
}

uint64_t lm_device_tuning_hash(const lm_device *device)
{
    return lm_tuning_hash(lm_gpu_tuning(device->gpu));
}
