// The same step in fewer ops, for one token: what stands between products is part of them
// (ops/matvec_fused.h). A layer is five intervals: q, k and v; attention; its output; gate and up;
// down. With biases or a KV cache of q8_0 rotating and storing is one more, and where gate and up
// have two formats SwiGLU is.

#ifndef LM_MODEL_FORWARD_FUSED_H
#define LM_MODEL_FORWARD_FUSED_H

#include "model/forward.h"

// Whether the step is one token long and the device takes LM_FEATURE_FUSED.
bool lm_forward_is_fused(const lm_recording *rec, const lm_forward *forward);

// Behind a layer: cuts, unless what was read since the last cut, *bytes, is too little for a piece.
void lm_forward_end_layer(lm_recording *rec, const lm_forward *forward, uint32_t layer,
                          uint64_t *bytes);

// Appends the ops from behind the embedding on.
void lm_forward_record_fused(lm_recording *rec, const lm_forward *forward);

#endif
