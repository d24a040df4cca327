// Turns generated tokens into text that may be shown: whole UTF-8 characters, and nothing that
// could still become a stop text.
//
// Ownership: whoever creates destroys. Threads: one at a time.

#ifndef LM_GEN_STOP_H
#define LM_GEN_STOP_H

#include "base/error.h"
#include "base/text.h"

#include <stddef.h>

typedef struct lm_stop lm_stop;

// `stops` are borrowed until destroyed. Fails with LM_BAD_ARGUMENT for an empty stop text, one over
// LM_MAX_STOP_BYTES or more than LM_MAX_STOPS of them (lm.h).
lm_stop *lm_stop_create(const char *const *stops, size_t n_stops, lm_error *err);
void lm_stop_destroy(lm_stop **stop);

// Appends the bytes of one token. *shown becomes what may be shown now, borrowed until the next
// call. True once a stop text is complete: *shown then ends before it, and nothing may follow.
// Fails (false with *failed) only without memory.
bool lm_stop_push(lm_stop *stop, lm_text bytes, lm_text *shown, bool *failed);

// What was held back, at the end of the text.
lm_text lm_stop_flush(lm_stop *stop);

#endif
