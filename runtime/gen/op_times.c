// How long each op of a step took, with what it had to read and to compute.

#include "gen/objects.h"
#include "lm_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What an op multiplies with stands among its arguments as a device address.
static bool has_address(const lm_recorded_op *op, uint64_t address)
{
    for (uint32_t at = 0; at + 8 <= op->args_bytes; at += 8) {
        uint64_t word;
        memcpy(&word, op->args + at, sizeof word);
        if (word == address)
            return true;
    }
    return false;
}

static void count_matrix(lm_op_time *time, const lm_session *session, const lm_recorded_op *op,
                         lm_tensor_kind kind, uint32_t layer, uint32_t n_tokens)
{
    const lm_matrix m = lm_weights_matrix(session->model->weights, kind, layer);
    if (!m.address || !has_address(op, m.address))
        return;
    const double weights = (double)m.n_rows * m.n_cols;
    // A step's logits are those of one token.
    const double rows = kind == LM_TENSOR_OUTPUT ? 1 : n_tokens;
    time->bytes += (double)lm_matrix_bytes(m.storage, m.n_rows, m.n_cols);
    time->flops += 2 * weights * rows;
    if (!time->tensor[0])
        lm_tensor_name(kind, layer, time->tensor, sizeof time->tensor);
}

static void count_matrices(lm_op_time *time, const lm_session *session, const lm_recorded_op *op,
                           uint32_t n_tokens)
{
    static const lm_tensor_kind of_layers[] = {
        LM_TENSOR_Q,    LM_TENSOR_K,  LM_TENSOR_V,    LM_TENSOR_ATTN_OUT,
        LM_TENSOR_GATE, LM_TENSOR_UP, LM_TENSOR_DOWN,
    };
    for (uint32_t layer = 0; layer < session->model->config.n_layer; layer++)
        for (size_t i = 0; i < sizeof of_layers / sizeof *of_layers; i++)
            count_matrix(time, session, op, of_layers[i], layer, n_tokens);
    count_matrix(time, session, op, LM_TENSOR_OUTPUT, 0, n_tokens);
}

// All that the session holds; of the tokens of the step itself, each sees half of them on average.
static void count_attention(lm_op_time *time, const lm_session *session, const lm_recorded_op *op,
                            uint32_t n_tokens)
{
    const lm_config *c = &session->model->config;
    const double held = session->n_evaluated;
    const double seen = held > n_tokens ? held - (n_tokens - 1) / 2.0 : held;
    for (uint32_t layer = 0; layer < c->n_layer; layer++) {
        const lm_kv_layer *kv = &session->kv[layer];
        if (!has_address(op, kv->k))
            continue;
        time->bytes = 2 * held / kv->n_ctx * (double)lm_kv_layer_bytes(kv);
        time->flops = 4.0 * c->n_head * c->head_dim * seen * n_tokens;
        snprintf(time->tensor, sizeof time->tensor, "blk.%u", layer);
    }
}

static void describe(lm_op_time *time, const lm_session *session, const lm_recorded_op *op,
                     uint32_t n_tokens)
{
    time->module = lm_spirv_modules[op->pipeline.module].name;
    if (strncmp(time->module, "attention", 9) == 0)
        count_attention(time, session, op, n_tokens);
    else if (strncmp(time->module, "embed", 5) != 0)
        count_matrices(time, session, op, n_tokens);
}

bool lm_session_op_times(lm_session *session, lm_op_time **times, size_t *n, lm_error *err)
{
    uint32_t n_tokens = 0;
    lm_recording *rec = lm_steps_last(session->steps, &n_tokens);
    *times = NULL;
    *n = 0;
    if (!rec)
        return lm_fail(err, LM_BAD_ARGUMENT, "the session has done no step yet");
    const size_t n_ops = lm_recording_n_ops(rec);
    uint64_t *ns = calloc(n_ops + 1, 2 * sizeof *ns);
    lm_op_time *all = calloc(n_ops + 1, sizeof *all);
    bool ok = (ns && all) || lm_fail(err, LM_NO_MEMORY, "out of memory for the times of ops");
    ok = ok && lm_recording_spans(rec, ns, ns + n_ops, err);
    for (size_t i = 0; ok && i < n_ops; i++) {
        all[i].start_ns = ns[i];
        all[i].ns = ns[n_ops + i];
        describe(&all[i], session, lm_recording_op(rec, i), n_tokens);
    }
    free(ns);
    if (!ok) {
        free(all);
        return false;
    }
    *times = all;
    *n = n_ops;
    return true;
}
