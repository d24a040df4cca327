#include "infill_request.h"

#include "base/shown.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- values -------------------------------------------------------------------------------------

static bool no_memory(lm_error *err)
{
    return lm_fail(err, LM_NO_MEMORY, "out of memory reading a request");
}

static bool read_text(const cJSON *item, const char **text, lm_error *err)
{
    if (!cJSON_IsString(item))
        return lm_fail(err, LM_BAD_ARGUMENT, "'%s' must be a string", item->string);
    *text = item->valuestring;
    return true;
}

static bool read_code(const cJSON *item, lm_text *text, lm_error *err)
{
    const char *at = "";
    if (!read_text(item, &at, err))
        return false;
    *text = lm_text_of(at);
    return true;
}

// `most` is a whole number below 2^53, so that a double holds all up to it.
static bool read_whole(const cJSON *item, double least, double most, double *value, lm_error *err)
{
    *value = item->valuedouble;
    if (cJSON_IsNumber(item) && *value >= least && *value <= most && floor(*value) == *value)
        return true;
    return lm_fail(err, LM_BAD_ARGUMENT, "'%s' must be a whole number from %.0f to %.0f",
                   item->string, least, most);
}

static bool read_count(const cJSON *item, double least, double most, uint32_t *count, lm_error *err)
{
    double value;
    if (!read_whole(item, least, most, &value, err))
        return false;
    *count = (uint32_t)value;
    return true;
}

// The ranges are those of the command line's options.
static bool read_real(const cJSON *item, double least, double most, float *value, lm_error *err)
{
    const double real = item->valuedouble;
    const bool inside = cJSON_IsNumber(item) && (real == 0 || real >= least) && real <= most;
    if (!inside)
        return lm_fail(err, LM_BAD_ARGUMENT, "'%s' must be 0 or a number from %g to %g",
                       item->string, least, most);
    *value = (float)real;
    return true;
}

static bool read_shape(const cJSON *item, lm_infill_shape *shape, lm_error *err)
{
    if (cJSON_IsString(item) && lm_infill_shape_of(item->valuestring, shape))
        return true;
    return lm_fail(err, LM_BAD_ARGUMENT, "'%s' must be \"auto\", \"line\" or \"block\"",
                   item->string);
}

// ---- lists --------------------------------------------------------------------------------------

static bool read_stops(cli_infill_request *request, const cJSON *item, lm_error *err)
{
    lm_generation_params *generation = &request->hole.generation;
    const bool one = cJSON_IsString(item);
    if (!one && !cJSON_IsArray(item))
        return lm_fail(err, LM_BAD_ARGUMENT, "'stop' must be a string or an array of strings");
    const size_t n = one ? 1 : (size_t)cJSON_GetArraySize(item);
    free(request->stops); // of the same key before
    request->stops = calloc(n + 1, sizeof *request->stops);
    if (!request->stops)
        return no_memory(err);
    size_t i = 0;
    for (const cJSON *stop = one ? item : item->child; stop && i < n; stop = stop->next) {
        if (!cJSON_IsString(stop))
            return lm_fail(err, LM_BAD_ARGUMENT, "'stop' holds what is no string");
        request->stops[i++] = stop->valuestring;
    }
    generation->stops = request->stops;
    generation->n_stops = n;
    return true;
}

static bool read_file(const cJSON *item, lm_code_file *file, lm_error *err)
{
    const cJSON *path = cJSON_GetObjectItemCaseSensitive(item, "path");
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(item, "text");
    if (!cJSON_IsString(path) || !cJSON_IsString(text) || cJSON_GetArraySize(item) != 2)
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "each of 'files' must be an object of two strings, 'path' and 'text'");
    *file = (lm_code_file){path->valuestring, lm_text_of(text->valuestring)};
    return true;
}

static bool read_files(cli_infill_request *request, const cJSON *item, lm_error *err)
{
    if (!cJSON_IsArray(item))
        return lm_fail(err, LM_BAD_ARGUMENT, "'files' must be an array");
    const size_t n = (size_t)cJSON_GetArraySize(item);
    free(request->files);
    request->files = calloc(n + 1, sizeof *request->files);
    if (!request->files)
        return no_memory(err);
    size_t i = 0;
    for (const cJSON *file = item->child; file; file = file->next)
        if (!read_file(file, &request->files[i++], err))
            return false;
    request->hole.files = request->files;
    request->hole.n_files = n;
    return true;
}

// ---- the object ---------------------------------------------------------------------------------

#define MAX_EXACT 9007199254740991.0 // 2^53 - 1

static bool read_key(cli_infill_request *request, const cJSON *item, lm_error *err)
{
    cli_hole *hole = &request->hole;
    lm_generation_params *generation = &hole->generation;
    lm_sampling *sampling = &generation->sampling;
    const char *key = item->string;
    if (strcmp(key, "id") == 0) {
        if (request->id)
            return true;
        return lm_fail(err, LM_BAD_ARGUMENT, "'id' must be a string or a number");
    }
    if (strcmp(key, "prefix") == 0)
        return read_code(item, &hole->prefix, err);
    if (strcmp(key, "suffix") == 0)
        return read_code(item, &hole->suffix, err);
    if (strcmp(key, "path") == 0)
        return read_text(item, &hole->path, err);
    if (strcmp(key, "files") == 0)
        return read_files(request, item, err);
    if (strcmp(key, "shape") == 0)
        return read_shape(item, &hole->shape, err);
    if (strcmp(key, "stop") == 0)
        return read_stops(request, item, err);
    if (strcmp(key, "max_tokens") == 0)
        return read_count(item, 1, 1000000, &generation->max_tokens, err);
    if (strcmp(key, "top_k") == 0)
        return read_count(item, 0, 1000000, &sampling->top_k, err);
    if (strcmp(key, "temperature") == 0)
        return read_real(item, 0.001, 100, &sampling->temperature, err);
    if (strcmp(key, "top_p") == 0)
        return read_real(item, 0.000001, 1, &sampling->top_p, err);
    if (strcmp(key, "min_p") == 0)
        return read_real(item, 0, 1, &sampling->min_p, err);
    if (strcmp(key, "seed") == 0) {
        double seed;
        if (!read_whole(item, 0, MAX_EXACT, &seed, err))
            return false;
        sampling->seed = (uint64_t)seed;
        return true;
    }
    return lm_fail(err, LM_BAD_ARGUMENT,
                   "unknown key '%s'; known are id, prefix, suffix, path, files, shape, stop, "
                   "max_tokens, temperature, top_k, top_p, min_p and seed",
                   lm_show(lm_text_of(key)).text);
}

// cJSON's strings end at a zero byte, and would silently end there.
static bool has_zero(lm_text line)
{
    if (memchr(line.at, 0, line.size))
        return true;
    for (size_t i = 0; i + 1 < line.size; i++) {
        if (line.at[i] != '\\')
            continue;
        if (line.size - i >= 6 && memcmp(line.at + i, "\\u0000", 6) == 0)
            return true;
        i++;
    }
    return false;
}

static bool parse_object(cli_infill_request *request, lm_text line, lm_error *err)
{
    if (has_zero(line))
        return lm_fail(err, LM_BAD_ARGUMENT, "the line holds a zero byte, which no code has");
    const char *end = NULL;
    request->root = cJSON_ParseWithLengthOpts(line.at, line.size + 1, &end, true);
    if (!request->root)
        return lm_fail(err, LM_BAD_ARGUMENT, "the line is no JSON from byte %zu on",
                       end ? (size_t)(end - line.at) + 1 : 1);
    if (!cJSON_IsObject(request->root))
        return lm_fail(err, LM_BAD_ARGUMENT, "the line is no JSON object");
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(request->root, "id");
    if (cJSON_IsString(id) || cJSON_IsNumber(id))
        request->id = id;
    return true;
}

bool cli_infill_request_parse(cli_infill_request *request, lm_text line, const cli_hole *defaults,
                              lm_error *err)
{
    *request = (cli_infill_request){.hole = *defaults};
    if (!parse_object(request, line, err))
        return false;
    for (const cJSON *item = request->root->child; item; item = item->next)
        if (!read_key(request, item, err))
            return false;
    if (!request->hole.prefix.at && !request->hole.suffix.at)
        return lm_fail(err, LM_BAD_ARGUMENT, "neither 'prefix' nor 'suffix' is there");
    return true;
}

void cli_infill_request_finish(cli_infill_request *request)
{
    cJSON_Delete(request->root);
    free(request->files);
    free(request->stops);
    *request = (cli_infill_request){0};
}
