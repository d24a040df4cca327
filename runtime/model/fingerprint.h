// What tells one set of weights from another.

#ifndef LM_MODEL_FINGERPRINT_H
#define LM_MODEL_FINGERPRINT_H

#include "model/source.h"

// FNV-1a 64 over the sizes of the model, name, format and shape of every tensor, and two rows of
// each. Training changes every row, so the rest need not be read. The same for a synthetic model
// and for the file written from it; name, context and RoPE are not in it.
bool lm_fingerprint(const lm_config *config, const lm_source *source, uint64_t *fingerprint,
                    lm_error *err);

#endif
