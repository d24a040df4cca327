// What lemnos can run, as one list: config.h says what the fields are.

#include "model/config.h"

#include <inttypes.h>

static bool check_range(const char *name, uint32_t value, uint32_t least, uint32_t most,
                        lm_error *err)
{
    if (value >= least && value <= most)
        return true;
    return lm_fail(err, LM_UNSUPPORTED,
                   "%s %" PRIu32 " is not supported; it must be %" PRIu32 " to %" PRIu32, name,
                   value, least, most);
}

static bool check_multiple(const char *name, uint64_t value, uint32_t of, lm_error *err)
{
    if (value % of == 0)
        return true;
    return lm_fail(err, LM_UNSUPPORTED,
                   "%s %" PRIu64 " is not supported; it must be a multiple of %" PRIu32, name,
                   value, of);
}

static bool check_real(const char *name, double value, double least, double most, lm_error *err)
{
    if (value >= least && value <= most) // false for a NaN
        return true;
    return lm_fail(err, LM_UNSUPPORTED, "%s %g is not supported; it must be %g to %g", name, value,
                   least, most);
}

// Indices within a tensor are 32-bit and signed on some devices.
static bool check_matrix(const char *name, uint64_t n_rows, uint64_t n_cols, lm_error *err)
{
    if (n_rows * n_cols < (uint64_t)1 << 31)
        return true;
    return lm_fail(err, LM_UNSUPPORTED,
                   "the %s matrix of %" PRIu64 " x %" PRIu64
                   " weights is not supported; it must hold fewer than 2^31",
                   name, n_rows, n_cols);
}

static bool check_heads(const lm_config *c, lm_error *err)
{
    if (c->head_dim != 64 && c->head_dim != 80 && c->head_dim != 128 && c->head_dim != 160)
        return lm_fail(err, LM_UNSUPPORTED,
                       "head_dim %" PRIu32 " is not supported; known are 64, 80, 128 and 160",
                       c->head_dim);
    if (!check_range("heads", c->n_head, 1, 1024, err) ||
        !check_range("kv_heads", c->n_head_kv, 1, 1024, err))
        return false;
    if (c->n_head % c->n_head_kv != 0)
        return lm_fail(err, LM_UNSUPPORTED,
                       "heads %" PRIu32
                       " is not supported; it must be a multiple of kv_heads %" PRIu32,
                       c->n_head, c->n_head_kv);
    return check_multiple("heads * head_dim", (uint64_t)c->n_head * c->head_dim, 32, err);
}

bool lm_config_check(const lm_config *config, lm_error *err)
{
    const lm_config *c = config;
    return check_range("layers", c->n_layer, 1, 1024, err) &&
           check_range("hidden", c->n_embd, 32, 65536, err) &&
           check_multiple("hidden", c->n_embd, 32, err) &&
           check_range("intermediate", c->n_ff, 32, 1 << 20, err) &&
           check_multiple("intermediate", c->n_ff, 32, err) && check_heads(c, err) &&
           check_range("vocab", c->n_vocab, 1, 1 << 20, err) &&
           check_range("context", c->n_ctx_train, 1, 1 << 24, err) &&
           check_real("the norm epsilon", c->norm_eps, 1e-12, 0.1, err) &&
           check_real("rope_base", c->rope_base, 1, 1e12, err) &&
           check_real("rope_factor", c->rope_factor, 1.0 / 1024, 1024, err) &&
           check_matrix("vocab", c->n_vocab, c->n_embd, err) &&
           check_matrix("intermediate", c->n_ff, c->n_embd, err) &&
           check_matrix("heads", (uint64_t)c->n_head * c->head_dim, c->n_embd, err);
}
