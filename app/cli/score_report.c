#include "score_report.h"

#include "json.h"
#include "output.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct {
    double part;
    const char *name, *key;
} parts[] = {{1, "maximum", "maximum"}, {0.999, "99.9 %", "p99_9"}, {0.99, "99 %", "p99"},
             {0.95, "95 %", "p95"},     {0.9, "90 %", "p90"},       {0.5, "median", "median"},
             {0.1, "10 %", "p10"},      {0, "minimum", "minimum"}};

#define N_PARTS (sizeof parts / sizeof *parts)

void cli_scores_finish(cli_scores *scores)
{
    free(scores->each);
    lm_kl_sums_finish(&scores->kl);
    *scores = (cli_scores){0};
}

static double perplexity(const lm_mean *nll)
{
    return exp(lm_mean_value(nll));
}

// d exp(x) = exp(x) dx
static double perplexity_error(const lm_mean *nll)
{
    return perplexity(nll) * lm_mean_error(nll);
}

static double bits_per_byte(const cli_scores *scores)
{
    return scores->n_bytes ? scores->nll.sum / log(2.0) / (double)scores->n_bytes : 0;
}

static double same_top(const lm_kl_sums *kl)
{
    return (double)kl->n_same_top / (double)kl->kl.n;
}

static double rms(const lm_mean *mean)
{
    return sqrt(mean->sum_sq / (double)mean->n);
}

void cli_score_progress(const cli_scores *scores, bool verbose)
{
    const bool on_terminal = isatty(STDERR_FILENO) == 1;
    if (!on_terminal && !verbose)
        return;
    const double seconds = (double)(lm_clock_ns() - scores->start_ns) / 1e9;
    const double rest =
        seconds * (double)(scores->n_windows - scores->n_done) / (double)scores->n_done;
    fprintf(stderr, "%swindow %zu of %zu, perplexity %.4f", on_terminal ? "\r" : "", scores->n_done,
            scores->n_windows, perplexity(&scores->nll));
    if (scores->with_base)
        fprintf(stderr, ", KL divergence %.6f", lm_mean_value(&scores->kl.kl));
    if (on_terminal)
        fprintf(stderr, ", %.0f s left ", rest);
    else
        fputc('\n', stderr);
    fflush(stderr);
}

void cli_score_progress_end(const cli_scores *scores)
{
    if (scores->n_done > 0 && isatty(STDERR_FILENO) == 1)
        fprintf(stderr, "\r%79s\r", "");
}

// ---- text ---------------------------------------------------------------------------------------

static bool print_kl(cli_scores *scores, lm_error *err)
{
    const lm_kl_sums *kl = &scores->kl;
    bool ok = cli_print(err, "perplexity of the base  %.4f +/- %.4f\n", perplexity(&kl->base_nll),
                        perplexity_error(&kl->base_nll)) &&
              cli_print(err, "ln of their ratio       %.6f +/- %.6f\n",
                        lm_mean_value(&kl->log_ratio), lm_mean_error(&kl->log_ratio)) &&
              cli_print(err, "KL divergence           %.6f +/- %.6f nats a token\n",
                        lm_mean_value(&kl->kl), lm_mean_error(&kl->kl));
    for (size_t i = 0; ok && i < N_PARTS; i++)
        ok = cli_print(err, "  %-8s              %.6f\n", parts[i].name,
                       lm_kl_sums_at(kl, parts[i].part));
    const double top = same_top(kl);
    const double spread = kl->kl.n > 1 ? sqrt(top * (1 - top) / (double)(kl->kl.n - 1)) : 0;
    return ok &&
           cli_print(err, "same top token          %.3f %% +/- %.3f\n", 100 * top, 100 * spread) &&
           cli_print(err, "rms change of p(token)  %.3f %%\n", 100 * rms(&kl->p_change));
}

static bool print_text(cli_scores *scores, lm_error *err)
{
    const lm_mean *nll = &scores->nll;
    char stride[48] = "";
    if (scores->windows.stride)
        snprintf(stride, sizeof stride, ", stride %s",
                 cli_human_count(scores->windows.stride).text);
    return cli_print(err, "perplexity              %.4f +/- %.4f\n", perplexity(nll),
                     perplexity_error(nll)) &&
           cli_print(err,
                     "nats a token            %.6f +/- %.6f over %s tokens in %s windows of %s%s\n",
                     lm_mean_value(nll), lm_mean_error(nll), cli_human_count(nll->n).text,
                     cli_human_count(scores->n_done).text,
                     cli_human_count(scores->windows.length).text, stride) &&
           cli_print(err, "bits per byte           %.6f over %s bytes\n", bits_per_byte(scores),
                     cli_human_count(scores->n_bytes).text) &&
           (!scores->with_base || print_kl(scores, err)) && cli_flush(err);
}

// ---- JSON ---------------------------------------------------------------------------------------

static bool add_windows(cJSON *json, const cli_scores *scores)
{
    cJSON *list = cli_json_add_array(json, "windows");
    for (size_t i = 0; list && i < scores->n_done; i++) {
        cJSON *item = cJSON_CreateObject();
        if (!item || !cJSON_AddItemToArray(list, item) ||
            !cli_json_add_number(item, "tokens", scores->each[i].n_tokens) ||
            !cli_json_add_number(item, "nll", scores->each[i].nll))
            return false;
    }
    return list != NULL;
}

static bool add_kl(cJSON *json, const cli_scores *scores)
{
    if (!scores->with_base)
        return true;
    const lm_kl_sums *kl = &scores->kl;
    cJSON *object = cli_json_add_object(json, "kl");
    bool ok =
        cli_json_add_number(object, "base_perplexity", perplexity(&kl->base_nll)) &&
        cli_json_add_number(object, "base_perplexity_error", perplexity_error(&kl->base_nll)) &&
        cli_json_add_number(object, "log_ratio", lm_mean_value(&kl->log_ratio)) &&
        cli_json_add_number(object, "log_ratio_error", lm_mean_error(&kl->log_ratio)) &&
        cli_json_add_number(object, "mean", lm_mean_value(&kl->kl)) &&
        cli_json_add_number(object, "mean_error", lm_mean_error(&kl->kl)) &&
        cli_json_add_number(object, "same_top", same_top(kl)) &&
        cli_json_add_number(object, "rms_change", rms(&kl->p_change));
    for (size_t i = 0; ok && i < N_PARTS; i++)
        ok = cli_json_add_number(object, parts[i].key, lm_kl_sums_at(kl, parts[i].part));
    return ok;
}

static bool add_origin(cJSON *json, const cli_engine *engine)
{
    const lm_device_info *info = lm_device_get_info(engine->device);
    const lm_model_info *model = lm_model_get_info(engine->model);
    cJSON *device = cli_json_add_object(json, "device");
    cJSON *source = cli_json_add_object(json, "model");
    return cli_json_add_text(device, "name", lm_text_of(info->name)) &&
           cli_json_add_text(device, "uuid", lm_text_of(info->uuid)) &&
           cli_json_add_text(device, "driver", lm_text_of(info->driver)) &&
           cli_json_add_bool(device, "safe", info->safe) &&
           cli_json_add_text(source, "name", lm_text_of(model->name)) &&
           cli_json_add_text(source, "source", lm_text_of(cli_model_label(&engine->choice))) &&
           cli_json_add_text(source, "format", lm_text_of(model->format));
}

static bool print_json(const cli_scores *scores, const cli_engine *engine, lm_error *err)
{
    const lm_mean *nll = &scores->nll;
    cJSON *json = cJSON_CreateObject();
    const bool complete =
        cli_json_add_number(json, "perplexity", perplexity(nll)) &&
        cli_json_add_number(json, "perplexity_error", perplexity_error(nll)) &&
        cli_json_add_number(json, "nll", lm_mean_value(nll)) &&
        cli_json_add_number(json, "nll_error", lm_mean_error(nll)) &&
        cli_json_add_number(json, "tokens", (double)nll->n) &&
        cli_json_add_number(json, "bytes", (double)scores->n_bytes) &&
        cli_json_add_number(json, "bits_per_byte", bits_per_byte(scores)) &&
        cli_json_add_number(json, "window_tokens", scores->windows.length) &&
        cli_json_add_number(json, "stride", scores->windows.stride) &&
        cli_json_add_bool(json, "complete", scores->n_done == scores->n_windows) &&
        add_windows(json, scores) && add_kl(json, scores) && add_origin(json, engine);
    const bool ok = cli_json_print(json, complete, err);
    cJSON_Delete(json);
    return ok;
}

bool cli_score_report(cli_scores *scores, const cli_engine *engine, lm_error *err)
{
    if (scores->with_base)
        lm_kl_sums_sort(&scores->kl);
    return engine->options->json ? print_json(scores, engine, err) : print_text(scores, err);
}
