#include "bench/write.h"

#include "bench/fields.h"
#include "bench/write_text.h"

#include <string.h>

bool bench_format_parse(const char *name, bench_format *format)
{
    static const char *const names[] = {"text", "markdown", "csv", "json", "jsonl"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            *format = (bench_format)i;
            return true;
        }
    if (strcmp(name, "md") != 0)
        return false;
    *format = BENCH_MARKDOWN;
    return true;
}

static bool print(cJSON *json, bool indented, FILE *out)
{
    char *text = !json ? NULL : indented ? cJSON_Print(json) : cJSON_PrintUnformatted(json);
    if (text)
        fprintf(out, "%s\n", text);
    cJSON_free(text);
    return text != NULL;
}

// A cell is quoted where it holds what separates cells.
static void write_cell(const char *text, FILE *out)
{
    if (!strpbrk(text, ",\"\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

// Lists have no place in a cell and are left out.
static bool write_csv_line(const cJSON *row, bool names, FILE *out)
{
    const char *separator = "";
    const cJSON *item;
    cJSON_ArrayForEach(item, row)
    {
        if (cJSON_IsArray(item))
            continue;
        fputs(separator, out);
        separator = ",";
        if (names) {
            write_cell(item->string, out);
        } else if (cJSON_IsString(item)) {
            write_cell(item->valuestring, out);
        } else if (!cJSON_IsNull(item)) {
            char *text = cJSON_PrintUnformatted(item);
            if (!text)
                return false;
            write_cell(text, out);
            cJSON_free(text);
        }
    }
    fputc('\n', out);
    return true;
}

static bool write_rows(const bench_report *report, bool csv, FILE *out)
{
    bool first = true;
    for (size_t i = 0; i < report->n_models; i++) {
        const bench_model *model = &report->models[i];
        for (size_t j = 0; j < model->n_rows; j++) {
            bench_object row = bench_object_create();
            bench_put_origin(&row, report, model);
            bench_put_row(&row, report, &model->rows[j]);
            bool ok = row.ok;
            if (ok && csv)
                ok = (!first || write_csv_line(row.json, true, out)) &&
                     write_csv_line(row.json, false, out);
            else if (ok)
                ok = print(row.json, false, out);
            cJSON_Delete(row.json);
            first = false;
            if (!ok)
                return false;
        }
    }
    return true;
}

static bool write_json(const bench_report *report, FILE *out)
{
    cJSON *json = bench_report_json(report);
    const bool ok = print(json, true, out);
    cJSON_Delete(json);
    return ok;
}

bool bench_write(const bench_report *report, bench_format format, FILE *out, lm_error *err)
{
    bool ok = true;
    switch (format) {
    case BENCH_TEXT:
        bench_write_text(report, out);
        break;
    case BENCH_MARKDOWN:
        bench_write_markdown(report, out);
        break;
    case BENCH_CSV:
    case BENCH_JSONL:
        ok = write_rows(report, format == BENCH_CSV, out);
        break;
    case BENCH_JSON:
        ok = write_json(report, out);
        break;
    }
    return ok || lm_fail(err, LM_NO_MEMORY, "out of memory writing the results");
}
