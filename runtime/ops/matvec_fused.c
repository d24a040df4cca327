#include "ops/matvec_fused.h"

#include "ops/dispatch.h"
#include "ops/matvec_shape.h"

#include "interface/kv.h"
#include "interface/weights.h"

_Static_assert((int)LM_MATVEC_TO_Y == MATVEC_TO_Y && (int)LM_MATVEC_TO_Q == MATVEC_TO_Q &&
                   (int)LM_MATVEC_TO_K == MATVEC_TO_K && (int)LM_MATVEC_TO_V == MATVEC_TO_V,
               "pushed as it is");

uint32_t lm_normed_squares(uint32_t n_cols)
{
    return lm_ceil_div(n_cols, WEIGHT_TILE);
}

bool lm_matvec_can_store(lm_kv_type type)
{
    return type == LM_KV_F16 || type == LM_KV_F32;
}

static struct matvec_args args_of(const lm_matrix *w, const lm_normed *x, uint64_t step)
{
    return (struct matvec_args){
        .weights = w->address,
        .x = x->x,
        .step = step,
        .squares = x->n_squares > 0 ? x->squares : x->x, // loaded even where none counts
        .n_rows = w->n_rows,
        .n_cols = w->n_cols,
        .n_squares = x->n_squares,
        .eps = x->eps,
        .head_dim = 1, // divided by even where there are no heads
    };
}

static lm_access reads_squares(const lm_normed *x)
{
    return lm_reads(x->squares, (uint64_t)x->n_squares * 4);
}

void lm_op_matvec_scaled(lm_recording *rec, const lm_matvec_scaled *op)
{
    const lm_matrix *w = &op->weights;
    const lm_kv_layer *kv = &op->kv;
    const bool stores = op->to == LM_MATVEC_TO_K || op->to == LM_MATVEC_TO_V;
    const bool rotates = op->to == LM_MATVEC_TO_Q || op->to == LM_MATVEC_TO_K;
    if (stores && (!lm_matvec_can_store(kv->type) || w->n_rows != kv->n_head_kv * kv->head_dim)) {
        lm_recording_fail(rec, LM_BAD_ARGUMENT, "a product is not what the KV cache can store");
        return;
    }
    struct matvec_args args = args_of(w, &op->x, op->step);
    args.to = (uint32_t)op->to;
    args.y = op->y;
    args.cos_sin = op->cos_sin;
    args.cache = op->to == LM_MATVEC_TO_K ? kv->k : kv->v;
    if (op->to != LM_MATVEC_TO_Y) {
        args.to |= kv->type == LM_KV_F32 ? MATVEC_TO_F32 : 0;
        args.head_dim = kv->head_dim;
        args.n_ctx = kv->n_ctx;
    }
    const lm_access accesses[] = {
        lm_matrix_reads(w),
        lm_reads(op->x.x, (uint64_t)w->n_cols * 4),
        lm_reads(op->step, lm_step_state_bytes()),
        reads_squares(&op->x),
        lm_reads(op->cos_sin, rotates ? (uint64_t)kv->n_ctx * kv->head_dim * 4 : 0),
        stores ? lm_writes(args.cache, lm_kv_layer_bytes(kv))
               : lm_writes(op->y, (uint64_t)w->n_rows * 4),
    };
    lm_matvec_dispatch(rec, w, MATVEC_SCALED, &args, accesses, LM_COUNT(accesses));
}

void lm_op_matvec_add_norm(lm_recording *rec, const lm_matvec_add_norm *op)
{
    const lm_matrix *w = &op->weights;
    struct matvec_args args = args_of(w, &(lm_normed){.x = op->x}, op->step);
    args.y = op->y;
    args.norm = op->norm;
    args.normed = op->normed;
    args.sums = op->squares;
    const uint64_t y_bytes = (uint64_t)w->n_rows * 4;
    const lm_access accesses[] = {
        lm_matrix_reads(w),
        lm_reads(op->x, (uint64_t)w->n_cols * 4),
        lm_reads(op->step, lm_step_state_bytes()),
        lm_reads(op->norm, y_bytes),
        lm_updates(op->y, y_bytes),
        lm_writes(op->normed, y_bytes),
        lm_writes(op->squares, (uint64_t)lm_normed_squares(w->n_rows) * 4),
    };
    lm_matvec_dispatch(rec, w, MATVEC_ADD_NORM, &args, accesses, LM_COUNT(accesses));
}

void lm_op_matvec_swiglu(lm_recording *rec, const lm_matvec_swiglu *op)
{
    const lm_matrix *gate = &op->gate, *up = &op->up;
    if (gate->storage != up->storage || gate->n_rows != up->n_rows || gate->n_cols != up->n_cols) {
        lm_recording_fail(rec, LM_BAD_ARGUMENT, "the matrices of a SwiGLU are not alike");
        return;
    }
    struct matvec_args args = args_of(gate, &op->x, op->step);
    args.up = up->address;
    args.y = op->y;
    const lm_access accesses[] = {
        lm_matrix_reads(gate),
        lm_matrix_reads(up),
        lm_reads(op->x.x, (uint64_t)gate->n_cols * 4),
        lm_reads(op->step, lm_step_state_bytes()),
        reads_squares(&op->x),
        lm_writes(op->y, (uint64_t)gate->n_rows * 4),
    };
    lm_matvec_dispatch(rec, gate, MATVEC_SWIGLU, &args, accesses, LM_COUNT(accesses));
}
