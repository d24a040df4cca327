#include "bench/result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bench_report_finish(bench_report *report)
{
    for (size_t i = 0; i < report->n_models; i++) {
        bench_model *model = &report->models[i];
        for (size_t j = 0; j < model->n_rows; j++) {
            free(model->rows[j].ns);
            free(model->rows[j].rates);
            free(model->rows[j].ops);
        }
        free(model->rows);
        free(model->label);
    }
    free(report->models);
    *report = (bench_report){0};
}

bool bench_row_counts(const bench_row *row)
{
    return row->kind == BENCH_PREFILL || row->kind == BENCH_DECODE;
}

double bench_kv_bytes(const lm_model_info *info, lm_kv_type kv)
{
    // A block of q8_0 has 32 values and a scale of two bytes.
    const double value = kv == LM_KV_F32 ? 4 : kv == LM_KV_Q8_0 ? 34.0 / 32 : 2;
    return 2.0 * info->n_layer * info->n_head_kv * info->head_dim * value;
}

// A step of decoding reads all weights and the K and V of what was before. Prefill could read the
// weights once for the whole prompt, and K and V once; a device that has to read them more often
// has that much less of a share. Attention multiplies each query head with K and with V.
void bench_row_count(bench_row *row, const bench_model *model)
{
    const lm_model_cost *cost = &model->cost;
    const double n = row->n_tokens, depth = row->depth;
    const double positions = n * depth + n * (n + 1) / 2; // seen by all tokens together
    const double kv = bench_kv_bytes(&model->info, model->kv);
    const double heads = (double)model->info.n_layer * model->info.n_head * model->info.head_dim;
    const double layers = (double)cost->layer_weights, output = (double)cost->output_weights;
    const double weights = (double)cost->layer_bytes + (double)cost->output_bytes;
    if (!bench_row_counts(row))
        return;
    row->flops = 4 * heads * positions;
    if (row->kind == BENCH_DECODE) {
        row->flops += 2 * n * (layers + output);
        row->read_bytes = n * weights + kv * positions;
    } else {
        row->flops += 2 * n * layers + 2 * output;
        row->read_bytes = weights + kv * (depth + n);
    }
}

bench_name bench_row_name(const bench_row *row)
{
    static const char *const others[] = {[BENCH_INFILL] = "infill",
                                         [BENCH_START_COLD] = "start, caches empty",
                                         [BENCH_START_WARM] = "start, caches full"};
    bench_name name;
    if (!bench_row_counts(row)) {
        snprintf(name.text, sizeof name.text, "%s", others[row->kind]);
        return name;
    }
    const int n = snprintf(name.text, sizeof name.text, "%s%u",
                           row->kind == BENCH_PREFILL ? "pp" : "tg", row->n_tokens);
    if (row->depth > 0 && n > 0)
        snprintf(name.text + n, sizeof name.text - (size_t)n, " @ d%u", row->depth);
    return name;
}

double bench_cached_share(const bench_infill *infill)
{
    return infill->prompt_tokens == 0
               ? 0
               : (double)infill->reused_tokens / (double)infill->prompt_tokens;
}

double bench_row_bandwidth(const bench_row *row)
{
    return !bench_row_counts(row) ? 0 : row->read_bytes / row->n_tokens * row->speed.median;
}

double bench_row_flops(const bench_row *row)
{
    return !bench_row_counts(row) ? 0 : row->flops / row->n_tokens * row->speed.median;
}

static double peak_of_rows(const bench_report *report, double peak,
                           double (*rate)(const bench_row *row))
{
    for (size_t i = 0; peak > 0 && i < report->n_models; i++)
        for (size_t j = 0; j < report->models[i].n_rows; j++) {
            const double reached = rate(&report->models[i].rows[j]);
            peak = reached > peak ? reached : peak;
        }
    return peak;
}

double bench_read_peak(const bench_report *report)
{
    return peak_of_rows(report, report->peaks.read.value, bench_row_bandwidth);
}

static bool uses_matrices(const lm_device_info *device)
{
    for (uint32_t i = 0; i < device->n_features; i++)
        if (strcmp(device->features[i].name, "matrix") == 0)
            return device->features[i].offered && !device->features[i].off;
    return false;
}

// Products of matrices are computed in f32 or by cooperative matrices.
double bench_flops_peak(const bench_report *report)
{
    const double f32 = report->peaks.f32.value;
    const double matrix = uses_matrices(&report->device) ? report->peaks.matrix.value : 0;
    return peak_of_rows(report, matrix > f32 ? matrix : f32, bench_row_flops);
}
