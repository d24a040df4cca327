#include "score_sums.h"

#include <math.h>
#include <stdlib.h>

#define LEAST_LOGPROB (-16.0) // of the base: less says its file not exactly

lm_softmax lm_softmax_of(const float *logits, uint32_t n_vocab)
{
    uint32_t top = 0;
    for (uint32_t i = 1; i < n_vocab; i++)
        if (logits[i] > logits[top])
            top = i;
    double sum = 0.0;
    for (uint32_t i = 0; i < n_vocab; i++)
        sum += (double)expf(logits[i] - logits[top]);
    return (lm_softmax){(double)logits[top] + log(sum), (lm_token)top};
}

double lm_softmax_nll(const lm_softmax *softmax, const float *logits, lm_token token)
{
    return softmax->log_sum - (double)logits[token];
}

void lm_mean_add(lm_mean *mean, double value)
{
    mean->sum += value;
    mean->sum_sq += value * value;
    mean->n++;
}

double lm_mean_value(const lm_mean *mean)
{
    return mean->n ? mean->sum / (double)mean->n : 0.0;
}

double lm_mean_error(const lm_mean *mean)
{
    if (mean->n < 2)
        return 0.0;
    const double value = lm_mean_value(mean);
    const double variance = mean->sum_sq / (double)mean->n - value * value;
    return variance > 0 ? sqrt(variance / (double)(mean->n - 1)) : 0.0;
}

static bool keep(lm_kl_sums *sums, float value, lm_error *err)
{
    const size_t n = (size_t)sums->kl.n;
    if (n == sums->room) {
        const size_t room = n ? 2 * n : 1024;
        float *larger = realloc(sums->values, room * sizeof *larger);
        if (!larger)
            return lm_fail(err, LM_NO_MEMORY, "out of memory keeping %zu divergences", n);
        sums->values = larger;
        sums->room = room;
    }
    sums->values[n] = value;
    return true;
}

bool lm_kl_sums_add(lm_kl_sums *sums, const float *logits, const lm_softmax *softmax,
                    const lm_logprob_row *base, uint32_t n_vocab, lm_token token, lm_error *err)
{
    const double scale = (double)base->scale;
    const double least = (double)base->least;
    double kl = 0.0;
    uint32_t top = 0;
    for (uint32_t i = 0; i < n_vocab; i++) {
        if (base->q[i] > base->q[top])
            top = i;
        const double logprob = scale * base->q[i] + least;
        if (logprob > LEAST_LOGPROB)
            kl += (double)expf((float)logprob) * (logprob - ((double)logits[i] - softmax->log_sum));
    }
    if (!keep(sums, (float)kl, err))
        return false;
    const double nll = lm_softmax_nll(softmax, logits, token);
    const double base_nll = -(scale * base->q[token] + least);
    lm_mean_add(&sums->kl, kl);
    lm_mean_add(&sums->base_nll, base_nll);
    lm_mean_add(&sums->log_ratio, nll - base_nll);
    lm_mean_add(&sums->p_change, exp(-nll) - exp(-base_nll));
    sums->n_same_top += softmax->top == (lm_token)top;
    return true;
}

void lm_kl_sums_finish(lm_kl_sums *sums)
{
    free(sums->values);
    *sums = (lm_kl_sums){0};
}

static int compare(const void *a, const void *b)
{
    const float x = *(const float *)a;
    const float y = *(const float *)b;
    return (x > y) - (x < y);
}

void lm_kl_sums_sort(lm_kl_sums *sums)
{
    qsort(sums->values, (size_t)sums->kl.n, sizeof *sums->values, compare);
}

double lm_kl_sums_at(const lm_kl_sums *sums, double part)
{
    const double at = part * (double)(sums->kl.n - 1);
    const size_t below = (size_t)at;
    const size_t above = below + 1 < sums->kl.n ? below + 1 : below;
    const double rest = at - (double)below;
    return (1.0 - rest) * (double)sums->values[below] + rest * (double)sums->values[above];
}
