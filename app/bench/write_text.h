// A report for people.

#ifndef BENCH_WRITE_TEXT_H
#define BENCH_WRITE_TEXT_H

#include "bench/result.h"

#include <stdio.h>

void bench_write_text(const bench_report *report, FILE *out);
void bench_write_markdown(const bench_report *report, FILE *out);

#endif
