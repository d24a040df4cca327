// What the self-test tries: one case is an op, a shape and how its result is judged.
//
// Cases are listed by case_list.c and carried out by the functions below, a file for each kind.

#ifndef LM_SELFTEST_CASE_H
#define LM_SELFTEST_CASE_H

#include "gguf/format.h"
#include "model/config.h"
#include "ops/ops.h"
#include "selftest/trial.h"

// The readers of a matrix of weights.
enum { LM_READ_EMBED = 1, LM_READ_VECTOR = 2, LM_READ_TILES = 4 };

// The numbers of a case: all that its result depends on, without padding.
typedef struct lm_case_numbers {
    uint32_t storage, readers, n_rows, n_cols; // of weights; n_cols of rows
    uint32_t n_tokens, n_here, tile, pos;      // of the grid, of the step
    uint32_t n_head, n_head_kv, head_dim, kv, n_splits, has_bias;
    uint32_t n_vocab;
    uint32_t n_runs;      // that must leave the same bits
    uint32_t matrix_tile; // of lm_matmul_tiles() + 1, of matmul; 0: the best
} lm_case_numbers;

typedef struct lm_case {
    const char *op;    // "attention"; a part of the case may be named instead, see lm_verdict
    const char *needs; // an op without which this cannot be judged; NULL: none
    char what[96];     // "1 token at 300, 16/16 heads of 128, f16, 5 splits"
    void (*run)(const struct lm_case *, lm_trial *, const char **culprit);
    uint32_t paths; // bits, 1 << lm_feature: optional paths that it may take
    lm_case_numbers numbers;
    double rope_base, rope_factor; // of rope_store and fused
} lm_case;

// Each carries a case out on a trial that has begun. Where the trial fails and another op than
// case->op is to blame, *culprit becomes its name.
void lm_case_weights(const lm_case *c, lm_trial *t, const char **culprit);
void lm_case_fused(const lm_case *c, lm_trial *t, const char **culprit);
void lm_case_rope_store(const lm_case *c, lm_trial *t, const char **culprit);
void lm_case_attention(const lm_case *c, lm_trial *t, const char **culprit);
void lm_case_rms_norm(const lm_case *c, lm_trial *t, const char **culprit);
void lm_case_swiglu(const lm_case *c, lm_trial *t, const char **culprit);
void lm_case_copy(const lm_case *c, lm_trial *t, const char **culprit);
void lm_case_step_begin(const lm_case *c, lm_trial *t, const char **culprit);
void lm_case_barriers(const lm_case *c, lm_trial *t, const char **culprit);
void lm_case_last_group(const lm_case *c, lm_trial *t, const char **culprit);
void lm_case_argmax(const lm_case *c, lm_trial *t, const char **culprit);
void lm_case_draw_greedy(const lm_case *c, lm_trial *t, const char **culprit);
void lm_case_draft_begin(const lm_case *c, lm_trial *t, const char **culprit);
void lm_case_draft_judge(const lm_case *c, lm_trial *t, const char **culprit);
void lm_case_draft_end(const lm_case *c, lm_trial *t, const char **culprit);
void lm_case_sample(const lm_case *c, lm_trial *t, const char **culprit);

// The format of a storage.
lm_format lm_case_format(lm_storage storage);

// Random rows of a format [n_rows] as a file has them, and as values [n_rows][n_cols].
void lm_case_make_rows(lm_trial *t, const lm_case_numbers *n, void *file, float *values);

// What to list.
typedef struct lm_case_wish {
    const lm_config *config;       // borrowed: the shapes
    uint32_t embed, vector, tiles; // bits, 1 << lm_storage: formats that each reader meets
    uint32_t kv;                   // bits, 1 << lm_kv_type
    bool many_shapes; // odd ones too, and steps of 2 to 8 tokens; else what compiles fewest shaders
    bool sampling;    // drawing by probability too
    bool drafts;      // verified steps too
    bool matrices;    // each tile of LM_FEATURE_MATRIX too
    bool fused;       // LM_FEATURE_FUSED too
    uint32_t n_runs;  // of what hands results from thread to thread: all must leave the same bits
} lm_case_wish;

// *cases is the caller's to free(). False with LM_NO_MEMORY.
bool lm_case_list(const lm_case_wish *wish, lm_case **cases, size_t *n, lm_error *err);

#endif
