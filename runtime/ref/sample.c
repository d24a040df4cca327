#include "ref/sample.h"

#include <math.h>
#include <stdlib.h>

struct item {
    double logit;
    size_t token;
};

// Larger logits first, then lower tokens.
static int compare(const void *left, const void *right)
{
    const struct item *a = left;
    const struct item *b = right;
    if (a->logit != b->logit)
        return a->logit > b->logit ? -1 : 1;
    return a->token < b->token ? -1 : 1;
}

static double adjust(const lm_ref_sampling *s, double logit, size_t token)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_window; i++)
        n += s->window[i] == token;
    if (n > 0) {
        const double repeat = s->repeat == 0.0 ? 1.0 : s->repeat;
        logit = logit > 0.0 ? logit / repeat : logit * repeat;
        logit -= s->frequency * (double)n + s->presence;
    }
    for (size_t i = 0; i < s->n_bias; i++)
        if (s->bias_tokens[i] == token)
            logit += (double)s->biases[i];
    return logit;
}

// How many of the sorted items top-k leaves: k, and those equal to the last of them.
static size_t cut_k(const struct item *items, size_t n, size_t k)
{
    if (k == 0 || k >= n)
        return n;
    while (k < n && items[k].logit == items[k - 1].logit)
        k++;
    return k;
}

// Likewise top-p: the fewest that reach it. w are the weights of the items.
static size_t cut_p(const struct item *items, const double *w, size_t n, double top_p,
                    double *margin)
{
    if (top_p == 0.0 || top_p >= 1.0)
        return n;
    double whole = 0.0;
    for (size_t i = 0; i < n; i++)
        whole += w[i];
    double sum = 0.0;
    size_t kept = 0;
    while (kept < n) {
        double next = sum;
        size_t end = kept;
        while (end < n && items[end].logit == items[kept].logit)
            next += w[end++];
        *margin = fmin(*margin, fabs(next / whole - top_p));
        kept = end;
        sum = next;
        if (sum / whole >= top_p)
            break;
    }
    return kept;
}

static size_t cut_min(const double *w, size_t n, double min_p, double *margin)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        kept += w[i] >= min_p;
        if (min_p > 0.0 && i > 0 && w[i] < 1.0)
            *margin = fmin(*margin, fabs(w[i] / min_p - 1.0));
    }
    return kept;
}

// The items sorted, w their weights; fills p.
static double distribute(const lm_ref_sampling *s, const struct item *items, double *w,
                         size_t n_vocab, double *p)
{
    double margin = INFINITY;
    if (s->temperature == 0.0) {
        p[items[0].token] = 1.0;
        return margin;
    }
    size_t n = cut_k(items, n_vocab, s->top_k);
    for (size_t i = 0; i < n; i++)
        w[i] = exp((items[i].logit - items[0].logit) / s->temperature);
    n = cut_p(items, w, n, s->top_p, &margin);
    n = cut_min(w, n, s->min_p, &margin);
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += w[i];
    for (size_t i = 0; i < n; i++)
        p[items[i].token] = w[i] / sum;
    return margin;
}

double lm_ref_sample(const lm_ref_sampling *s, const float *logits, size_t n_vocab, double *p)
{
    struct item *items = malloc(n_vocab * sizeof *items);
    double *w = malloc(n_vocab * sizeof *w);
    const int has_memory = items && w;
    for (size_t t = 0; t < n_vocab; t++) {
        p[t] = has_memory ? 0.0 : (double)NAN;
        if (has_memory)
            items[t] = (struct item){adjust(s, (double)logits[t], t), t};
    }
    double margin = 0.0;
    if (has_memory) {
        qsort(items, n_vocab, sizeof *items, compare);
        margin = distribute(s, items, w, n_vocab, p);
    }
    free(items);
    free(w);
    return margin;
}

double lm_ref_sample_distance(const double *p, size_t n_vocab, double at, size_t token)
{
    double begin = 0.0;
    for (size_t t = 0; t < token && t < n_vocab; t++)
        begin += p[t];
    const double end = begin + (token < n_vocab ? p[token] : 0.0);
    if (at >= begin && at < end)
        return 0.0;
    return at < begin ? begin - at : at - end;
}

void lm_ref_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]};
    uint32_t k[2] = {key[0], key[1]};
    for (int round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)0xd2511f53u * c[0];
        const uint64_t b = (uint64_t)0xcd9e8d57u * c[2];
        const uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k[0], (uint32_t)b,
                                  (uint32_t)(a >> 32) ^ c[3] ^ k[1], (uint32_t)a};
        for (int i = 0; i < 4; i++)
            c[i] = next[i];
        k[0] += 0x9e3779b9u;
        k[1] += 0xbb67ae85u;
    }
    for (int i = 0; i < 4; i++)
        out[i] = c[i];
}

double lm_ref_sample_random(uint64_t seed, uint32_t position)
{
    const uint32_t counter[4] = {position, 0, 0, 0};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t random[4];
    lm_ref_philox(counter, key, random);
    return ldexp((double)(random[1] >> 8), -24) + ldexp((double)(random[0] >> 8), -48);
}

void lm_ref_log_softmax(const float *logits, size_t n_vocab, double *y)
{
    double largest = -INFINITY;
    for (size_t t = 0; t < n_vocab; t++)
        largest = fmax(largest, (double)logits[t]);
    double sum = 0.0;
    for (size_t t = 0; t < n_vocab; t++)
        sum += exp((double)logits[t] - largest);
    for (size_t t = 0; t < n_vocab; t++)
        y[t] = (double)logits[t] - largest - log(sum);
}
