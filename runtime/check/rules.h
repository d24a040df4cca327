// How each op is checked: what to read, what the host makes of it, how much they may differ.

#ifndef LM_CHECK_RULES_H
#define LM_CHECK_RULES_H

#include "check/bench.h"
#include "model/config.h"
#include "model/source.h"
#include "model/weights.h"

// The op under check, on its bench.
typedef struct lm_check {
    lm_bench bench;
    const lm_config *config;
    const lm_weights *weights;
    const lm_source *source;
    uint32_t max_tokens; // of a step that count
    // The tensor that the op reads; `has_tensor` is false where it reads none.
    bool has_tensor;
    size_t tensor; // number in the source
    lm_tensor_info info;
} lm_check;

void lm_check_embed(lm_check *check);
void lm_check_matvec(lm_check *check);
void lm_check_matmul(lm_check *check);
void lm_check_matmul_coopmat(lm_check *check);

void lm_check_step_begin(lm_check *check);
void lm_check_rms_norm(lm_check *check);
void lm_check_swiglu(lm_check *check);
void lm_check_copy(lm_check *check);

void lm_check_rope_store(lm_check *check);
void lm_check_attention(lm_check *check);
void lm_check_attention_merge(lm_check *check);

void lm_check_argmax(lm_check *check);
void lm_check_draw_greedy(lm_check *check);
void lm_check_sample_draw(lm_check *check);
void lm_check_draft_begin(lm_check *check);
void lm_check_draft_judge(lm_check *check);
void lm_check_draft_end(lm_check *check);
void lm_check_part_of_draw(lm_check *check); // only runs it: sample_draw is checked from the logits

typedef enum lm_check_weights {
    LM_CHECK_WEIGHTS_UNKNOWN, // nobody asked, or it could not be found out
    LM_CHECK_WEIGHTS_SAME,
    LM_CHECK_WEIGHTS_OTHER,
} lm_check_weights;

// Whether a row of the op's tensor lies on the device as its file has it.
lm_check_weights lm_check_laid(lm_check *check, uint32_t row);

// A row of a tensor of the file; `bytes` has room for it as it is stored, `values` as f32.
bool lm_check_read_row(lm_check *check, size_t tensor, uint32_t row, void *bytes, float *values);

// A product of two rows, n a multiple of 32, and the size of what is rounded on the way.
typedef struct lm_check_dot {
    double sum, size;
} lm_check_dot;
lm_check_dot lm_check_dot_of(const float *w, const float *x, size_t n);

// Ends of matvec in which more than the product is computed.
void lm_check_matvec_fused(lm_check *check);

// f32 [n_cols] of a row of the tensor, or of a vector of the model, as its file has it; NULL stops.
const float *lm_check_row(lm_check *check, size_t tensor, uint32_t row);

// The vector at a device address; NULL where that is 0, or it stops.
const float *lm_check_vector(lm_check *check, uint64_t address);

#endif
