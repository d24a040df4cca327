#include "model/upload.h"

#include "base/half.h"
#include "base/thread.h"
#include "gpu/memory.h"
#include "interface/weights.h"
#include "ops/ops.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS   4
#define READERS 2

// What is read and submitted at once. A GPU is across a bus, where few large pieces are fastest; of
// software Vulkan's copies the caches should still hold what was just read.
#define SLOT_BYTES          ((uint64_t)8 << 20)
#define SLOT_SOFTWARE_BYTES ((uint64_t)1 << 20)

#define ALIGN_BYTES 256u // of a slice in its slot
#define SLACK_BYTES 16u  // re-layout reads a word beyond the last row

// Some rows of one tensor.
struct slice {
    size_t tensor;
    uint32_t row, n_rows;
    uint64_t offset; // in the slot
};

// The slices that share a slot and a submit.
struct load {
    size_t first, n;
    uint64_t bytes; // of them in the source
};

enum slot_state { SLOT_FREE, SLOT_READING, SLOT_FULL, SLOT_SUBMITTED };

struct slot {
    lm_buffer *buffer;       // owned
    lm_recording *recording; // owned: the work that empties it
    uint64_t value;          // of the timeline when that work is finished
    enum slot_state state;
    size_t load; // whose turn it is: two readers may wait for the same slot
};

struct upload {
    lm_gpu *gpu;
    const lm_source *source;
    const lm_upload_tensor *tensors;
    size_t n_tensors;
    uint64_t slot_bytes;
    struct slice *slices; // owned, [n_slices]
    size_t n_slices;
    struct load *loads; // owned, [n_loads]
    size_t n_loads;
    struct slot slots[SLOTS];
    size_t n_slots;
    uint64_t total_bytes;
    // Shared with the readers, under the lock.
    lm_lock lock;
    size_t next; // load that the next free reader takes
    bool stop;   // an error or a cancel: readers leave
    lm_error mistake;
};

// ---- what goes together ------------------------------------------------------------------------

static uint64_t staged_row_bytes(const lm_upload_tensor *tensor)
{
    return tensor->is_vector ? (uint64_t)tensor->info.n_cols * 4 : tensor->info.row_bytes;
}

// What one slot must hold: a tile of the widest rows at least.
static uint64_t choose_slot_bytes(const struct upload *it)
{
    uint64_t bytes = lm_gpu_is_software(it->gpu) ? SLOT_SOFTWARE_BYTES : SLOT_BYTES;
    for (size_t i = 0; i < it->n_tensors; i++) {
        const uint64_t rows = it->tensors[i].is_vector ? 1 : WEIGHT_TILE;
        const uint64_t tile = rows * staged_row_bytes(&it->tensors[i]);
        if (tile > bytes)
            bytes = tile;
    }
    return bytes;
}

// Fills slots with tensors in order, whole tiles of rows, each tensor at most once in a slot. Only
// counts where there are no lists yet.
static void cut(struct upload *it)
{
    uint64_t used = it->slot_bytes; // of the last load's slot
    it->n_slices = it->n_loads = 0;
    it->total_bytes = 0;
    for (size_t i = 0; i < it->n_tensors; i++) {
        const lm_tensor_info *info = &it->tensors[i].info;
        const uint64_t row_bytes = staged_row_bytes(&it->tensors[i]);
        uint32_t row = 0;
        while (row < info->n_rows) {
            const uint64_t fit = used < it->slot_bytes ? (it->slot_bytes - used) / row_bytes : 0;
            const uint32_t left = info->n_rows - row;
            const uint32_t n = fit >= left ? left : (uint32_t)fit / WEIGHT_TILE * WEIGHT_TILE;
            if (n == 0) {
                used = 0;
                if (it->loads)
                    it->loads[it->n_loads] = (struct load){.first = it->n_slices};
                it->n_loads++;
                continue;
            }
            if (it->slices) {
                it->slices[it->n_slices] = (struct slice){i, row, n, used};
                it->loads[it->n_loads - 1].n++;
                it->loads[it->n_loads - 1].bytes += n * info->row_bytes;
            }
            it->n_slices++;
            it->total_bytes += n * info->row_bytes;
            used += (n * row_bytes + SLACK_BYTES + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
            row += n;
        }
    }
}

static struct upload plan(lm_gpu *gpu, const lm_upload_tensor *tensors, size_t n_tensors)
{
    struct upload it = {.gpu = gpu, .tensors = tensors, .n_tensors = n_tensors};
    it.slot_bytes = choose_slot_bytes(&it);
    cut(&it);
    it.n_slots = it.n_loads < SLOTS ? it.n_loads : SLOTS;
    return it;
}

bool lm_upload_cost(lm_gpu *gpu, const lm_upload_tensor *tensors, size_t n_tensors, uint64_t *cost,
                    lm_error *err)
{
    const struct upload it = plan(gpu, tensors, n_tensors);
    if (!lm_buffer_cost(gpu, it.slot_bytes + SLACK_BYTES, cost, err))
        return false;
    *cost *= it.n_slots;
    return true;
}

static bool list_loads(struct upload *it, lm_error *err)
{
    it->slices = calloc(it->n_slices + 1, sizeof *it->slices);
    it->loads = calloc(it->n_loads + 1, sizeof *it->loads);
    if (!it->slices || !it->loads)
        return lm_fail(err, LM_NO_MEMORY, "out of memory for the list of what to load");
    cut(it);
    return true;
}

// ---- the readers -------------------------------------------------------------------------------

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

static bool read_load(const struct upload *it, const struct load *load, void *slot, lm_error *err)
{
    for (size_t i = load->first; i < load->first + load->n; i++) {
        const struct slice *slice = &it->slices[i];
        const lm_upload_tensor *tensor = &it->tensors[slice->tensor];
        void *to = (char *)slot + slice->offset;
        if (!lm_source_read(it->source, slice->tensor, slice->row, slice->n_rows, to, err))
            return false;
        if (tensor->is_vector)
            widen(to, tensor->info.format, tensor->info.n_cols);
    }
    return true;
}

static struct slot *slot_of(struct upload *it, size_t load)
{
    return &it->slots[load % it->n_slots];
}

// Takes loads in order until none is left.
static void read_loads(void *user)
{
    struct upload *it = user;
    lm_lock_enter(&it->lock);
    while (!it->stop && it->next < it->n_loads) {
        const size_t i = it->next++;
        struct slot *slot = slot_of(it, i);
        while (!it->stop && (slot->state != SLOT_FREE || slot->load != i))
            lm_lock_wait(&it->lock);
        if (it->stop)
            break;
        slot->state = SLOT_READING;
        lm_lock_leave(&it->lock);
        lm_error err = {0};
        const bool ok = read_load(it, &it->loads[i], lm_buffer_map(slot->buffer), &err);
        lm_lock_enter(&it->lock);
        slot->state = SLOT_FULL;
        if (!ok && !it->stop) {
            it->stop = true;
            it->mistake = err;
        }
        lm_lock_tell(&it->lock);
    }
    lm_lock_leave(&it->lock);
}

// ---- the calling thread ------------------------------------------------------------------------

static bool is_full(struct upload *it, size_t load)
{
    lm_lock_enter(&it->lock);
    const bool full = !it->stop && slot_of(it, load)->state == SLOT_FULL;
    lm_lock_leave(&it->lock);
    return full;
}

// Waits until the readers have filled the slot of a load.
static bool wait_full(struct upload *it, size_t load, lm_error *err)
{
    lm_lock_enter(&it->lock);
    while (!it->stop && slot_of(it, load)->state != SLOT_FULL)
        lm_lock_wait(&it->lock);
    const bool ok = !it->stop;
    if (!ok && err)
        *err = it->mistake;
    lm_lock_leave(&it->lock);
    return ok;
}

static void set_state(struct upload *it, struct slot *slot, enum slot_state state)
{
    lm_lock_enter(&it->lock);
    slot->state = state;
    if (state == SLOT_FREE)
        slot->load += it->n_slots;
    lm_lock_tell(&it->lock);
    lm_lock_leave(&it->lock);
}

// Waits until the device has emptied a slot, and gives it back to the readers.
static bool release(struct upload *it, size_t load, lm_error *err)
{
    struct slot *slot = slot_of(it, load);
    const bool ok = lm_gpu_wait(it->gpu, slot->value, err);
    lm_recording_destroy(&slot->recording);
    set_state(it, slot, SLOT_FREE);
    return ok;
}

static void record_slice(const struct upload *it, const struct slice *slice, struct slot *slot)
{
    const lm_upload_tensor *tensor = &it->tensors[slice->tensor];
    const uint64_t from = lm_buffer_address(slot->buffer) + slice->offset;
    if (tensor->is_vector)
        lm_op_copy(slot->recording, &(lm_copy){
                                        .from = from,
                                        .to = tensor->matrix.address,
                                        .size_bytes = (uint64_t)tensor->info.n_cols * 4,
                                    });
    else
        lm_op_relayout(slot->recording, &(lm_relayout){
                                            .from = from,
                                            .to = tensor->matrix,
                                            .row_begin = slice->row,
                                            .n_rows = slice->n_rows,
                                            .row_bytes = (uint32_t)tensor->info.row_bytes,
                                        });
}

static bool submit(struct upload *it, size_t load, lm_error *err)
{
    struct slot *slot = slot_of(it, load);
    slot->recording = lm_recording_begin(it->gpu, "upload", err);
    if (!slot->recording)
        return false;
    for (size_t i = 0; i < it->loads[load].n; i++)
        record_slice(it, &it->slices[it->loads[load].first + i], slot);
    if (!lm_recording_end(slot->recording, err))
        return false;
    const lm_batch batch = {lm_recording_pieces(slot->recording), 1};
    if (!lm_gpu_submit(it->gpu, &batch, 1, &slot->value, err))
        return false;
    set_state(it, slot, SLOT_SUBMITTED);
    return true;
}

// Keeps the device busy with whatever is there, and only else waits for the load that it was given
// first, so that its slot goes back to the readers.
static bool transfer(struct upload *it, bool (*progress)(void *, uint64_t, uint64_t), void *user,
                     lm_error *err)
{
    size_t next = 0, oldest = 0;
    uint64_t done_bytes = 0;
    while (oldest < it->n_loads) {
        if (next < it->n_loads && (oldest == next || is_full(it, next))) {
            if (!wait_full(it, next, err) || !submit(it, next, err))
                return false;
            next++;
            continue;
        }
        if (!release(it, oldest, err))
            return false;
        done_bytes += it->loads[oldest++].bytes;
        if (progress && !progress(user, done_bytes, it->total_bytes))
            return lm_fail(err, LM_CANCELLED, "loading was cancelled");
    }
    return true;
}

static bool create_slots(struct upload *it, lm_error *err)
{
    const lm_buffer_params params = {"the staging ring", it->slot_bytes + SLACK_BYTES,
                                     LM_MEMORY_SHARED};
    for (size_t i = 0; i < it->n_slots; i++) {
        it->slots[i].load = i;
        it->slots[i].buffer = lm_buffer_create(it->gpu, &params, err);
        if (!it->slots[i].buffer)
            return false;
    }
    return true;
}

// A reader less is no trouble.
static bool start_readers(struct upload *it, lm_thread *readers[READERS], lm_error *err)
{
    size_t n = 0;
    while (n < READERS && n < it->n_loads) {
        readers[n] = lm_thread_start(read_loads, it, err);
        if (!readers[n])
            break;
        n++;
    }
    return n > 0 || it->n_loads == 0;
}

bool lm_upload(lm_gpu *gpu, const lm_source *source, const lm_upload_tensor *tensors,
               size_t n_tensors, bool (*progress)(void *user, uint64_t done, uint64_t total),
               void *user, lm_error *err)
{
    struct upload it = plan(gpu, tensors, n_tensors);
    lm_thread *readers[READERS] = {0};
    it.source = source;
    lm_lock_init(&it.lock);
    const bool ok = list_loads(&it, err) && create_slots(&it, err) &&
                    start_readers(&it, readers, err) && transfer(&it, progress, user, err);

    lm_lock_enter(&it.lock);
    it.stop = true;
    lm_lock_tell(&it.lock);
    lm_lock_leave(&it.lock);
    for (size_t i = 0; i < READERS; i++)
        lm_thread_join(&readers[i]);
    for (size_t i = 0; i < it.n_slots; i++) {
        if (it.slots[i].recording && it.slots[i].value > 0)
            lm_gpu_wait(gpu, it.slots[i].value, NULL);
        lm_recording_destroy(&it.slots[i].recording);
        lm_buffer_destroy(&it.slots[i].buffer);
    }
    lm_lock_finish(&it.lock);
    free(it.slices);
    free(it.loads);
    return ok;
}
