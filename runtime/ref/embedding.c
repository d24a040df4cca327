#include "ref/ops.h"

#include <string.h>

void lm_ref_embedding(const float *table, const int32_t *tokens, size_t n_tokens, size_t n_embd,
                      float *y)
{
    for (size_t t = 0; t < n_tokens; t++)
        memcpy(y + t * n_embd, table + (size_t)tokens[t] * n_embd, n_embd * sizeof *y);
}
