// Ops recorded once and submitted many times.
//
// A recording is constant: whatever changes from step to step is in device memory. It is cut into
// pieces, each a command buffer that begins with a full compute barrier, so that any number of
// them can go into one submit; the cuts change nothing that is computed. Barriers inside a piece
// are placed where the declared accesses need them.
// Ops return nothing: the recording keeps the first mistake and reports it at lm_recording_end().
// Ownership: whoever begins destroys; the memory that ops name is borrowed.

#ifndef LM_GPU_RECORDING_H
#define LM_GPU_RECORDING_H

#include "gpu/gpu.h"
#include "gpu/hazard.h"
#include "gpu/pipelines.h"

typedef struct lm_recording lm_recording;

// One op.
typedef struct lm_dispatch {
    lm_pipeline_key pipeline;
    const void *args;    // copied; the module's push constants
    uint32_t args_bytes; // at most 128
    uint32_t groups[3];  // workgroups; a y or z of 0 counts as 1
    const lm_access *accesses;
    size_t n_accesses;
} lm_dispatch;

// An op as it was recorded: the list of these is the step, for another executor or a checker.
typedef struct lm_recorded_op {
    lm_pipeline_key pipeline;
    uint32_t groups[3];
    uint32_t piece; // that it is in
    uint32_t args_bytes;
    unsigned char args[128];
} lm_recorded_op;

// `name` is borrowed and shown in errors.
lm_recording *lm_recording_begin(lm_gpu *gpu, const char *name, lm_error *err);

// Only lists its ops, for lm_recording_prepare() and whoever wants to know them: nothing is asked
// of the device, and there is nothing to submit. Addresses may be 0.
lm_recording *lm_recording_begin_list(lm_gpu *gpu, const char *name, lm_error *err);

lm_gpu *lm_recording_gpu(const lm_recording *recording);

// Appends an op. An empty grid is a mistake, as is one over the device's limits.
void lm_recording_dispatch(lm_recording *recording, const lm_dispatch *dispatch);

// Ends the piece: what follows can go into another submit.
void lm_recording_cut(lm_recording *recording);

// Keeps a mistake that an op found in its own arguments, unless there is one already.
void lm_recording_fail(lm_recording *recording, lm_status status, const char *text);

// Ends recording. False with the first mistake.
bool lm_recording_end(lm_recording *recording, lm_error *err);

// Waits for nothing: the device must be done with it.
void lm_recording_destroy(lm_recording **recording);

size_t lm_recording_n_pieces(const lm_recording *recording);
const VkCommandBuffer *lm_recording_pieces(const lm_recording *recording);

size_t lm_recording_n_ops(const lm_recording *recording);
size_t lm_recording_n_barriers(const lm_recording *recording);                   // inside pieces
const lm_recorded_op *lm_recording_op(const lm_recording *recording, size_t op); // borrowed

// Has the pipelines of a list compiled in other threads from now on, each once, in order.
void lm_recording_prepare(const lm_recording *list);

// Whether that has come to its end, so that recording the same ops compiles nothing but what
// failed.
bool lm_recording_is_prepared(const lm_recording *list);

// Time each op took in the last run, in nanoseconds [n_ops]; false where the device was opened
// without timestamps or has none.
bool lm_recording_times(lm_recording *recording, uint64_t *ns, lm_error *err);

// The same, and when each began, counted from the first one; start_ns may be NULL.
bool lm_recording_spans(lm_recording *recording, uint64_t *start_ns, uint64_t *ns, lm_error *err);

// Submits all pieces as one batch and waits. For loading and tests.
bool lm_recording_run(lm_recording *recording, lm_error *err);

#endif
