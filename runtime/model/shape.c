// Shapes: the models of the DeepSeek-Coder family by name, or sizes in a JSON file.

#include "model/config.h"

#include "base/file.h"
#include "base/shown.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SHAPE_BYTES (64u << 10)

// The family's models as their config.json have them.
static const lm_config FAMILY[] = {
    {"deepseek-coder-1.3b", 24, 2048, 5504, 16, 16, 128, 32256, 16384, 1e-6f, 100000, 4, false,
     false},
    {"deepseek-coder-5.7bmqa", 32, 4096, 11008, 32, 1, 128, 32256, 16384, 1e-6f, 100000, 4, false,
     false},
    {"deepseek-coder-6.7b", 32, 4096, 11008, 32, 32, 128, 32256, 16384, 1e-6f, 100000, 4, false,
     false},
    {"deepseek-coder-33b", 62, 7168, 19200, 56, 8, 128, 32256, 16384, 1e-6f, 100000, 4, false,
     false},
    {"deepseek-coder-7b-v1.5", 30, 4096, 11008, 32, 32, 128, 102400, 4096, 1e-6f, 10000, 1, false,
     false},
};
#define N_FAMILY (sizeof FAMILY / sizeof *FAMILY)

static bool read_count(const cJSON *item, uint32_t *value, lm_error *err)
{
    const double number = item->valuedouble;
    if (!cJSON_IsNumber(item))
        return lm_fail(err, LM_BAD_ARGUMENT, "'%s' is not a number", item->string);
    if (!(number >= 1 && number <= INT32_MAX) || number != (double)(uint32_t)number)
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "'%s' is %g; it must be a whole number from 1 to %" PRId32, item->string,
                       number, INT32_MAX);
    *value = (uint32_t)number;
    return true;
}

static bool read_real(const cJSON *item, double *value, lm_error *err)
{
    if (!cJSON_IsNumber(item))
        return lm_fail(err, LM_BAD_ARGUMENT, "'%s' is not a number", item->string);
    *value = (float)item->valuedouble; // as a GGUF file keeps it
    return true;
}

static bool read_flag(const cJSON *item, bool *value, lm_error *err)
{
    if (!cJSON_IsBool(item))
        return lm_fail(err, LM_BAD_ARGUMENT, "'%s' is neither true nor false", item->string);
    *value = cJSON_IsTrue(item);
    return true;
}

static bool read_key(lm_config *c, const cJSON *item, lm_error *err)
{
    const struct {
        const char *key;
        uint32_t *value;
    } counts[] = {
        {"layers", &c->n_layer}, {"hidden", &c->n_embd},       {"intermediate", &c->n_ff},
        {"heads", &c->n_head},   {"kv_heads", &c->n_head_kv},  {"head_dim", &c->head_dim},
        {"vocab", &c->n_vocab},  {"context", &c->n_ctx_train},
    };
    for (const cJSON *other = item->next; other; other = other->next)
        if (strcmp(other->string, item->string) == 0)
            return lm_fail(err, LM_BAD_ARGUMENT, "'%s' is there twice",
                           lm_show(lm_text_of(item->string)).text);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (strcmp(item->string, counts[i].key) == 0)
            return read_count(item, counts[i].value, err);
    if (strcmp(item->string, "rope_base") == 0)
        return read_real(item, &c->rope_base, err);
    if (strcmp(item->string, "rope_factor") == 0)
        return read_real(item, &c->rope_factor, err);
    if (strcmp(item->string, "tied") == 0)
        return read_flag(item, &c->tied, err);
    if (strcmp(item->string, "qkv_bias") == 0)
        return read_flag(item, &c->qkv_bias, err);
    return lm_fail(err, LM_BAD_ARGUMENT,
                   "the key '%s' is unknown; known are layers, hidden, intermediate, heads, "
                   "kv_heads, head_dim, vocab, context, rope_base, rope_factor, tied and qkv_bias",
                   lm_show(lm_text_of(item->string)).text);
}

// Fills what the file did not say (still 0), as config.h documents.
static void fill_defaults(lm_config *c)
{
    if (c->head_dim == 0)
        c->head_dim = c->n_head ? c->n_embd / c->n_head : 128;
    if (c->n_head == 0)
        c->n_head = c->n_embd / c->head_dim;
    if (c->n_head_kv == 0)
        c->n_head_kv = c->n_head;
    if (c->n_ff == 0) // 8/3 up to a multiple of 128 gives 5504, 11008 and 19200 for the family
        c->n_ff = (uint32_t)(((uint64_t)c->n_embd * 8 + 3 * 128 - 1) / (3 * 128) * 128);
}

// Says where the JSON ends to be JSON: the line, and what stands around, from the last comma on.
static bool fail_syntax(const char *text, size_t size, const char *at, lm_error *err)
{
    const char *end = text + size;
    unsigned line = 1;
    if (!at || at < text || at > end)
        at = text;
    for (const char *c = text; c < at; c++)
        line += *c == '\n';
    const char *from = at;
    while (from > text && at - from < 40 && !strchr(",{\n", from[-1]))
        from--;
    size_t n = 0;
    while (from + n < end && n < 63 && (from + n < at || !strchr(",}\n", from[n])))
        n++;
    return lm_fail(err, LM_BAD_ARGUMENT, "no JSON at line %u, near '%s'", line,
                   lm_show((lm_text){from, n}).text);
}

static bool parse_shape(lm_config *c, const char *text, size_t size, lm_error *err)
{
    const char *at = NULL;
    if (strlen(text) != size)
        return lm_fail(err, LM_BAD_ARGUMENT, "no JSON: it holds a zero byte");
    cJSON *root = cJSON_ParseWithLengthOpts(text, size + 1, &at, true);
    bool ok = root != NULL;
    if (!root)
        fail_syntax(text, size, at, err);
    else if (!cJSON_IsObject(root))
        ok = lm_fail(err, LM_BAD_ARGUMENT, "a shape is a JSON object: { \"layers\": 24, ... }");
    for (const cJSON *item = ok ? root->child : NULL; item && ok; item = item->next)
        ok = read_key(c, item, err);
    cJSON_Delete(root);
    if (!ok)
        return false;
    fill_defaults(c);
    return lm_config_check(c, err);
}

// The file's name without folder and ".json", whole characters only.
static void name_after(lm_config *c, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    size_t size = dot && dot != name ? (size_t)(dot - name) : strlen(name);
    if (size >= sizeof c->name) {
        size = sizeof c->name - 1;
        while (size > 0 && ((unsigned char)name[size] & 0xc0u) == 0x80u)
            size--;
    }
    memcpy(c->name, name, size);
    c->name[size] = 0;
}

static bool read_file(lm_config *config, const char *path, lm_error *err)
{
    char *text;
    size_t size;
    if (!lm_file_read_all(path, -1, MAX_SHAPE_BYTES, &text, &size, err)) {
        if (!err || err->status != LM_BAD_FILE)
            return false;
        const lm_error why = *err;
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "the shape '%.200s' is no name of the family (deepseek-coder-1.3b, "
                       "-5.7bmqa, -6.7b, -33b, -7b-v1.5) and no file: %s",
                       path, why.message);
    }
    lm_config c = {.n_layer = 24,
                   .n_embd = 2048,
                   .n_vocab = 32256,
                   .n_ctx_train = 16384,
                   .norm_eps = 1e-6f,
                   .rope_base = 100000,
                   .rope_factor = 4};
    const bool ok = parse_shape(&c, text, size, err);
    free(text);
    if (!ok)
        return lm_fail_while(err, "the shape %s", path);
    name_after(&c, path);
    *config = c;
    return true;
}

bool lm_config_from_shape(lm_config *config, const char *shape, lm_error *err)
{
    for (size_t i = 0; i < N_FAMILY; i++) {
        if (strcmp(shape, FAMILY[i].name) != 0)
            continue;
        *config = FAMILY[i];
        return true;
    }
    return read_file(config, shape, err);
}
