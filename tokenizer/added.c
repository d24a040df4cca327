#include "tokenizer/added.h"

#include <stdlib.h>

static int compare(const void *left, const void *right)
{
    const lm_added_token *a = left;
    const lm_added_token *b = right;
    const size_t common = a->spelling.size < b->spelling.size ? a->spelling.size : b->spelling.size;
    const int order = memcmp(a->spelling.at, b->spelling.at, common);
    if (order != 0)
        return order;
    if (a->spelling.size != b->spelling.size)
        return a->spelling.size < b->spelling.size ? -1 : 1;
    return a->token < b->token ? -1 : a->token > b->token;
}

void lm_added_init(lm_added *added, lm_added_token *tokens, size_t n_tokens)
{
    *added = (lm_added){.tokens = tokens, .n_tokens = n_tokens};
    if (n_tokens > 0)
        qsort(tokens, n_tokens, sizeof *tokens, compare);
    for (size_t i = 0; i < n_tokens; i++)
        added->begins[(unsigned char)tokens[i].spelling.at[0]] = true;
}

void lm_added_finish(lm_added *added)
{
    free(added->tokens);
    *added = (lm_added){0};
}

// The first token in [low, high), all equal in their first `depth` bytes, whose byte after those is
// at least `byte`; a spelling that ends there comes before all.
static size_t lower_bound(const lm_added *added, size_t low, size_t high, size_t depth, int byte)
{
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const lm_text spelling = added->tokens[middle].spelling;
        const int here = depth < spelling.size ? (unsigned char)spelling.at[depth] : -1;
        if (here < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// The longest token that `text` starts with.
static const lm_added_token *longest(const lm_added *added, lm_text text, bool control)
{
    const lm_added_token *found = NULL;
    size_t low = 0;
    size_t high = added->n_tokens;
    for (size_t depth = 0; depth < text.size && low < high; depth++) {
        const int byte = (unsigned char)text.at[depth];
        low = lower_bound(added, low, high, depth, byte);
        high = lower_bound(added, low, high, depth, byte + 1);
        // A spelling that ends here sorts first; of two equal ones the lower id.
        if (low < high && added->tokens[low].spelling.size == depth + 1 &&
            (control || !added->tokens[low].control))
            found = &added->tokens[low];
    }
    return found;
}

const lm_added_token *lm_added_find(const lm_added *added, lm_text text, size_t from, bool control,
                                    size_t *at)
{
    for (size_t i = from; i < text.size; i++) {
        if (!added->begins[(unsigned char)text.at[i]])
            continue;
        const lm_added_token *found =
            longest(added, (lm_text){text.at + i, text.size - i}, control);
        if (found) {
            *at = i;
            return found;
        }
    }
    return NULL;
}
