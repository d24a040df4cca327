#include "report.h"

#include "output.h"

#include <stdio.h>

static double per_second(uint64_t count, uint64_t ns)
{
    return ns ? (double)count * 1e9 / (double)ns : 0;
}

static double milliseconds(uint64_t ns)
{
    return (double)ns / 1e6;
}

void cli_report_device(const lm_device_info *info)
{
    fprintf(stderr, "device %s, %s, %s\n", info->name, info->driver, info->uuid);
    if (info->safe)
        fprintf(stderr,
                "safe mode: no optional path, KV cache in f32, a barrier before every op\n");
}

void cli_report_plan(const lm_plan *plan)
{
    fprintf(stderr,
            "plan for %s tokens: weights %s, KV cache %s, scratch %s, staging %s, total %s of %s "
            "available\n",
            cli_human_count(plan->ctx_tokens).text, cli_human_size(plan->weights_bytes).text,
            cli_human_size(plan->kv_bytes).text, cli_human_size(plan->scratch_bytes).text,
            cli_human_size(plan->staging_bytes).text, cli_human_size(plan->total_bytes).text,
            cli_human_size(plan->available_bytes).text);
}

static const char *ended(const cli_report *report)
{
    return report->ended ? report->ended : lm_finish_name(report->finish);
}

static void report_lookup(const lm_lookup_stats *lookup)
{
    if (lookup->steps > 0)
        fprintf(stderr, "lookup: %s of %s drafted tokens accepted in %s steps\n",
                cli_human_count(lookup->accepted).text, cli_human_count(lookup->drafted).text,
                cli_human_count(lookup->steps).text);
}

void cli_report_figures(const cli_report *report, bool verbose)
{
    const lm_session_stats *stats = &report->stats;
    fprintf(stderr,
            "[%s%s: %s prompt tokens (%s reused), prefill %.1f tok/s; %s new tokens, decode %.1f "
            "tok/s; "
            "first token after %.0f ms; stopped: %s]\n",
            report->device->name, report->device->safe ? ", safe mode" : "",
            cli_human_count(report->n_prompt).text, cli_human_count(stats->reused).text,
            per_second(stats->prefill_tokens, stats->prefill_ns),
            cli_human_count(report->n_tokens).text,
            per_second(stats->decode_tokens, stats->decode_ns), milliseconds(stats->first_token_ns),
            ended(report));
    if (verbose)
        report_lookup(&stats->lookup);
    if (verbose && stats->logits_hash)
        fprintf(stderr, "logits hash 0x%016llx; ", (unsigned long long)stats->logits_hash);
    if (verbose)
        fprintf(stderr, "model loaded in %.0f ms; %s of device memory, %s bytes; %s submits\n",
                milliseconds(report->load_ns), cli_human_size(report->memory_bytes).text,
                cli_human_count(report->memory_bytes).text, cli_human_count(stats->submits).text);
}

static bool add_lookup(cJSON *json, const lm_lookup_stats *lookup)
{
    cJSON *object = cli_json_add_object(json, "lookup");
    return cli_json_add_number(object, "steps", (double)lookup->steps) &&
           cli_json_add_number(object, "drafted", (double)lookup->drafted) &&
           cli_json_add_number(object, "accepted", (double)lookup->accepted);
}

static bool add_timings(cJSON *json, const cli_report *report)
{
    const lm_session_stats *stats = &report->stats;
    cJSON *ns = cli_json_add_object(json, "timings_ns");
    return cli_json_add_number(ns, "load", (double)report->load_ns) &&
           cli_json_add_number(ns, "prefill", (double)stats->prefill_ns) &&
           cli_json_add_number(ns, "decode", (double)stats->decode_ns) &&
           cli_json_add_number(ns, "first_token", (double)stats->first_token_ns);
}

bool cli_report_add_origin(cJSON *json, const cli_report *report)
{
    cJSON *device = cli_json_add_object(json, "device");
    cJSON *model = cli_json_add_object(json, "model");
    return cli_json_add_text(device, "name", lm_text_of(report->device->name)) &&
           cli_json_add_text(device, "uuid", lm_text_of(report->device->uuid)) &&
           cli_json_add_text(device, "driver", lm_text_of(report->device->driver)) &&
           cli_json_add_bool(device, "safe", report->device->safe) &&
           cli_json_add_text(model, "name", lm_text_of(report->model->name)) &&
           cli_json_add_text(model, "source", lm_text_of(report->label)) &&
           cli_json_add_text(model, "format", lm_text_of(report->model->format)) &&
           cli_json_add_number(model, "ctx_tokens", report->ctx_tokens) &&
           cli_json_add_number(json, "device_memory_bytes", (double)report->memory_bytes);
}

static bool add_logprob(cJSON *json, const lm_logprob *it)
{
    return cli_json_add_number(json, "token", it->token) &&
           cli_json_add_number(json, "logprob", (double)it->logprob);
}

// One object for each new token: what was drawn, and the most probable.
static bool add_logprobs(cJSON *json, const cli_report *report)
{
    if (report->n_logprobs == 0)
        return true;
    cJSON *list = cli_json_add_array(json, "logprobs");
    for (size_t i = 0; i < report->n_logprobs; i++) {
        const lm_token_logprobs *told = &report->logprobs[i];
        cJSON *entry = cJSON_CreateObject();
        if (!entry || !cJSON_AddItemToArray(list, entry) || !add_logprob(entry, &told->drawn))
            return false;
        cJSON *top = cli_json_add_array(entry, "top");
        for (uint32_t t = 0; t < told->n_top; t++) {
            cJSON *item = cJSON_CreateObject();
            if (!item || !cJSON_AddItemToArray(top, item) || !add_logprob(item, &told->top[t]))
                return false;
        }
    }
    return list != NULL;
}

static bool add_repetition(cJSON *json, const lm_repetition *repetition)
{
    if (repetition->n_tokens == 0)
        return true;
    cJSON *object = cli_json_add_object(json, "repetition");
    return cli_json_add_tokens(object, "tokens", repetition->tokens, repetition->n_tokens) &&
           cli_json_add_number(object, "times", repetition->n_times);
}

bool cli_report_add_answer(cJSON *json, const cli_report *report)
{
    const lm_session_stats *stats = &report->stats;
    return cli_json_add_text(json, "text", report->text) &&
           cli_json_add_tokens(json, "tokens", report->tokens, report->n_tokens) &&
           add_logprobs(json, report) &&
           cli_json_add_text(json, "finish", lm_text_of(ended(report))) &&
           add_repetition(json, report->repetition) &&
           cli_json_add_number(json, "prompt_tokens", (double)report->n_prompt) &&
           cli_json_add_number(json, "reused_tokens", (double)stats->reused) &&
           cli_json_add_number(json, "prefill_tokens", (double)stats->prefill_tokens) &&
           cli_json_add_number(json, "new_tokens", (double)report->n_tokens) &&
           cli_json_add_number(json, "decode_tokens", (double)stats->decode_tokens) &&
           cli_json_add_number(json, "submits", (double)stats->submits) &&
           add_lookup(json, &stats->lookup) && add_timings(json, report) &&
           (!stats->logits_hash || cli_json_add_hex(json, "logits_hash", stats->logits_hash));
}

bool cli_report_json(const cli_report *report, lm_error *err)
{
    cJSON *json = cJSON_CreateObject();
    const bool complete =
        json && cli_report_add_answer(json, report) && cli_report_add_origin(json, report);
    const bool ok = cli_json_print(json, complete, err);
    cJSON_Delete(json);
    return ok;
}

void cli_report_json_failed(lm_text text, const lm_error *why)
{
    if (text.size == 0)
        return;
    lm_error err;
    cJSON *json = cJSON_CreateObject();
    const bool complete = json && cli_json_add_text(json, "text", text) &&
                          cli_json_add_text(json, "error", lm_text_of(why->message));
    cli_json_print(json, complete, &err);
    cJSON_Delete(json);
}

bool cli_report_plan_json(cJSON *object, const lm_plan *plan)
{
    return cli_json_add_number(object, "weights_bytes", (double)plan->weights_bytes) &&
           cli_json_add_number(object, "kv_bytes", (double)plan->kv_bytes) &&
           cli_json_add_number(object, "scratch_bytes", (double)plan->scratch_bytes) &&
           cli_json_add_number(object, "staging_bytes", (double)plan->staging_bytes) &&
           cli_json_add_number(object, "total_bytes", (double)plan->total_bytes) &&
           cli_json_add_number(object, "available_bytes", (double)plan->available_bytes) &&
           cli_json_add_number(object, "ctx_tokens", plan->ctx_tokens) &&
           cli_json_add_number(object, "ctx_tokens_fit", plan->ctx_tokens_fit) &&
           cli_json_add_number(object, "sessions", plan->n_sessions) &&
           cli_json_add_bool(object, "fits", plan->fits);
}
