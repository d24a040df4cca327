// Models split over several files, as llama.cpp's gguf-split writes them: each part is a GGUF file
// with the keys below, the first one has the rest of the metadata, each has the data of its
// tensors.

#include "gguf/header.h"

#include "base/hash.h"
#include "base/shown.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_NUMBER  "split.no"
#define KEY_COUNT   "split.count"
#define KEY_TENSORS "split.tensors.count"
#define KEY_ARCH    "general.architecture"

#define ENDING_BYTES 20u  // of "-00001-of-00003.gguf"
#define MAX_PARTS    512u // each is an open file

// What a part says of itself.
struct claim {
    uint64_t number; // from 0
    uint64_t count;
    uint64_t n_tensors; // of all parts
};

bool lm_gguf_is_part(const lm_gguf *gguf)
{
    uint64_t count;
    return lm_gguf_get_u64(gguf, KEY_COUNT, &count) && count > 1;
}

static bool read_key(const lm_gguf *gguf, const char *key, uint64_t *value, lm_error *err)
{
    return lm_gguf_get_u64(gguf, key, value) ||
           lm_fail(err, LM_BAD_FILE, "%s: the key '%s' is missing or not one whole number",
                   gguf->path, key);
}

static bool read_claim(const lm_gguf *gguf, struct claim *claim, lm_error *err)
{
    if (!read_key(gguf, KEY_COUNT, &claim->count, err) ||
        !read_key(gguf, KEY_NUMBER, &claim->number, err) ||
        !read_key(gguf, KEY_TENSORS, &claim->n_tensors, err))
        return false;
    if (claim->number >= claim->count)
        return lm_fail(err, LM_BAD_FILE,
                       "%s: the keys '%s' %" PRIu64 " and '%s' %" PRIu64
                       " contradict each other: the first counts from 0",
                       gguf->path, KEY_NUMBER, claim->number, KEY_COUNT, claim->count);
    if (claim->count > MAX_PARTS)
        return lm_fail(err, LM_BAD_FILE,
                       "%s: the key '%s' is %" PRIu64 "; at most %u files can be joined",
                       gguf->path, KEY_COUNT, claim->count, MAX_PARTS);
    return true;
}

static void spell_ending(char ending[ENDING_BYTES + 1], uint64_t number, uint64_t count)
{
    snprintf(ending, ENDING_BYTES + 1, "-%05u-of-%05u.gguf", (unsigned)number + 1, (unsigned)count);
}

// The path of part 0 in `path`, which the caller frees, and where the ending of each path goes.
static bool find_names(const lm_gguf *part, const struct claim *claim, char **path, char **ending,
                       lm_error *err)
{
    char own[ENDING_BYTES + 1];
    const size_t size = strlen(part->path);
    spell_ending(own, claim->number, claim->count);
    if (size <= ENDING_BYTES || strcmp(part->path + size - ENDING_BYTES, own) != 0)
        return lm_fail(err, LM_BAD_FILE,
                       "%s is part %" PRIu64 " of %" PRIu64
                       " of a split model, but its name does not end in '%s', so that the other "
                       "parts cannot be found",
                       part->path, claim->number + 1, claim->count, own);
    *path = strdup(part->path);
    if (!*path)
        return lm_fail(err, LM_NO_MEMORY, "out of memory opening %s", part->path);
    *ending = *path + size - ENDING_BYTES;
    spell_ending(*ending, 0, claim->count);
    return true;
}

// Opens one part and checks that it is the one its name says, of the model of `first` if given.
static lm_gguf *open_part(const char *path, const struct claim *want, const lm_gguf *first,
                          lm_error *err)
{
    if (!lm_file_exists(path)) {
        lm_fail(err, LM_BAD_FILE, "part %" PRIu64 " of %" PRIu64 ", %s, is missing",
                want->number + 1, want->count, path);
        return NULL;
    }
    lm_gguf *part = lm_gguf_open_file(path, err);
    struct claim claim;
    if (!part || !read_claim(part, &claim, err))
        goto fail;
    if (claim.number != want->number || claim.count != want->count) {
        lm_fail(err, LM_BAD_FILE,
                "%s says that it is part %" PRIu64 " of %" PRIu64
                " (keys '%s' and '%s'), its name that it is part %" PRIu64 " of %" PRIu64,
                path, claim.number + 1, claim.count, KEY_NUMBER, KEY_COUNT, want->number + 1,
                want->count);
        goto fail;
    }
    if (claim.n_tensors != want->n_tensors) {
        lm_fail(err, LM_BAD_FILE,
                "%s is part of a model of %" PRIu64
                " tensors (key '%s'), another part says %" PRIu64,
                path, claim.n_tensors, KEY_TENSORS, want->n_tensors);
        goto fail;
    }
    lm_text mine, its;
    if (first && lm_gguf_get_text(part, KEY_ARCH, &mine) &&
        lm_gguf_get_text(first, KEY_ARCH, &its) && !lm_text_equal(mine, its)) {
        lm_fail(err, LM_BAD_FILE, "%s is of the architecture '%s', the first part of '%s'", path,
                lm_show(mine).text, lm_show(its).text);
        goto fail;
    }
    return part;
fail:
    lm_gguf_close(&part);
    return NULL;
}

// Puts the tensors of all parts in the list of the first.
static bool join_tensors(lm_gguf *first, const struct claim *claim, lm_error *err)
{
    uint64_t n = first->n_tensors;
    for (uint32_t i = 0; i < first->n_others; i++)
        n += first->others[i]->n_tensors;
    if (n != claim->n_tensors)
        return lm_fail(err, LM_BAD_FILE,
                       "%s: the %" PRIu64 " parts hold %" PRIu64
                       " tensors in all, the key '%s' says %" PRIu64,
                       first->path, claim->count, n, KEY_TENSORS, claim->n_tensors);
    if (n > LM_GGUF_MAX_TENSORS)
        return lm_fail(err, LM_BAD_FILE, "%s: the parts hold %" PRIu64 " tensors; the limit is %u",
                       first->path, n, LM_GGUF_MAX_TENSORS);
    lm_names index = {0};
    lm_gguf_tensor *tensors = calloc((size_t)n + 1, sizeof *tensors);
    if (!tensors || !lm_names_init(&index, (uint32_t)n)) {
        free(tensors);
        return lm_fail(err, LM_NO_MEMORY, "out of memory joining the parts of %s", first->path);
    }
    bool ok = true;
    for (uint32_t p = 0; p <= first->n_others; p++) {
        const lm_gguf *part = p == 0 ? first : first->others[p - 1];
        for (uint32_t i = 0; ok && i < part->n_tensors; i++) {
            lm_gguf_tensor *to = &tensors[index.count];
            *to = part->tensors[i];
            to->part = p;
            if (!lm_names_add(&index, to->name))
                ok = lm_fail(err, LM_BAD_FILE, "%s holds the tensor '%s', as a part before it does",
                             part->path, lm_show(to->name).text);
        }
    }
    free(first->tensors);
    lm_names_finish(&first->tensor_index);
    first->tensors = tensors;
    first->tensor_index = index;
    first->n_tensors = index.count;
    return ok;
}

lm_gguf *lm_gguf_open_parts(lm_gguf *part, lm_error *err)
{
    struct claim claim;
    char *path = NULL;
    char *ending = NULL;
    lm_gguf *first = NULL;
    if (!read_claim(part, &claim, err) || !find_names(part, &claim, &path, &ending, err))
        goto fail;
    claim.number = 0;
    first = open_part(path, &claim, NULL, err);
    if (!first)
        goto fail;
    first->others = calloc((size_t)claim.count, sizeof *first->others);
    if (!first->others) {
        lm_fail(err, LM_NO_MEMORY, "out of memory opening %s", path);
        goto fail;
    }
    while (++claim.number < claim.count) {
        spell_ending(ending, claim.number, claim.count);
        lm_gguf *other = open_part(path, &claim, first, err);
        if (!other)
            goto fail;
        first->others[first->n_others++] = other;
        first->header_hash =
            lm_hash(first->header_hash, other->header, (size_t)other->header_bytes);
    }
    if (!join_tensors(first, &claim, err))
        goto fail;
    free(path);
    lm_gguf_close(&part);
    return first;
fail:
    free(path);
    lm_gguf_close(&first);
    lm_gguf_close(&part);
    return NULL;
}
