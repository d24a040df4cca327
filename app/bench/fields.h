// The figures of a report as JSON: what every machine-readable format is made of.

#ifndef BENCH_FIELDS_H
#define BENCH_FIELDS_H

#include "bench/result.h"

#include <cjson/cJSON.h>

#define BENCH_SCHEMA 1 // of the JSON; counts up when a reader of the old one would err

// An object that is being filled. A failure, which is want of memory, sticks.
typedef struct bench_object {
    cJSON *json; // owned by whoever made it; may be NULL after a failure
    bool ok;
} bench_object;

bench_object bench_object_create(void);
void bench_put_text(bench_object *object, const char *key, const char *text);
void bench_put_number(bench_object *object, const char *key, double number);
void bench_put_bool(bench_object *object, const char *key, bool value);
void bench_put_hash(bench_object *object, const char *key, uint64_t hash); // "0x0123456789abcdef"
void bench_put_numbers(bench_object *object, const char *key, const double *at, size_t n);
void bench_put(bench_object *object, const char *key, cJSON *item); // takes the item

// The figures of a row; llama-bench's names where it has one. Those that were not measured are
// null, so that every row has the same keys.
void bench_put_row(bench_object *object, const bench_report *report, const bench_row *row);

// What a row of a file of rows says about its device and model.
void bench_put_origin(bench_object *object, const bench_report *report, const bench_model *model);

// Everything. NULL where memory is short; the caller deletes it.
cJSON *bench_report_json(const bench_report *report);

#endif
