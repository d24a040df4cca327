#include "tokenizer/bpe.h"

#include <stdlib.h>

// Up to this many bytes a scan over all pairs beats a heap; most pieces of source code are shorter
// than 16.
#define SHORT_PIECE 48
#define MAX_PIECE   ((size_t)INT32_MAX)
#define NONE        UINT32_MAX

// ---- short pieces: scan all pairs ---------------------------------------------------------------

struct symbol {
    lm_token token;
    const lm_merge *merge; // with the symbol to the right; NULL where there is none
};

static size_t encode_short(const lm_merges *merges, const lm_token byte_token[256], lm_text piece,
                           lm_token *out)
{
    struct symbol symbols[SHORT_PIECE + 1];
    size_t n = piece.size;
    for (size_t i = 0; i < n; i++)
        symbols[i].token = byte_token[(unsigned char)piece.at[i]];
    for (size_t i = 0; i + 1 < n; i++)
        symbols[i].merge = lm_merges_find(merges, symbols[i].token, symbols[i + 1].token);

    for (;;) {
        size_t best = n;
        for (size_t i = 0; i + 1 < n; i++)
            if (symbols[i].merge &&
                (best == n || symbols[i].merge->rank < symbols[best].merge->rank))
                best = i;
        if (best == n)
            break;
        symbols[best].token = symbols[best].merge->product;
        n--;
        for (size_t i = best + 1; i < n; i++)
            symbols[i] = symbols[i + 1];
        if (best + 1 < n)
            symbols[best].merge =
                lm_merges_find(merges, symbols[best].token, symbols[best + 1].token);
        if (best > 0)
            symbols[best - 1].merge =
                lm_merges_find(merges, symbols[best - 1].token, symbols[best].token);
    }
    for (size_t i = 0; i < n; i++)
        out[i] = symbols[i].token;
    return n;
}

// ---- long pieces: a linked list of tokens and a heap of the pairs that have a rule --------------

struct lm_bpe_link {
    lm_token token; // LM_NO_TOKEN once merged into its left neighbour
    uint32_t previous;
    uint32_t next;
};

// A heap entry is rank << 32 | position of the left token, so that the smallest is what comes next.
struct heap {
    uint64_t *at;
    size_t n;
};

static void sift_down(struct heap *heap, size_t hole, uint64_t entry)
{
    for (;;) {
        size_t child = 2 * hole + 1;
        if (child >= heap->n)
            break;
        if (child + 1 < heap->n && heap->at[child + 1] < heap->at[child])
            child++;
        if (entry <= heap->at[child])
            break;
        heap->at[hole] = heap->at[child];
        hole = child;
    }
    heap->at[hole] = entry;
}

static void push(struct heap *heap, uint64_t entry)
{
    size_t hole = heap->n++;
    while (hole > 0 && heap->at[(hole - 1) / 2] > entry) {
        heap->at[hole] = heap->at[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    heap->at[hole] = entry;
}

static uint64_t pop(struct heap *heap)
{
    const uint64_t top = heap->at[0];
    const uint64_t last = heap->at[--heap->n];
    if (heap->n > 0)
        sift_down(heap, 0, last);
    return top;
}

static const lm_merge *merge_at(const lm_merges *merges, const struct lm_bpe_link *links,
                                uint32_t at)
{
    if (at == NONE || links[at].token < 0 || links[at].next == NONE)
        return NULL;
    return lm_merges_find(merges, links[at].token, links[links[at].next].token);
}

static void push_pair(struct heap *heap, const lm_merges *merges, const struct lm_bpe_link *links,
                      uint32_t at)
{
    const lm_merge *merge = merge_at(merges, links, at);
    if (merge)
        push(heap, (uint64_t)merge->rank << 32 | at);
}

// The pairs of the fresh list, heaped in linear time.
static void heap_all_pairs(struct heap *heap, const lm_merges *merges,
                           const struct lm_bpe_link *links, size_t n_links)
{
    for (uint32_t at = 0; at < n_links; at++) {
        const lm_merge *merge = merge_at(merges, links, at);
        if (merge)
            heap->at[heap->n++] = (uint64_t)merge->rank << 32 | at;
    }
    for (size_t hole = heap->n / 2; hole-- > 0;)
        sift_down(heap, hole, heap->at[hole]);
}

static size_t encode_long(const lm_merges *merges, const lm_token byte_token[256], lm_text piece,
                          lm_bpe_scratch *scratch, lm_token *out)
{
    struct lm_bpe_link *links = scratch->links;
    const uint32_t n = (uint32_t)piece.size;
    for (uint32_t i = 0; i < n; i++)
        links[i] = (struct lm_bpe_link){.token = byte_token[(unsigned char)piece.at[i]],
                                        .previous = i > 0 ? i - 1 : NONE,
                                        .next = i + 1 < n ? i + 1 : NONE};
    struct heap heap = {scratch->heap, 0};
    heap_all_pairs(&heap, merges, links, n);

    while (heap.n > 0) {
        // A pair changes when one of its tokens is merged elsewhere; its old entry stays in the
        // heap and is recognised here, because the rank belongs to one pair of tokens only.
        const uint64_t entry = pop(&heap);
        const uint32_t at = (uint32_t)entry;
        const lm_merge *merge = merge_at(merges, links, at);
        if (!merge || merge->rank != entry >> 32)
            continue;
        const uint32_t right = links[at].next;
        links[at].token = merge->product;
        links[at].next = links[right].next;
        links[right].token = LM_NO_TOKEN;
        if (links[at].next != NONE)
            links[links[at].next].previous = at;
        // One entry went, at most two come, for at most n - 1 merges: 2n entries are enough.
        push_pair(&heap, merges, links, at);
        push_pair(&heap, merges, links, links[at].previous);
    }
    size_t n_out = 0;
    for (uint32_t at = 0; at != NONE; at = links[at].next)
        out[n_out++] = links[at].token;
    return n_out;
}

static bool reserve(lm_bpe_scratch *scratch, size_t capacity, lm_error *err)
{
    if (capacity <= scratch->capacity)
        return true;
    lm_bpe_scratch_finish(scratch);
    if (capacity <= MAX_PIECE) {
        scratch->links = malloc(capacity * sizeof *scratch->links);
        scratch->heap = malloc(2 * capacity * sizeof *scratch->heap);
    }
    if (!scratch->links || !scratch->heap) {
        lm_bpe_scratch_finish(scratch);
        return lm_fail(err, LM_NO_MEMORY, "no memory to encode %zu bytes in one piece", capacity);
    }
    scratch->capacity = capacity;
    return true;
}

// ---- ----

void lm_bpe_scratch_finish(lm_bpe_scratch *scratch)
{
    free(scratch->links);
    free(scratch->heap);
    *scratch = (lm_bpe_scratch){0};
}

bool lm_bpe_encode(const lm_merges *merges, const lm_token byte_token[256], lm_text piece,
                   lm_bpe_scratch *scratch, lm_token *out, size_t *n_out, lm_error *err)
{
    *n_out = 0;
    if (piece.size <= SHORT_PIECE) {
        *n_out = encode_short(merges, byte_token, piece, out);
        return true;
    }
    if (!reserve(scratch, piece.size, err))
        return false;
    *n_out = encode_long(merges, byte_token, piece, scratch, out);
    return true;
}
