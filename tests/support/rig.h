// A device for op tests, and the rig on which one case runs: tensors with guards, a step, a
// recording.
//
// Every tensor is host-visible, starts as poison and stands between two guards of poison. Whatever
// fails ends the test with a sentence.

#ifndef LM_TESTS_SUPPORT_RIG_H
#define LM_TESTS_SUPPORT_RIG_H

#include "gpu/memory.h"
#include "gpu/recording.h"
#include "ops/matrix.h"
#include "support/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What the environment asks for: LM_TEST_DEVICE, LM_VALIDATION=1, LM_LIMITS=..., LM_BARRIERS=all,
// LM_GAPS=1. The strings are borrowed from the environment.
lm_gpu_params test_gpu_params(void);

lm_gpu *test_gpu_open(const lm_gpu_params *params);

// Opens with a path on that is off by its speed: "matrix". *state is an lm_gpu. 0, or not.
int test_gpu_setup_with(void **state, const char *feature);

// As group setup and teardown: *state is an lm_gpu with test_gpu_params().
int test_gpu_setup(void **state);
int test_gpu_teardown(void **state);

// Fails the test with the sentence of `err` unless `ok`.
void test_must(bool ok, const lm_error *err);

typedef struct rig_tensor {
    lm_buffer *buffer; // owned by the rig
    const char *name;
    uint64_t bytes;
    uint64_t address; // on the device, a multiple of 256
    void *at;         // the same bytes on the host
    bool is_input;    // must not change
    uint64_t hash;    // of an input
} rig_tensor;

#define RIG_TENSORS 16

typedef struct rig {
    lm_gpu *gpu; // borrowed
    lm_recording *rec;
    rig_tensor tensors[RIG_TENSORS];
    size_t n_tensors;
} rig;

rig rig_begin(lm_gpu *gpu);

// A tensor of poison; `name` is borrowed.
rig_tensor *rig_output(rig *it, const char *name, uint64_t bytes);

// A tensor that no op may change, with these bytes, or with poison where `bytes` is NULL.
rig_tensor *rig_input(rig *it, const char *name, const void *bytes, uint64_t size);

// An input f32 [n], uniform in [low, high).
rig_tensor *rig_random(rig *it, const char *name, test_random *random, size_t n, float low,
                       float high);

// The address of a struct step_state with this position and number of tokens.
uint64_t rig_step(rig *it, uint32_t pos, uint32_t n_tokens);

// Runs what was recorded; then checks guards and inputs. May be called again: it replays.
void rig_run(rig *it);

void rig_finish(rig *it);

// True where all of the tensor, or of its 4-byte words from `first` on, is still poison.
bool rig_is_untouched(const rig_tensor *tensor, size_t first);

// ---- weights ------------------------------------------------------------------------------------

// "Q4_K".
const char *test_storage_name(lm_storage storage);

// Whether this profile runs the shaders that take long to compile with this format. All do on
// lavapipe and SwiftShader; the other profiles vary lanes and limits, which takes fewer.
bool test_storage_wanted(lm_storage storage);

// Bytes of a row as GGUF has it.
uint32_t test_row_bytes(lm_storage storage, uint32_t n_cols);

// Random weights as GGUF has them [n_rows][row bytes], and as f32 [n_rows][n_cols]; mean and
// deviation about 0.5.
typedef struct test_weights {
    lm_storage storage;
    uint32_t n_rows, n_cols;
    unsigned char *bytes;
    float *values;
} test_weights;

// n_cols is rounded up to a whole number of blocks.
test_weights test_weights_create(lm_storage storage, uint32_t n_rows, uint32_t n_cols,
                                 test_random *random);
void test_weights_destroy(test_weights *weights);

// Re-reads `values` from `bytes`.
void test_weights_dequantise(test_weights *weights);

// Lays the weights out on the device, which runs at once.
lm_matrix rig_matrix(rig *it, const char *name, const test_weights *weights);

#endif
