#include "bench/ops.h"

#include <stdlib.h>
#include <string.h>

// "matvec_q8_0 attn_q" of "blk.3.attn_q.weight".
static void name_op(const lm_op_time *time, char *name, size_t size)
{
    const char *tensor = time->tensor;
    if (strncmp(tensor, "blk.", 4) == 0) {
        tensor += 4;
        tensor += strspn(tensor, "0123456789");
        tensor += *tensor == '.';
    }
    const size_t length = strcspn(tensor, ".");
    snprintf(name, size, "%s%s%.*s", time->module, length ? " " : "", (int)length, tensor);
}

static int longest_first(const void *a, const void *b)
{
    const double x = ((const bench_op *)a)->ns, y = ((const bench_op *)b)->ns;
    return (y > x) - (y < x);
}

size_t bench_group_ops(const bench_row *row, bench_op *ops)
{
    size_t n = 0;
    double all = 0;
    for (size_t i = 0; i < row->n_ops; i++) {
        const lm_op_time *time = &row->ops[i];
        char name[64];
        size_t at = 0;
        name_op(time, name, sizeof name);
        while (at < n && strcmp(ops[at].name, name) != 0)
            at++;
        if (at == BENCH_MAX_OPS) {
            at--;
            snprintf(ops[at].name, sizeof ops[at].name, "others");
        } else if (at == n) {
            ops[n] = (bench_op){0};
            snprintf(ops[n++].name, sizeof ops->name, "%s", name);
        }
        ops[at].n++;
        ops[at].ns += (double)time->ns;
        ops[at].bytes += time->bytes;
        ops[at].flops += time->flops;
        all += (double)time->ns;
    }
    for (size_t i = 0; i < n; i++)
        ops[i].share = all > 0 ? ops[i].ns / all : 0;
    qsort(ops, n, sizeof *ops, longest_first);
    return n;
}

static void write_rate(FILE *out, double amount, double ns, double peak)
{
    if (amount > 0 && ns > 0)
        fprintf(out, " %9.2f", amount / ns);
    else
        fprintf(out, " %9s", "");
    if (amount > 0 && ns > 0 && peak > 0)
        fprintf(out, " %5.1f %%", 100 * amount / ns * 1e9 / peak);
    else
        fprintf(out, " %7s", "");
}

static void write_row(const bench_report *report, const bench_row *row, FILE *out)
{
    bench_op ops[BENCH_MAX_OPS];
    const size_t n = bench_group_ops(row, ops);
    double all = 0;
    for (size_t i = 0; i < n; i++)
        all += ops[i].ns;
    fprintf(out, "\nOps of a step of %s, %.3f ms on the device:\n", bench_row_name(row).text,
            all / 1e6);
    fprintf(out, "%-28s %6s %10s %7s %9s %7s %9s %7s\n", "", "calls", "us", "share", "GB/s",
            "of peak", "GFLOP/s", "of peak");
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "%-28s %6zu %10.1f %5.1f %%", ops[i].name, ops[i].n, ops[i].ns / 1e3,
                100 * ops[i].share);
        write_rate(out, ops[i].bytes, ops[i].ns, bench_read_peak(report));
        write_rate(out, ops[i].flops, ops[i].ns, bench_flops_peak(report));
        fputc('\n', out);
    }
}

void bench_write_ops(const bench_report *report, FILE *out)
{
    for (size_t i = 0; i < report->n_models; i++)
        for (size_t j = 0; j < report->models[i].n_rows; j++)
            if (report->models[i].rows[j].n_ops > 0)
                write_row(report, &report->models[i].rows[j], out);
}

// Names of ops and tensors are plain ASCII; that of a model may be anything.
static void write_name(const char *kind, size_t process, size_t thread, const char *name, FILE *out)
{
    fprintf(out, "{\"ph\":\"M\",\"name\":\"%s\",\"pid\":%zu,\"tid\":%zu,\"args\":{\"name\":\"",
            kind, process, thread);
    for (; *name; name++)
        fputc(*name < 0x20 || *name >= 0x7f || *name == '"' || *name == '\\' ? '?' : *name, out);
    fputs("\"}}", out);
}

void bench_write_trace(const bench_report *report, FILE *out)
{
    const char *separator = "";
    fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n", out);
    for (size_t i = 0; i < report->n_models; i++) {
        const bench_model *model = &report->models[i];
        fputs(separator, out);
        separator = ",\n";
        write_name("process_name", i + 1, 0, model->label, out);
        for (size_t j = 0; j < model->n_rows; j++) {
            const bench_row *row = &model->rows[j];
            if (row->n_ops == 0)
                continue;
            fputs(separator, out);
            write_name("thread_name", i + 1, j + 1, bench_row_name(row).text, out);
            for (size_t k = 0; k < row->n_ops; k++) {
                const lm_op_time *op = &row->ops[k];
                fprintf(out,
                        ",\n{\"ph\":\"X\",\"name\":\"%s\",\"pid\":%zu,\"tid\":%zu,\"ts\":%.3f,"
                        "\"dur\":%.3f,\"args\":{\"tensor\":\"%s\",\"bytes\":%.0f,\"flops\":%.0f}}",
                        op->module, i + 1, j + 1, (double)op->start_ns / 1e3, (double)op->ns / 1e3,
                        op->tensor, op->bytes, op->flops);
            }
        }
    }
    fputs("\n]}\n", out);
}
