#include "bench/write_text.h"

#include "bench/ops.h"

#include <math.h>
#include <string.h>

#define MIB 1048576.0
#define GIB 1073741824.0

// "1.32 GiB" or "0.72 MiB"; "1.35 B" or "0.37 M" as llama-bench counts parameters.
struct amount {
    char text[32];
};

static struct amount size_of(double bytes)
{
    struct amount it;
    const bool large = bytes >= GIB;
    snprintf(it.text, sizeof it.text, "%.2f %s", bytes / (large ? GIB : MIB),
             large ? "GiB" : "MiB");
    return it;
}

static struct amount count_of(double n)
{
    struct amount it;
    const bool large = n >= 1e9;
    snprintf(it.text, sizeof it.text, "%.2f %s", n / (large ? 1e9 : 1e6), large ? "B" : "M");
    return it;
}

static void write_peak(const char *name, const lm_peak *peak, double unit, const char *unit_name,
                       FILE *out)
{
    if (peak->is_known)
        fprintf(out, "  %-19s %10.2f %s\n", name, peak->value / unit, unit_name);
    else
        fprintf(out, "  %-19s %10s %s\n", name, "-", peak->why);
}

static void write_peaks(const lm_peaks *peaks, FILE *out)
{
    if (!peaks->f32.is_known)
        return;
    fputs("at most, measured:\n", out);
    write_peak("read", &peaks->read, 1e9, "GB/s", out);
    write_peak("copy", &peaks->copy, 1e9, "GB/s, read and written", out);
    write_peak("f32", &peaks->f32, 1e9, "GFLOP/s", out);
    write_peak("f16", &peaks->f16, 1e9, "GFLOP/s", out);
    write_peak("int8 dot products", &peaks->dot, 1e9, "GOP/s", out);
    write_peak("matrices", &peaks->matrix, 1e9, "GFLOP/s", out);
    write_peak("a dependent op", &peaks->dispatch, 1e3, "us", out);
    write_peak("a submit", &peaks->submit, 1e3, "us", out);
}

static void write_device(const bench_report *report, FILE *out)
{
    const lm_device_info *device = &report->device;
    fprintf(out, "lemnos %s, %s\n", report->version, report->started);
    if (device->name[0])
        fprintf(out, "%s, %s%s\n", device->name, device->driver,
                device->kind == LM_DEVICE_SOFTWARE ? ", no GPU but software" : "");
    write_peaks(&report->peaks, out);
}

static void write_model(const bench_model *model, FILE *out)
{
    const lm_model_info *info = &model->info;
    fprintf(out, "\n%s, %s, %s parameters, KV cache %s\n", model->label, info->format,
            count_of((double)info->n_params).text, lm_kv_type_name(model->kv));
    if (model->skipped[0]) {
        fprintf(out, "left out: %s\n", model->skipped);
        return;
    }
    fprintf(out, "loaded in %.2f s, context %u tokens, memory at most",
            (double)model->load_ns / 1e9, model->ctx_tokens);
    for (size_t i = 0; i < model->n_heaps; i++)
        fprintf(out, "%s %s of %s (heap %zu%s)", i ? "," : "",
                size_of((double)model->heaps[i].peak_bytes).text,
                size_of((double)model->heaps[i].size_bytes).text, i,
                model->heaps[i].is_device_local ? ", device" : ", host");
    fputs("\n\n", out);
}

// A number of 4 digits or so that says as much at any size.
static void write_number(FILE *out, int width, double value)
{
    const double size = fabs(value);
    fprintf(out, "%*.*f", width, size < 10 ? 2 : size < 1000 ? 1 : 0, value);
}

static bool ran(const bench_row *row)
{
    return row->n_runs > 0 || row->infill.n_requests > 0;
}

static size_t name_width(const bench_model *model)
{
    size_t width = 6;
    for (size_t i = 0; i < model->n_rows; i++) {
        const size_t size = strlen(bench_row_name(&model->rows[i]).text);
        width = size > width ? size : width;
    }
    return width;
}

static void write_share(FILE *out, double rate, double peak)
{
    if (peak > 0)
        fprintf(out, "%5.0f %%", 100 * rate / peak);
    else
        fprintf(out, "%7s", "-");
}

static void write_times(const char *what, const bench_summary *ns, FILE *out)
{
    if (ns->n == 0)
        fprintf(out, "no %s", what);
    else
        fprintf(out, "%s %.1f ms p50, %.1f p90 (%zu)", what, ns->p50 / 1e6, ns->p90 / 1e6, ns->n);
}

static void write_infill(const bench_row *row, FILE *out)
{
    const bench_infill *it = &row->infill;
    fputs("  ", out);
    write_times("first line", &it->line, out);
    fputs("; ", out);
    write_times("cancelled", &it->cancel, out);
    fprintf(out, "; %.0f %% of %llu prompt tokens cached; %u keys, %u requests, %u empty; %08x\n",
            100 * bench_cached_share(it), (unsigned long long)it->prompt_tokens, it->n_keys,
            it->n_requests, it->n_empty, (unsigned)(row->tokens_hash >> 32));
}

static double start_ms(const bench_row *row)
{
    double ns[1000];
    const size_t n = row->n_runs < 1000 ? row->n_runs : 1000;
    memcpy(ns, row->ns, n * sizeof *ns);
    return bench_summarize(ns, n).median / 1e6;
}

static void write_row(const bench_report *report, const bench_row *row, int width, FILE *out)
{
    fprintf(out, "%-*s", width, bench_row_name(row).text);
    if (!ran(row)) {
        fprintf(out, "  left out: %s\n", row->skipped);
        return;
    }
    if (row->kind == BENCH_INFILL) {
        write_infill(row, out);
        return;
    }
    if (!bench_row_counts(row)) {
        fprintf(out, "  %.1f ms", start_ms(row));
        fprintf(out, row->n_runs > 1 ? " (median of %u)\n" : "\n", row->n_runs);
        return;
    }
    const bench_summary *ns = row->kind == BENCH_PREFILL ? &row->first_token : &row->token;
    write_number(out, 10, row->speed.median);
    write_number(out, 9, row->speed.min);
    write_number(out, 9, row->speed.max);
    write_number(out, 9, bench_row_bandwidth(row) / 1e9);
    write_share(out, bench_row_bandwidth(row), bench_read_peak(report));
    write_number(out, 9, bench_row_flops(row) / 1e9);
    write_share(out, bench_row_flops(row), bench_flops_peak(report));
    write_number(out, 10, ns->p50 / 1e6);
    write_number(out, 9, ns->p90 / 1e6);
    write_number(out, 9, ns->p99 / 1e6);
    write_number(out, 9, row->submits);
    write_number(out, 10, row->thread_cpu_ns / 1e3);
    fprintf(out, "  %08x %08x%s\n", (unsigned)(row->tokens_hash >> 32),
            (unsigned)(row->logits_hash >> 32), row->is_repeatable ? "" : "  differ between runs");
}

enum group { SPEEDS, INFILLS, STARTS };

static enum group group_of(const bench_row *row)
{
    return row->kind == BENCH_INFILL ? INFILLS : bench_row_counts(row) ? SPEEDS : STARTS;
}

static bool has(const bench_model *model, enum group group)
{
    for (size_t i = 0; i < model->n_rows; i++)
        if (group_of(&model->rows[i]) == group)
            return true;
    return false;
}

static void write_rows(const bench_report *report, const bench_model *model, FILE *out)
{
    const int width = (int)name_width(model);
    if (has(model, SPEEDS))
        fprintf(out, "%-*s%10s%9s%9s%9s%7s%9s%7s%10s%9s%9s%9s%10s  %s\n", width, "", "tokens/s",
                "least", "most", "GB/s", "share", "GFLOP/s", "share", "ms p50", "p90", "p99",
                "submits", "CPU us", "hash of tokens, logits");
    for (size_t j = 0; j < model->n_rows; j++)
        write_row(report, &model->rows[j], width, out);
}

static void write_legend(const bool *any, FILE *out)
{
    if (any[SPEEDS])
        fputs(
            "\npp: a prompt at once; tg: tokens one by one; @ d: behind so many tokens. tokens/s: "
            "median, least and most of the runs.\n"
            "ms: to the first token (pp), between tokens (tg). submits, CPU us of the thread that "
            "submits: per token.\n",
            out);
    if (any[INFILLS])
        fputs("\ninfill: keystrokes, replayed. First line: from the request to its first complete "
              "line, where the person waits.\n"
              "Cancelled: from the key that ends a request to when the next one could begin.\n",
              out);
    if (any[STARTS])
        fputs("\nstart: of the program until it has drawn a token, weights aside.\n", out);
}

void bench_write_text(const bench_report *report, FILE *out)
{
    write_device(report, out);
    bool any[] = {[SPEEDS] = false, [INFILLS] = false, [STARTS] = false};
    for (size_t i = 0; i < report->n_models; i++) {
        const bench_model *model = &report->models[i];
        write_model(model, out);
        if (model->skipped[0])
            continue;
        write_rows(report, model, out);
        for (enum group group = SPEEDS; group <= STARTS; group++)
            any[group] = any[group] || has(model, group);
    }
    write_legend(any, out);
    bench_write_ops(report, out);
    if (report->interrupted)
        fputs("Interrupted: these are the rows that were finished.\n", out);
}

static void write_markdown_infill(const bench_model *model, const bench_row *row, FILE *out)
{
    const bench_infill *it = &row->infill;
    fprintf(out, "| %s %s | %u | %u | %u | %.1f | %.1f | %.1f | %.1f | %.0f | %016llx |\n",
            model->info.name, model->info.format, it->n_keys, it->n_requests, it->n_empty,
            it->line.p50 / 1e6, it->line.p90 / 1e6, it->cancel.p50 / 1e6, it->cancel.p90 / 1e6,
            100 * bench_cached_share(it), (unsigned long long)row->tokens_hash);
}

static void write_markdown_start(const bench_model *model, const bench_row *row, FILE *out)
{
    fprintf(out, "| %s %s | %s | %u | %.1f |\n", model->info.name, model->info.format,
            bench_row_name(row).text, row->n_runs, start_ms(row));
}

// The rows of a group under a head of their own.
static void write_markdown_group(const bench_report *report, enum group group, const char *head,
                                 void (*write)(const bench_model *, const bench_row *, FILE *),
                                 FILE *out)
{
    bool any = false;
    for (size_t i = 0; i < report->n_models; i++)
        for (size_t j = 0; j < report->models[i].n_rows; j++) {
            const bench_row *row = &report->models[i].rows[j];
            if (!ran(row) || group_of(row) != group)
                continue;
            if (!any)
                fputs(head, out);
            any = true;
            write(&report->models[i], row, out);
        }
}

static void write_markdown_speeds(const bench_report *report, FILE *out)
{
    bool any = false;
    for (size_t i = 0; i < report->n_models; i++)
        any = any || has(&report->models[i], SPEEDS);
    if (!any)
        return;
    fputs("| model | size | params | backend | ngl | test | t/s | GB/s | GFLOP/s | ms p50 | ms p90 "
          "| ms p99 | submits/token | CPU us/token | hash of tokens | hash of logits |\n"
          "| --- | ---: | ---: | --- | --: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: "
          "| ---: | --- | --- |\n",
          out);
    for (size_t i = 0; i < report->n_models; i++) {
        const bench_model *model = &report->models[i];
        for (size_t j = 0; j < model->n_rows; j++) {
            const bench_row *row = &model->rows[j];
            const bench_summary *ns = row->kind == BENCH_PREFILL ? &row->first_token : &row->token;
            if (!ran(row) || group_of(row) != SPEEDS)
                continue;
            fprintf(out,
                    "| %s %s | %s | %s | Vulkan | 99 | %s | %.2f ± %.2f | %.2f | %.2f | "
                    "%.2f | %.2f | %.2f | %.2f | %.1f | %016llx | %016llx |\n",
                    model->info.name, model->info.format,
                    size_of((double)model->plan.weights_bytes).text,
                    count_of((double)model->info.n_params).text, bench_row_name(row).text,
                    row->speed.mean, row->speed.deviation, bench_row_bandwidth(row) / 1e9,
                    bench_row_flops(row) / 1e9, ns->p50 / 1e6, ns->p90 / 1e6, ns->p99 / 1e6,
                    row->submits, row->thread_cpu_ns / 1e3, (unsigned long long)row->tokens_hash,
                    (unsigned long long)row->logits_hash);
        }
    }
}

void bench_write_markdown(const bench_report *report, FILE *out)
{
    fprintf(out, "%s, %s, lemnos %s, %s\n\n", report->device.name, report->device.driver,
            report->version, report->started);
    write_markdown_speeds(report, out);
    write_markdown_group(
        report, INFILLS,
        "\n| model | keys | requests | empty | first line ms p50 | p90 | cancel ms p50 | p90 "
        "| cached % | hash of lines |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n",
        write_markdown_infill, out);
    write_markdown_group(report, STARTS,
                         "\n| model | start | runs | ms |\n| --- | --- | ---: | ---: |\n",
                         write_markdown_start, out);
    for (size_t i = 0; i < report->n_models; i++) {
        const bench_model *model = &report->models[i];
        if (model->skipped[0])
            fprintf(out, "\nLeft out: %s %s: %s\n", model->label, model->info.format,
                    model->skipped);
        for (size_t j = 0; !model->skipped[0] && j < model->n_rows; j++)
            if (model->rows[j].skipped[0])
                fprintf(out, "\nLeft out: %s %s, %s: %s\n", model->label, model->info.format,
                        bench_row_name(&model->rows[j]).text, model->rows[j].skipped);
    }
    if (report->interrupted)
        fputs("\nInterrupted: these are the rows that were finished.\n", out);
}
