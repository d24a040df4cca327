// Model files in other formats: what `lemnos quantize` does.

#ifndef LM_QUANTIZE_H
#define LM_QUANTIZE_H

#include "lm.h"

typedef struct lm_quantize_params {
    const char *path;      // a GGUF file, or any file of a split model
    const char *type;      // "Q4_K_M", see lm_quantize_type()
    const char *output;    // the file to write; replaced if there
    bool allow_requantize; // take weights that are quantised already
    lm_progress progress;  // may be NULL; called from one of its threads, one call at a time
    void *progress_user;
} lm_quantize_params;

typedef struct lm_quantized {
    char type[16]; // as it is written: "Q4_K_M" for "q4_k"
    uint64_t bytes_before, bytes_after;
    uint32_t n_tensors;
    uint32_t n_requantized; // were quantised before, in another format
    uint32_t n_fitted;      // have rows that are no multiple of 256 and another format therefore
} lm_quantized;

// The types by number; NULL beyond the last.
const char *lm_quantize_type(size_t index);

// Whether lm_model_quantize() will take this name, in any case. Fails with LM_UNSUPPORTED naming
// the known.
bool lm_quantize_check_type(const char *type, lm_error *err);

// Writes the model in another format: matrices as llama.cpp's llama-quantize would choose them,
// norms and biases as they are, all metadata kept. The file appears complete or not at all; memory
// does not depend on the size of the model.
//
// Fails with LM_UNSUPPORTED (type unknown; a model that Lemnos does not run), LM_BAD_ARGUMENT (the
// output is a file of the model; weights are quantised and that is not allowed), LM_BAD_FILE
// (reading or writing, a weight that is no number), LM_CANCELLED.
bool lm_model_quantize(const lm_quantize_params *params, lm_quantized *done, lm_error *err);

#endif
