// Writes a model file anew with its weights in other formats.
//
// Chunks of rows go through a few threads and are written in order: memory does not depend on the
// size of the model.

#ifndef LM_MODEL_REQUANTIZE_H
#define LM_MODEL_REQUANTIZE_H

#include "model/mixture.h"

typedef struct lm_requantize_params {
    const lm_gguf *from;       // borrowed; lm_source_from_gguf() has accepted it
    const lm_config *config;   // of it
    const lm_mixture *mixture; // what to make
    const char *path;          // where to
    bool allow_requantize;     // take weights that are quantised already
    bool (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes); // may be NULL
    void *progress_user;
} lm_requantize_params;

// How it went.
typedef struct lm_requantized {
    uint64_t file_bytes;
    uint32_t n_tensors;
    uint32_t n_requantized; // were quantised before, in another format
    uint32_t n_fitted;      // have a format with smaller blocks, see lm_format_fitting()
} lm_requantized;

// All metadata are kept, general.file_type and general.quantization_version set, the keys of a
// split file left out. Matrices get what the mixture says; those that have it already, norms,
// biases and unknown tensors are copied. The file appears complete or not at all.
//
// Fails with LM_BAD_ARGUMENT (path is a file of the model; weights are quantised and that is not
// allowed), LM_BAD_FILE (reading, writing, a weight that is NaN, infinite or too large, named),
// LM_CANCELLED. The progress callback comes from one of the threads, one call at a time.
bool lm_requantize(const lm_requantize_params *params, lm_requantized *done, lm_error *err);

#endif
