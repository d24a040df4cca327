#include "model/upload.h"

#include "base/half.h"
#include "gpu/memory.h"
#include "interface/weights.h"
#include "ops/ops.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS       4
#define READERS     2
#define SLOT_BYTES  ((uint64_t)8 << 20)
#define SLACK_BYTES 16 // re-layout reads a word beyond the last row

// Some rows of one tensor.
struct slice {
    size_t tensor;
    uint32_t row, n_rows;
};

enum slot_state { SLOT_FREE, SLOT_READING, SLOT_FULL };

struct slot {
    lm_buffer *buffer;       // owned
    lm_recording *recording; // owned: the work that empties it
    uint64_t value;          // of the timeline when that work is finished
    enum slot_state state;
};

struct upload {
    lm_gpu *gpu;
    const lm_source *source;
    const lm_upload_tensor *tensors;
    struct slice *slices; // owned
    size_t n_slices;
    struct slot slots[SLOTS];
    uint64_t done_bytes, total_bytes;
    // Shared with the readers, under the lock.
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t next; // slice that the next free reader takes
    bool stop;   // an error or a cancel: readers leave
    lm_error mistake;
};

// What one slot must hold: SLOT_BYTES, or one tile of the widest rows.
static uint64_t slot_bytes(const lm_upload_tensor *tensors, size_t n_tensors)
{
    uint64_t bytes = SLOT_BYTES;
    for (size_t i = 0; i < n_tensors; i++) {
        const uint64_t row = tensors[i].is_vector ? (uint64_t)tensors[i].info.n_cols * 4
                                                  : WEIGHT_TILE * tensors[i].info.row_bytes;
        if (row > bytes)
            bytes = row;
    }
    return bytes + SLACK_BYTES;
}

bool lm_upload_cost(lm_gpu *gpu, const lm_upload_tensor *tensors, size_t n_tensors, uint64_t *cost,
                    lm_error *err)
{
    if (!lm_buffer_cost(gpu, slot_bytes(tensors, n_tensors), cost, err))
        return false;
    *cost *= SLOTS;
    return true;
}

static uint32_t rows_per_slice(const lm_upload_tensor *tensor)
{
    const uint64_t rows = SLOT_BYTES / tensor->info.row_bytes / WEIGHT_TILE * WEIGHT_TILE;
    return rows < WEIGHT_TILE ? WEIGHT_TILE : rows > UINT32_MAX ? UINT32_MAX : (uint32_t)rows;
}

static bool cut_slices(struct upload *it, size_t n_tensors, lm_error *err)
{
    for (size_t i = 0; i < n_tensors; i++) {
        const lm_upload_tensor *tensor = &it->tensors[i];
        it->total_bytes += tensor->info.n_rows * tensor->info.row_bytes;
        it->n_slices += (tensor->info.n_rows - 1) / rows_per_slice(tensor) + 1;
    }
    it->slices = calloc(it->n_slices ? it->n_slices : 1, sizeof *it->slices);
    if (!it->slices)
        return lm_fail(err, LM_NO_MEMORY, "out of memory for the list of slices");
    size_t n = 0;
    for (size_t i = 0; i < n_tensors; i++) {
        const uint32_t step = rows_per_slice(&it->tensors[i]);
        const uint32_t n_rows = it->tensors[i].info.n_rows;
        for (uint32_t row = 0; row < n_rows; row += step)
            it->slices[n++] = (struct slice){i, row, n_rows - row < step ? n_rows - row : step};
    }
    return true;
}

// A vector of 16-bit floats becomes f32 in place, from the end on.
static void widen(void *data, lm_format format, uint32_t n)
{
    unsigned char *bytes = data;
    for (uint32_t i = n; i-- > 0 && format != LM_FORMAT_F32;) {
        uint16_t half;
        memcpy(&half, bytes + 2 * (size_t)i, sizeof half);
        const float wide = format == LM_FORMAT_F16 ? lm_f32_from_f16(half) : lm_f32_from_bf16(half);
        memcpy(bytes + 4 * (size_t)i, &wide, sizeof wide);
    }
}

static bool read_slice(struct upload *it, const struct slice *slice, void *to, lm_error *err)
{
    const lm_upload_tensor *tensor = &it->tensors[slice->tensor];
    if (!lm_source_read(it->source, slice->tensor, slice->row, slice->n_rows, to, err))
        return false;
    if (tensor->is_vector)
        widen(to, tensor->info.format, tensor->info.n_cols);
    return true;
}

// Takes slices in order until none is left. Slice i goes to slot i % SLOTS.
static void *reader(void *argument)
{
    struct upload *it = argument;
    pthread_mutex_lock(&it->lock);
    while (!it->stop && it->next < it->n_slices) {
        const size_t i = it->next++;
        struct slot *slot = &it->slots[i % SLOTS];
        while (!it->stop && slot->state != SLOT_FREE)
            pthread_cond_wait(&it->changed, &it->lock);
        if (it->stop)
            break;
        slot->state = SLOT_READING;
        pthread_mutex_unlock(&it->lock);
        lm_error err = {0};
        const bool ok = read_slice(it, &it->slices[i], lm_buffer_map(slot->buffer), &err);
        pthread_mutex_lock(&it->lock);
        slot->state = SLOT_FULL;
        if (!ok) {
            it->stop = true;
            it->mistake = err;
        }
        pthread_cond_broadcast(&it->changed);
    }
    pthread_mutex_unlock(&it->lock);
    return NULL;
}

// Waits until the readers have filled the slot of slice i.
static bool wait_full(struct upload *it, size_t i, lm_error *err)
{
    pthread_mutex_lock(&it->lock);
    while (!it->stop && it->slots[i % SLOTS].state != SLOT_FULL)
        pthread_cond_wait(&it->changed, &it->lock);
    const bool ok = !it->stop;
    if (!ok && err)
        *err = it->mistake;
    pthread_mutex_unlock(&it->lock);
    return ok;
}

// Waits until the device has emptied a slot, and gives it back to the readers.
static bool release(struct upload *it, struct slot *slot, lm_error *err)
{
    if (!slot->recording)
        return true;
    const bool ok = lm_gpu_wait(it->gpu, slot->value, err);
    lm_recording_destroy(&slot->recording);
    pthread_mutex_lock(&it->lock);
    slot->state = SLOT_FREE;
    pthread_cond_broadcast(&it->changed);
    pthread_mutex_unlock(&it->lock);
    return ok;
}

static bool submit(struct upload *it, const struct slice *slice, struct slot *slot, lm_error *err)
{
    const lm_upload_tensor *tensor = &it->tensors[slice->tensor];
    slot->recording = lm_recording_begin(it->gpu, "upload", err);
    if (!slot->recording)
        return false;
    if (tensor->is_vector)
        lm_op_copy(slot->recording, &(lm_copy){
                                        .from = lm_buffer_address(slot->buffer),
                                        .to = tensor->matrix.address,
                                        .size_bytes = (uint64_t)tensor->info.n_cols * 4,
                                    });
    else
        lm_op_relayout(slot->recording, &(lm_relayout){
                                            .from = lm_buffer_address(slot->buffer),
                                            .to = tensor->matrix,
                                            .row_begin = slice->row,
                                            .n_rows = slice->n_rows,
                                            .row_bytes = (uint32_t)tensor->info.row_bytes,
                                        });
    if (!lm_recording_end(slot->recording, err))
        return false;
    const lm_batch batch = {lm_recording_pieces(slot->recording), 1};
    return lm_gpu_submit(it->gpu, &batch, 1, &slot->value, err);
}

static bool transfer(struct upload *it, bool (*progress)(void *, uint64_t, uint64_t), void *user,
                     lm_error *err)
{
    for (size_t i = 0; i < it->n_slices; i++) {
        const struct slice *slice = &it->slices[i];
        if (!wait_full(it, i, err) || !submit(it, slice, &it->slots[i % SLOTS], err))
            return false;
        // The slot after this one was submitted longest ago.
        if (i + 1 >= SLOTS && !release(it, &it->slots[(i + 1) % SLOTS], err))
            return false;
        it->done_bytes += slice->n_rows * it->tensors[slice->tensor].info.row_bytes;
        if (progress && !progress(user, it->done_bytes, it->total_bytes))
            return lm_fail(err, LM_CANCELLED, "loading was cancelled");
    }
    bool ok = true;
    for (size_t i = 0; i < SLOTS; i++)
        ok = release(it, &it->slots[(it->n_slices + i) % SLOTS], ok ? err : NULL) && ok;
    return ok;
}

static bool create_slots(struct upload *it, size_t n_tensors, lm_error *err)
{
    const lm_buffer_params params = {"the staging ring", slot_bytes(it->tensors, n_tensors),
                                     LM_MEMORY_SHARED};
    for (size_t i = 0; i < SLOTS; i++) {
        it->slots[i].buffer = lm_buffer_create(it->gpu, &params, err);
        if (!it->slots[i].buffer)
            return false;
    }
    return true;
}

bool lm_upload(lm_gpu *gpu, const lm_source *source, const lm_upload_tensor *tensors,
               size_t n_tensors, bool (*progress)(void *user, uint64_t done, uint64_t total),
               void *user, lm_error *err)
{
    struct upload it = {.gpu = gpu, .source = source, .tensors = tensors};
    pthread_t readers[READERS];
    size_t n_readers = 0;
    pthread_mutex_init(&it.lock, NULL);
    pthread_cond_init(&it.changed, NULL);
    bool ok = cut_slices(&it, n_tensors, err) && create_slots(&it, n_tensors, err);
    while (ok && n_readers < READERS && pthread_create(&readers[n_readers], NULL, reader, &it) == 0)
        n_readers++;
    if (ok && n_readers == 0)
        ok = lm_fail(err, LM_NO_MEMORY, "cannot start a thread to read the model");
    ok = ok && transfer(&it, progress, user, err);

    pthread_mutex_lock(&it.lock);
    it.stop = true;
    pthread_cond_broadcast(&it.changed);
    pthread_mutex_unlock(&it.lock);
    for (size_t i = 0; i < n_readers; i++)
        pthread_join(readers[i], NULL);
    for (size_t i = 0; i < SLOTS; i++) {
        if (it.slots[i].recording && it.slots[i].value > 0)
            lm_gpu_wait(gpu, it.slots[i].value, NULL);
        lm_recording_destroy(&it.slots[i].recording);
        lm_buffer_destroy(&it.slots[i].buffer);
    }
    pthread_cond_destroy(&it.changed);
    pthread_mutex_destroy(&it.lock);
    free(it.slices);
    return ok;
}
