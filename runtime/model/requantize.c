#include "model/requantize.h"

#include "base/file.h"
#include "base/output.h"
#include "base/shown.h"
#include "base/thread.h"
#include "gguf/write.h"
#include "model/dequantize.h"
#include "model/quantize.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define THREADS     4
#define CHUNK_BYTES ((uint64_t)1 << 20) // of rows, the longer of before and after
#define LARGEST     60000.0f            // what lm_quantize_row() takes; an f16 ends at 65504

// A tensor and what becomes of it.
struct job {
    const lm_gguf_tensor *tensor; // borrowed
    lm_format to;
    uint64_t n_rows;
    uint64_t from_row_bytes, to_row_bytes;
    uint64_t chunk_rows;
};

// Rows of one tensor, the n-th piece of the file.
struct chunk {
    const struct job *job;
    uint64_t row, n_rows;
    uint64_t number;
};

struct requantize {
    const lm_requantize_params *params;
    struct job *jobs; // owned, [n_jobs]
    size_t n_jobs;
    uint64_t from_bytes, to_bytes, n_cols; // the most that a chunk, and a row, need
    uint64_t total_bytes;                  // of weights read
    // Shared, under the lock.
    lm_lock lock;
    size_t next_job;
    uint64_t next_row, next_number;
    uint64_t turn;     // number of the chunk that is written next; its thread has the output
    lm_output *output; // owned
    uint64_t done_bytes;
    bool stop;
    lm_error mistake;
};

// ---- the list of tensors ------------------------------------------------------------------------

// What the tensor becomes; what is not a matrix of the model stays as it is.
static lm_format choose(const lm_requantize_params *params, const lm_gguf_tensor *tensor,
                        lm_requantized *done)
{
    lm_tensor_kind kind;
    uint32_t layer;
    if (tensor->n_dims < 2 || !lm_tensor_find(tensor->name.at, &kind, &layer))
        return (lm_format)tensor->format;
    const lm_format to =
        lm_mixture_format(params->mixture, params->config, kind, layer, (uint32_t)tensor->dims[0]);
    const uint32_t wanted = lm_format_block_weights(params->mixture->format);
    done->n_fitted += wanted > lm_format_block_weights(to);
    return to;
}

static bool check(const lm_requantize_params *params, const struct job *job, lm_requantized *done,
                  lm_error *err)
{
    const lm_gguf_tensor *tensor = job->tensor;
    const char *path = lm_gguf_file_path(params->from, tensor->part);
    if (tensor->size_bytes == 0)
        return lm_fail(err, LM_UNSUPPORTED, "%s: tensor '%s' has the unknown format %" PRIu32, path,
                       lm_show(tensor->name).text, tensor->format);
    if (job->to == tensor->format || lm_format_block_weights(tensor->format) == 1)
        return true;
    done->n_requantized++;
    return params->allow_requantize ||
           lm_fail(err, LM_BAD_ARGUMENT,
                   "%s: tensor '%s' is quantised already (%s), and to quantise it again loses more "
                   "than it needs to: take a file in F32, F16 or BF16, or allow it",
                   path, lm_show(tensor->name).text, lm_format_name(tensor->format));
}

static void raise(uint64_t *most, uint64_t value)
{
    if (value > *most)
        *most = value;
}

static bool list_jobs(struct requantize *it, lm_requantized *done, lm_error *err)
{
    const lm_requantize_params *params = it->params;
    it->n_jobs = lm_gguf_n_tensors(params->from);
    it->jobs = calloc(it->n_jobs + 1, sizeof *it->jobs);
    if (!it->jobs)
        return lm_fail(err, LM_NO_MEMORY, "out of memory listing the tensors");
    for (size_t i = 0; i < it->n_jobs; i++) {
        struct job *job = &it->jobs[i];
        const lm_gguf_tensor *t = job->tensor = lm_gguf_tensor_at(params->from, i);
        job->to = choose(params, t, done);
        if (!check(params, job, done, err))
            return false;
        job->n_rows = t->dims[1] * t->dims[2] * t->dims[3];
        job->from_row_bytes = t->size_bytes / job->n_rows;
        job->to_row_bytes =
            t->dims[0] / lm_format_block_weights(job->to) * lm_format_block_bytes(job->to);
        uint64_t longer = job->from_row_bytes;
        raise(&longer, job->to_row_bytes);
        job->chunk_rows = longer < CHUNK_BYTES ? CHUNK_BYTES / longer : 1;
        if (job->chunk_rows > job->n_rows)
            job->chunk_rows = job->n_rows;
        raise(&it->from_bytes, job->chunk_rows * job->from_row_bytes);
        raise(&it->to_bytes, job->chunk_rows * job->to_row_bytes);
        raise(&it->n_cols, t->dims[0]);
        it->total_bytes += t->size_bytes;
    }
    done->n_tensors = (uint32_t)it->n_jobs;
    return true;
}

static bool is_dropped(lm_text key)
{
    static const char *const keys[] = {"general.file_type", "general.quantization_version",
                                       "general.alignment", "split.no",
                                       "split.count",       "split.tensors.count"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (lm_text_equal(key, lm_text_of(keys[i])))
            return true;
    return false;
}

static bool write_header(struct requantize *it, lm_error *err)
{
    const lm_gguf *from = it->params->from;
    lm_gguf_writer writer = {0};
    for (size_t i = 0; i < lm_gguf_n_keys(from); i++)
        if (!is_dropped(lm_gguf_key(from, i)))
            lm_gguf_write_raw(&writer, lm_gguf_key(from, i), lm_gguf_raw_value(from, i));
    lm_gguf_write_u32(&writer, "general.file_type", it->params->mixture->file_type);
    lm_gguf_write_u32(&writer, "general.quantization_version", 2);
    for (size_t i = 0; i < it->n_jobs; i++) {
        const struct job *job = &it->jobs[i];
        lm_gguf_write_tensor(&writer, job->tensor->name.at, job->to, job->tensor->dims,
                             job->tensor->n_dims, job->n_rows * job->to_row_bytes);
    }
    void *data;
    size_t size;
    if (!lm_gguf_writer_finish(&writer, &data, &size, err))
        return false;
    const bool ok = lm_output_write(it->output, data, size, err);
    free(data);
    return ok;
}

// ---- the threads --------------------------------------------------------------------------------

static bool take(struct requantize *it, struct chunk *chunk)
{
    lm_lock_enter(&it->lock);
    const bool any = !it->stop && it->next_job < it->n_jobs;
    if (any) {
        const struct job *job = &it->jobs[it->next_job];
        const uint64_t left = job->n_rows - it->next_row;
        *chunk = (struct chunk){job, it->next_row, left < job->chunk_rows ? left : job->chunk_rows,
                                it->next_number++};
        it->next_row += chunk->n_rows;
        if (it->next_row == job->n_rows) {
            it->next_job++;
            it->next_row = 0;
        }
    }
    lm_lock_leave(&it->lock);
    return any;
}

static bool check_row(const struct requantize *it, const struct chunk *chunk, uint64_t row,
                      const float *x, lm_error *err)
{
    const lm_gguf_tensor *tensor = chunk->job->tensor;
    const bool any = chunk->job->to == LM_FORMAT_F32 || chunk->job->to == LM_FORMAT_BF16;
    for (uint64_t c = 0; c < tensor->dims[0]; c++) {
        if (fabsf(x[c]) <= LARGEST || (any && isfinite(x[c])))
            continue;
        return lm_fail(err, LM_BAD_FILE,
                       "%s: weight %" PRIu64 " in row %" PRIu64
                       " of tensor '%s' is %g; %s holds up to %g",
                       lm_gguf_file_path(it->params->from, tensor->part), c, chunk->row + row,
                       lm_show(tensor->name).text, (double)x[c], lm_format_name(chunk->job->to),
                       any ? 3e38 : (double)LARGEST);
    }
    return true;
}

// Reads rows and converts them; *result is one of the buffers.
static bool convert(const struct requantize *it, const struct chunk *chunk, unsigned char *from,
                    float *x, unsigned char *to, const unsigned char **result, lm_error *err)
{
    const struct job *job = chunk->job;
    if (!lm_gguf_read(it->params->from, job->tensor, chunk->row * job->from_row_bytes, from,
                      (size_t)(chunk->n_rows * job->from_row_bytes), err))
        return false;
    *result = from;
    if (job->to == job->tensor->format)
        return true;
    *result = to;
    const uint32_t n_cols = (uint32_t)job->tensor->dims[0];
    for (uint64_t row = 0; row < chunk->n_rows; row++) {
        lm_dequantize_row((lm_format)job->tensor->format, from + row * job->from_row_bytes, n_cols,
                          x);
        if (!check_row(it, chunk, row, x, err))
            return false;
        lm_quantize_row(job->to, x, n_cols, to + row * job->to_row_bytes);
    }
    return true;
}

// Writes a chunk, and behind the last one of a tensor what fills it up to the alignment.
static bool put(struct requantize *it, const struct chunk *chunk, const unsigned char *data,
                lm_error *err)
{
    static const char zeros[LM_GGUF_ALIGNMENT] = {0};
    const struct job *job = chunk->job;
    if (!lm_output_write(it->output, data, (size_t)(chunk->n_rows * job->to_row_bytes), err))
        return false;
    const size_t over = (size_t)(job->n_rows * job->to_row_bytes % LM_GGUF_ALIGNMENT);
    if (chunk->row + chunk->n_rows == job->n_rows && over > 0 &&
        !lm_output_write(it->output, zeros, LM_GGUF_ALIGNMENT - over, err))
        return false;
    it->done_bytes += chunk->n_rows * job->from_row_bytes;
    if (it->params->progress &&
        !it->params->progress(it->params->progress_user, it->done_bytes, it->total_bytes))
        return lm_fail(err, LM_CANCELLED, "quantising was cancelled");
    return true;
}

static void end_with(struct requantize *it, const lm_error *err)
{
    lm_lock_enter(&it->lock);
    if (!it->stop)
        it->mistake = *err;
    it->stop = true;
    lm_lock_tell(&it->lock);
    lm_lock_leave(&it->lock);
}

// False after another thread's mistake.
static bool wait_for_turn(struct requantize *it, uint64_t number)
{
    lm_lock_enter(&it->lock);
    while (!it->stop && it->turn != number)
        lm_lock_wait(&it->lock);
    const bool ok = !it->stop;
    lm_lock_leave(&it->lock);
    return ok;
}

static void pass_turn(struct requantize *it)
{
    lm_lock_enter(&it->lock);
    it->turn++;
    lm_lock_tell(&it->lock);
    lm_lock_leave(&it->lock);
}

static void work(void *user)
{
    struct requantize *it = user;
    lm_error err = {0};
    unsigned char *from = malloc((size_t)it->from_bytes);
    unsigned char *to = malloc((size_t)it->to_bytes);
    float *x = calloc((size_t)it->n_cols, sizeof *x);
    struct chunk chunk;
    const unsigned char *data;
    bool ok = (from && to && x) || lm_fail(&err, LM_NO_MEMORY, "out of memory quantising");
    while (ok && take(it, &chunk)) {
        ok = convert(it, &chunk, from, x, to, &data, &err);
        if (ok && !wait_for_turn(it, chunk.number))
            break;
        ok = ok && put(it, &chunk, data, &err);
        if (ok)
            pass_turn(it);
    }
    if (!ok)
        end_with(it, &err);
    free(from);
    free(to);
    free(x);
}

static bool run_threads(struct requantize *it, lm_error *err)
{
    lm_thread *threads[THREADS] = {0};
    size_t n = 0;
    while (n < THREADS && (threads[n] = lm_thread_start(work, it, err)) != NULL)
        n++;
    for (size_t i = 0; i < n; i++)
        lm_thread_join(&threads[i]);
    if (n == 0)
        return false;
    if (it->stop && err)
        *err = it->mistake;
    return !it->stop;
}

bool lm_requantize(const lm_requantize_params *params, lm_requantized *done, lm_error *err)
{
    struct requantize it = {.params = params};
    *done = (lm_requantized){0};
    for (uint32_t i = 0; i < lm_gguf_n_files(params->from); i++)
        if (lm_file_same(lm_gguf_file_path(params->from, i), params->path))
            return lm_fail(err, LM_BAD_ARGUMENT, "%s is the model itself; give another name",
                           params->path);
    lm_lock_init(&it.lock);
    bool ok = list_jobs(&it, done, err);
    if (ok)
        it.output = lm_output_create(params->path, err);
    ok = it.output && write_header(&it, err) && run_threads(&it, err);
    if (ok) {
        done->file_bytes = lm_output_size(it.output);
        ok = lm_output_commit(&it.output, err);
    }
    lm_output_discard(&it.output);
    lm_lock_finish(&it.lock);
    free(it.jobs);
    return ok;
}
