#include "support/golden.h"

#include "base/file.h"
#include "base/half.h"
#include "base/hash.h"
#include "lm_quantize.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER         LM_SOURCE_DIR "/tests/golden/"
#define MAX_FILE_BYTES ((size_t)1 << 20)

// Every format, and those of the first shaders on every shape. The 672 columns of gqa7's ffn_down
// are no multiple of 256: formats in blocks of 256 fall back to another there.
const golden_model golden_models[GOLDEN_MODELS] = {
    {"mha", LM_FORMAT_F32},    {"mha", LM_FORMAT_F16},    {"mha", LM_FORMAT_BF16},
    {"mha", LM_FORMAT_Q8_0},   {"mha", LM_FORMAT_Q4_K},   {"mha", LM_FORMAT_Q6_K},
    {"gqa7", LM_FORMAT_F32},   {"gqa7", LM_FORMAT_F16},   {"gqa7", LM_FORMAT_BF16},
    {"gqa7", LM_FORMAT_Q8_0},  {"gqa7", LM_FORMAT_Q4_K},  {"gqa7", LM_FORMAT_Q6_K},
    {"mqa32", LM_FORMAT_F32},  {"mqa32", LM_FORMAT_F16},  {"mqa32", LM_FORMAT_BF16},
    {"mqa32", LM_FORMAT_Q8_0}, {"mqa32", LM_FORMAT_Q4_K}, {"mqa32", LM_FORMAT_Q6_K},
    {"mha", LM_FORMAT_Q4_0},   {"mqa32", LM_FORMAT_Q4_1}, {"gqa7", LM_FORMAT_Q5_0},
    {"mha", LM_FORMAT_Q5_1},   {"gqa7", LM_FORMAT_Q2_K},  {"mqa32", LM_FORMAT_Q2_K},
    {"gqa7", LM_FORMAT_Q3_K},  {"mha", LM_FORMAT_Q3_K},   {"gqa7", LM_FORMAT_Q5_K},
    {"mqa32", LM_FORMAT_Q5_K},
};

void golden_shape_path(const char *shape, char *path, size_t size)
{
    snprintf(path, size, FOLDER "%s.json", shape);
}

// Reads numbers separated by blanks up to the end of the line; returns how many, at most `limit`.
static size_t read_numbers(const char *line, long long *numbers, size_t limit)
{
    size_t n = 0;
    while (n < limit) {
        char *end;
        const long long number = strtoll(line, &end, 10);
        if (end == line || memchr(line, '\n', (size_t)(end - line)))
            break;
        numbers[n++] = number;
        line = end;
    }
    return n;
}

// What follows `start` on the first line of `text` that begins with it, or NULL.
static const char *find_line(const char *text, const char *start)
{
    const size_t size = strlen(start);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, start, size) == 0)
            return line + size;
    }
    return NULL;
}

static bool read_list(golden_logits *golden, const char *text, const char *shape,
                      const char *format, lm_error *err)
{
    char start[64];
    snprintf(start, sizeof start, "model %s %s ", shape, format);
    const char *tokens = find_line(text, "tokens ");
    const char *positions = find_line(text, "positions ");
    const char *model = find_line(text, start);
    if (!tokens || !positions || !model)
        return lm_fail(err, LM_BAD_FILE, "logits.txt has no tokens, no positions or no '%s'",
                       start);
    long long numbers[GOLDEN_MAX_TOKENS];
    golden->n_tokens = read_numbers(tokens, numbers, GOLDEN_MAX_TOKENS);
    for (size_t i = 0; i < golden->n_tokens; i++)
        golden->tokens[i] = (lm_token)numbers[i];
    golden->n_positions = read_numbers(positions, numbers, GOLDEN_MAX_POSITIONS);
    for (size_t i = 0; i < golden->n_positions; i++) {
        golden->positions[i] = (size_t)numbers[i];
        if (golden->positions[i] >= golden->n_tokens)
            return lm_fail(err, LM_BAD_FILE, "logits.txt: position %zu of %zu tokens",
                           golden->positions[i], golden->n_tokens);
    }
    golden->fingerprint = strtoull(model, NULL, 16);
    if (golden->n_positions == 0)
        return lm_fail(err, LM_BAD_FILE, "logits.txt: no positions");
    return true;
}

static bool read_logits(golden_logits *golden, const char *shape, const char *format, lm_error *err)
{
    char path[sizeof FOLDER + 64];
    char *bytes;
    size_t size;
    snprintf(path, sizeof path, FOLDER "logits_%s_%s.bin", shape, format);
    if (!lm_file_read_all(path, -1, MAX_FILE_BYTES, &bytes, &size, err))
        return false;
    golden->logits = malloc(size);
    golden->n_vocab = size / sizeof(float) / golden->n_positions / 2;
    bool ok = golden->logits && golden->n_vocab > 0;
    if (!ok)
        lm_fail(err, LM_BAD_FILE, "%s: %zu bytes", path, size);
    for (size_t i = 0; ok && i < 2 * golden->n_positions * golden->n_vocab; i++) {
        const unsigned char *at = (const unsigned char *)bytes + i * sizeof(float);
        golden->logits[i] = lm_f32_from_bits((uint32_t)at[0] | (uint32_t)at[1] << 8 |
                                             (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);
    }
    free(bytes);
    if (ok)
        golden->logits_kv_f16 = golden->logits + golden->n_positions * golden->n_vocab;
    return ok;
}

bool golden_logits_init(golden_logits *golden, const char *shape, const char *format, lm_error *err)
{
    char *text;
    size_t size;
    *golden = (golden_logits){0};
    if (!lm_file_read_all(FOLDER "logits.txt", -1, MAX_FILE_BYTES, &text, &size, err))
        return false;
    const bool ok =
        read_list(golden, text, shape, format, err) && read_logits(golden, shape, format, err);
    free(text);
    return ok;
}

void golden_logits_finish(golden_logits *golden)
{
    free(golden->logits);
    golden->logits = NULL;
}

bool golden_write_mixed(const char *floats, const char *path, lm_error *err)
{
    char shape[4096];
    golden_shape_path(GOLDEN_MIXED_SHAPE, shape, sizeof shape);
    const lm_model_params params = {.synthetic = shape, .format = "F32"};
    lm_quantized done;
    return lm_model_write_synthetic(&params, floats, err) &&
           lm_model_quantize(
               &(lm_quantize_params){.path = floats, .type = GOLDEN_MIXTURE, .output = path}, &done,
               err);
}

bool golden_fingerprint(const lm_source *source, uint64_t *fingerprint, lm_error *err)
{
    *fingerprint = LM_HASH_START;
    for (size_t i = 0; i < lm_source_n_tensors(source); i++) {
        const size_t row_bytes = (size_t)lm_source_tensor(source, i)->row_bytes;
        unsigned char *row = malloc(row_bytes);
        const bool ok = row ? lm_source_read(source, i, 0, 1, row, err)
                            : lm_fail(err, LM_NO_MEMORY, "no memory for %zu bytes", row_bytes);
        if (ok)
            *fingerprint = lm_hash(*fingerprint, row, row_bytes);
        free(row);
        if (!ok)
            return false;
    }
    return true;
}
