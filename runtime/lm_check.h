// Checks what the device computes: every op of a real run is computed again on the host.
//
// Each op of a checked step runs alone. Its inputs are read from the device before, its outputs
// after; the host computes the outputs from those inputs, with the weights as the model's file has
// them, and compares. So errors do not add up, and the first op that differs is the one at fault.
// The draw with a temperature is compared as a whole, from the logits to the token, and is one op.
//
// That takes the host a second or two for each token and billion weights. A part of lm.h.

#ifndef LM_CHECK_H
#define LM_CHECK_H

#include "base/error.h"

#include <stdint.h>

struct lm_model_params;
struct lm_session;

#define LM_CHECK_STEPS 4 // where nothing else is asked for

typedef struct lm_check_params {
    const struct lm_model_params *model; // as it was opened; borrowed until the call returns
    uint32_t n_steps; // steps of prompts to check, and as many of generation; 0: LM_CHECK_STEPS
    // Called after every op; returning false cancels. May be NULL.
    bool (*progress)(void *user, uint64_t n_done, uint64_t n_ops);
    void *progress_user;
} lm_check_params;

#define LM_CHECK_FAMILIES 24

typedef struct lm_check_report {
    uint64_t n_steps, n_ops; // that agreed
    uint32_t n_families;
    struct {
        const char *name; // "matvec"
        uint64_t n_ops;
        double worst; // the largest error, as a part of what is tolerated there
    } families[LM_CHECK_FAMILIES];
} lm_check_report;

// From now on the session's steps are checked: of prompts those that begin or end one, and those of
// generation, until there were n_steps of each; then it goes on at full speed. Of a step of more
// than 32 tokens, the products of matrices and attention are compared for the first, the last and
// one of each 16 tokens. Opens the model's file again.
//
// What then runs on the session fails with LM_WRONG_RESULT where an op differs, and with
// LM_BAD_FILE where device and host agree on a NaN or an infinity, which the weights then make; the
// sentence names layer, op, shape and place. While it checks it takes 4 MiB of device memory beside
// the plan.
//
// Fails with LM_BAD_FILE (the file is another one now), LM_NO_MEMORY, LM_WRONG_RESULT (the device
// cannot even copy, or the table of rotations is wrong).
bool lm_session_check(struct lm_session *session, const lm_check_params *params, lm_error *err);

// What agreed so far.
lm_check_report lm_session_check_report(const struct lm_session *session);

#endif
