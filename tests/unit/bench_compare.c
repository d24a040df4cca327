// What is faster, what is slower, what is neither, and what may not be compared.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/compare.h"
#include "bench/fields.h"
#include "bench/write.h"
#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_RUNS 5

struct fake {
    double scale; // of the speeds
    uint32_t n_gen;
    uint64_t logits_hash;
};

static void fill_row(bench_row *row, bench_kind kind, uint32_t n_tokens, const struct fake *fake)
{
    static const double at[N_RUNS] = {10.0, 10.1, 9.9, 10.05, 9.95};
    *row = (bench_row){.kind = kind,
                       .n_tokens = n_tokens,
                       .n_runs = N_RUNS,
                       .tokens_hash = 1,
                       .logits_hash = fake->logits_hash,
                       .is_repeatable = true,
                       .read_bytes = 1e9,
                       .flops = 2e9};
    row->ns = calloc(N_RUNS, sizeof *row->ns);
    row->rates = calloc(N_RUNS, sizeof *row->rates);
    assert_non_null(row->ns);
    assert_non_null(row->rates);
    for (int i = 0; i < N_RUNS; i++) {
        row->rates[i] = at[i] * (kind == BENCH_DECODE ? fake->scale : 1);
        row->ns[i] = 1e9 * n_tokens / row->rates[i];
    }
    row->speed = bench_summarize(row->rates, N_RUNS);
}

// A report of one model with a row of prefill and one of decoding.
static bench_report fake_report(const struct fake *fake)
{
    bench_report report = {.version = "1", .n_models = 1};
    snprintf(report.device.name, sizeof report.device.name, "a GPU");
    snprintf(report.device.uuid, sizeof report.device.uuid, "0001");
    snprintf(report.device.driver, sizeof report.device.driver, "driver 1");
    report.models = calloc(1, sizeof *report.models);
    assert_non_null(report.models);
    bench_model *model = report.models;
    model->label = strdup("a model");
    model->rows = calloc(2, sizeof *model->rows);
    assert_non_null(model->rows);
    model->n_rows = 2;
    model->info.n_params = 1000;
    snprintf(model->info.name, sizeof model->info.name, "tiny");
    snprintf(model->info.format, sizeof model->info.format, "Q8_0");
    fill_row(&model->rows[0], BENCH_PREFILL, 512, fake);
    fill_row(&model->rows[1], BENCH_DECODE, fake->n_gen, fake);
    return report;
}

static cJSON *fake_json(const struct fake *fake)
{
    bench_report report = fake_report(fake);
    cJSON *json = bench_report_json(&report);
    assert_non_null(json);
    bench_report_finish(&report);
    return json;
}

static bench_comparison compared(const struct fake *a, const struct fake *b)
{
    cJSON *before = fake_json(a), *after = fake_json(b);
    bench_comparison it;
    lm_error err;
    assert_true(bench_compare(before, after, &it, &err));
    cJSON_Delete(before);
    cJSON_Delete(after);
    return it;
}

static void the_same_is_no_change(void **state)
{
    (void)state;
    bench_comparison it = compared(&(struct fake){1, 128, 5}, &(struct fake){1.01, 128, 5});
    assert_int_equal(it.n, 2);
    assert_int_equal(it.n_slower + it.n_faster + it.n_other_results, 0);
    assert_string_equal(it.changes[0].test, "pp512");
    assert_string_equal(it.changes[1].test, "tg128");
    assert_string_equal(it.changes[1].model, "tiny Q8_0, KV cache f16");
    assert_true(it.changes[1].change > 0.009 && it.changes[1].change < 0.011);
    bench_comparison_finish(&it);
}

static void beyond_the_noise_it_is_one(void **state)
{
    (void)state;
    bench_comparison it = compared(&(struct fake){1, 128, 5}, &(struct fake){0.9, 128, 5});
    assert_int_equal(it.n_slower, 1);
    assert_int_equal(it.n_faster, 0);
    assert_int_equal(it.changes[0].verdict, BENCH_SAME);
    assert_int_equal(it.changes[1].verdict, BENCH_SLOWER);
    bench_comparison_finish(&it);
    it = compared(&(struct fake){1, 128, 5}, &(struct fake){1.2, 128, 6});
    assert_int_equal(it.n_slower, 0);
    assert_int_equal(it.n_faster, 1);
    assert_int_equal(it.n_other_results, 2);
    bench_comparison_finish(&it);
}

static void rows_of_one_side_are_no_change(void **state)
{
    (void)state;
    bench_comparison it = compared(&(struct fake){1, 128, 5}, &(struct fake){0.5, 64, 5});
    assert_int_equal(it.n, 3);
    assert_int_equal(it.n_slower + it.n_faster, 0);
    assert_int_equal(it.changes[1].verdict, BENCH_ONE_SIDED);
    assert_string_equal(it.changes[1].test, "tg64");
    assert_true(it.changes[1].after > 0 && it.changes[1].before == 0);
    assert_string_equal(it.changes[2].test, "tg128");
    assert_true(it.changes[2].before > 0 && it.changes[2].after == 0);
    bench_comparison_finish(&it);
}

static void others_are_refused_by_name(void **state)
{
    (void)state;
    cJSON *json = fake_json(&(struct fake){1, 128, 5});
    lm_error err = {0};
    assert_true(bench_check_device(json, "old.json", "a GPU", "0001", &err));
    assert_false(bench_check_device(json, "old.json", "another GPU", "0001", &err));
    assert_non_null(strstr(err.message, "old.json"));
    assert_non_null(strstr(err.message, "a GPU"));
    assert_non_null(strstr(err.message, "another GPU"));
    assert_false(bench_check_device(json, "old.json", "a GPU", "0002", &err));
    assert_true(bench_check_model(json, "old.json", "tiny", "Q8_0", 1000, &err));
    assert_false(bench_check_model(json, "old.json", "tiny", "F16", 1000, &err));
    assert_non_null(strstr(err.message, "tiny Q8_0 (1000)"));
    assert_non_null(strstr(err.message, "tiny F16"));
    assert_false(bench_check_model(json, "old.json", "tiny", "Q8_0", 1001, &err));
    assert_false(bench_check_model(json, "old.json", "huge", "Q8_0", 1000, &err));
    cJSON_Delete(json);
}

// Writes `text`, or a report where it is NULL, to a file and reads it again.
static cJSON *read_again(const char *text, lm_error *err)
{
    char *made = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&made, &size);
    assert_non_null(out);
    if (text) {
        fputs(text, out);
    } else {
        bench_report report = fake_report(&(struct fake){1, 128, 5});
        assert_true(bench_write(&report, BENCH_JSON, out, err));
        bench_report_finish(&report);
    }
    assert_int_equal(fclose(out), 0);
    scratch folder = scratch_create();
    char path[256];
    cJSON *json = bench_read(scratch_write(&folder, "old.json", made, size, path), err);
    scratch_remove(&folder);
    free(made);
    return json;
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    lm_error err = {0};
    cJSON *json = read_again(NULL, &err);
    assert_non_null(json);
    bench_comparison it;
    assert_true(bench_compare(json, json, &it, &err));
    assert_int_equal(it.n, 2);
    assert_true(it.changes[0].before == 10 && it.changes[0].after == 10);
    bench_comparison_finish(&it);
    cJSON_Delete(json);
    static const char *const bad[] = {
        "", "{", "[]", "{\"schema\": 1}", "{\"models\": []}", "{\"models\": {}, \"schema\": 1}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(read_again(bad[i], &err));
        assert_int_equal(err.status, LM_BAD_FILE);
        assert_non_null(strstr(err.message, "is no result of 'lemnos bench'"));
    }
    assert_null(read_again("{\"models\": [], \"schema\": 99}", &err));
    assert_non_null(strstr(err.message, "schema 99"));
    // Fields of a wrong kind are as good as absent.
    json = read_again("{\"models\": [{\"model\": 5, \"rows\": [1, {\"samples_ts\": [\"x\", -1]}]}],"
                      " \"schema\": 1, \"device\": []}",
                      &err);
    assert_non_null(json);
    assert_true(bench_compare(json, json, &it, &err));
    assert_int_equal(it.n_slower + it.n_faster, 0);
    bench_comparison_finish(&it);
    cJSON_Delete(json);
}

// Every format of one report: parts that a reader counts on.
static void formats(void **state)
{
    (void)state;
    static const char *const want[] = {
        [BENCH_TEXT] = "pp512",
        [BENCH_MARKDOWN] = "| model | size | params | backend | ngl | test | t/s |",
        [BENCH_CSV] = "n_prompt,n_gen,n_depth",
        [BENCH_JSON] = "\"models\"",
        [BENCH_JSONL] = "\"avg_ts\":10,",
    };
    bench_report report = fake_report(&(struct fake){1, 128, 5});
    lm_error err;
    for (int i = 0; i < 5; i++) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        assert_non_null(out);
        assert_true(bench_write(&report, (bench_format)i, out, &err));
        assert_int_equal(fclose(out), 0);
        assert_non_null(strstr(text, want[i]));
        size_t n_lines = 0;
        for (size_t at = 0; at < size; at++)
            n_lines += text[at] == '\n';
        if (i == BENCH_JSONL)
            assert_int_equal(n_lines, 2);
        if (i == BENCH_CSV)
            assert_int_equal(n_lines, 3);
        if (i == BENCH_MARKDOWN)
            assert_non_null(strstr(text, "| tg128 | 10.00 ± 0.08 |"));
        free(text);
    }
    bench_report_finish(&report);
}

// A replay of keystrokes stands in every format, and nothing that counts tokens is claimed of it.
static void keystrokes_in_every_format(void **state)
{
    (void)state;
    static const char *const want[] = {
        [BENCH_TEXT] = ("first line 250.0 ms p50, 250.0 p90 (1); cancelled 8.0 ms p50, 9.0 p90 "
                        "(2); 75 % of 400 prompt tokens cached; 12 keys, 10 requests, 3 empty"),
        [BENCH_MARKDOWN] = "| tiny Q8_0 | 12 | 10 | 3 | 250.0 | 250.0 | 8.0 | 9.0 | 75 |",
        [BENCH_CSV] = ",250,250,8,9,0.75,12,10,2,3,",
        [BENCH_JSON] = "\"cached_share\":\t0.75",
        [BENCH_JSONL] = "\"test\":\"infill\"",
    };
    bench_report report = fake_report(&(struct fake){1, 128, 5});
    bench_row *row = &report.models->rows[1];
    row->kind = BENCH_INFILL;
    row->infill = (bench_infill){.n_keys = 12,
                                 .n_requests = 10,
                                 .n_cancelled = 2,
                                 .n_empty = 3,
                                 .prompt_tokens = 400,
                                 .reused_tokens = 300,
                                 .line = {.n = 1, .p50 = 250e6, .p90 = 250e6},
                                 .cancel = {.n = 2, .p50 = 8e6, .p90 = 9e6}};
    for (int i = 0; i < 5; i++) {
        char *text = NULL;
        size_t size = 0;
        lm_error err;
        FILE *out = open_memstream(&text, &size);
        assert_non_null(out);
        assert_true(bench_write(&report, (bench_format)i, out, &err));
        assert_int_equal(fclose(out), 0);
        if (!strstr(text, want[i]))
            fail_msg("'%s' is not in: %s", want[i], text);
        assert_null(strstr(text, "tg128"));
        assert_null(strstr(text, "nan"));
        free(text);
    }
    assert_true(bench_row_bandwidth(row) == 0 && bench_row_flops(row) == 0);
    bench_report_finish(&report);
}

// Starts have times and no rates: nothing is divided, and nothing compared.
static void starts_in_every_format(void **state)
{
    (void)state;
    static const char *const want[] = {
        [BENCH_TEXT] = "start, caches empty  100.0 ms",
        [BENCH_MARKDOWN] = "| tiny Q8_0 | start, caches empty | 1 | 100.0 |",
        [BENCH_CSV] = "\"start, caches empty\",0,0,0,1,100000000,0,,,",
        [BENCH_JSON] = "\"test\":\t\"start, caches empty\"",
        [BENCH_JSONL] = "\"samples_ns\":[100000000],\"samples_ts\":[]",
    };
    bench_report report = fake_report(&(struct fake){1, 128, 5});
    bench_row *row = &report.models->rows[1];
    free(row->rates);
    row->rates = NULL;
    row->kind = BENCH_START_COLD;
    row->n_runs = 1;
    row->ns[0] = 100e6;
    row->speed = (bench_summary){0};
    for (int i = 0; i < 5; i++) {
        char *text = NULL;
        size_t size = 0;
        lm_error err;
        FILE *out = open_memstream(&text, &size);
        assert_non_null(out);
        assert_true(bench_write(&report, (bench_format)i, out, &err));
        assert_int_equal(fclose(out), 0);
        if (!strstr(text, want[i]))
            fail_msg("'%s' is not in: %s", want[i], text);
        assert_null(strstr(text, "nan"));
        free(text);
    }
    bench_report_finish(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_is_no_change),
        cmocka_unit_test(beyond_the_noise_it_is_one),
        cmocka_unit_test(rows_of_one_side_are_no_change),
        cmocka_unit_test(others_are_refused_by_name),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(formats),
        cmocka_unit_test(keystrokes_in_every_format),
        cmocka_unit_test(starts_in_every_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
