// What stands behind the opaque types of lm.h, for the files of this layer only.

#ifndef LM_GEN_OBJECTS_H
#define LM_GEN_OBJECTS_H

#include "gen/lookup.h"
#include "gen/repetition.h"
#include "gen/sampling.h"
#include "gen/steps.h"
#include "gen/stop.h"
#include "gpu/gpu.h"
#include "gpu/memory.h"
#include "lm.h"
#include "model/forward.h"
#include "model/weights.h"

#include <stdatomic.h>

#define LM_DEFAULT_CTX 4096

struct lm_device {
    lm_gpu *gpu; // owned
    lm_device_info info;
    uint32_t n_models, n_sessions; // on it now
    uint64_t kept_bytes;           // for sessions that were planned and do not exist
    char fault[512];               // what the self-test found wrong on the floor; "" if nothing
};

struct lm_model {
    lm_device *device; // borrowed
    lm_config config;
    lm_model_info info;
    lm_weights *weights;     // owned
    lm_tokenizer *tokenizer; // owned
    uint64_t fingerprint;    // of the weights, for session files
    uint32_t ctx_tokens;     // the most a session may have
    uint64_t session_bytes;  // of one session as planned
    uint32_t n_kept;         // sessions that memory is kept for
    bool is_counted;         // by the device, with what is kept
    uint64_t load_ns;
};

// Has the pipelines of the first steps compiled in other threads; the weights have their memory.
void lm_model_compile_ahead(const lm_model *model, lm_kv_type kv);

// False, with a sentence that names the op, where a self-test found the floor wrong.
bool lm_device_is_sound(const lm_device *device, lm_error *err);

// Text that grows; its memory is kept from event to event.
typedef struct lm_text_buffer {
    char *at; // owned
    size_t size, room;
} lm_text_buffer;
bool lm_text_buffer_append(lm_text_buffer *buffer, lm_text text);

// The device memory of a session and what lies where in it.
typedef struct lm_session_memory {
    lm_arena *kv;      // owned
    lm_arena *scratch; // owned
    lm_arena *shared;  // owned, host-visible
    uint32_t kv_first; // tensors of kv: K and V of layer l are kv_first + 2 l and the next
    uint32_t scratch_first;
    uint32_t step, tokens, cos_sin;   // tensors of scratch
    uint32_t inbox, outbox, readback; // tensors of shared
    uint32_t n_ctx;                   // capacity rounded up to 16
    uint32_t max_chunk;               // most tokens of a step
    uint32_t max_splits;
} lm_session_memory;

// Opens the source of a model and its config; *gguf is NULL for a synthetic one.
typedef struct lm_opened {
    lm_gguf *gguf;     // owned
    lm_source *source; // owned; NULL for a file without tensors
    lm_config config;
    lm_format format; // of most weights
} lm_opened;
bool lm_opened_init(lm_opened *opened, const lm_model_params *params, lm_error *err);
void lm_opened_finish(lm_opened *opened);
void lm_opened_info(const lm_opened *opened, lm_model_info *info);

struct lm_session {
    lm_model *model; // borrowed
    uint32_t ctx_tokens;
    bool is_counted; // by the device
    bool was_kept;   // its memory was kept for it, and is again when it goes
    lm_session_memory memory;
    lm_kv_layer *kv; // owned, [n_layer]
    lm_scratch scratch;
    lm_timeline_memory timeline;
    lm_steps *steps;     // owned
    lm_checker *checker; // owned; NULL: nothing is checked
    lm_opened *checked;  // owned: what it compares with
    lm_token *tokens;    // owned, [ctx_tokens]: the timeline as the caller sees it
    uint32_t n_tokens;
    uint32_t n_evaluated; // of these, whose K and V are in the cache
    uint32_t logits_at;   // the logits on the device follow this many tokens; 0: none
    float *logits;        // owned, [n_vocab]: read back
    uint32_t logits_read_at;
    uint32_t sync_target; // tokens that a begun sync wants; 0: none under way
    uint64_t sync_start_ns;
    lm_pending pending;        // the prefill step under way
    uint32_t chunk;            // its tokens
    uint64_t first_submit;     // the device's count when the session was created
    lm_generation *generation; // borrowed; NULL: none
    atomic_bool cancelled;
    lm_session_stats stats;
};

struct lm_generation {
    lm_session *session; // borrowed
    lm_stop *stop;       // owned
    uint32_t max_tokens; // as asked for; 0: none
    uint32_t limit;      // tokens that may be drawn
    bool ignore_end, end_repetition;
    lm_repeats repeats;
    struct step_sampling sampling;
    lm_draw draw;
    lm_token_logprobs *logprobs; // owned, [STEP_OUT_LOGPROBS] of the event; NULL: not asked for
    bool is_started;             // the device's state is set
    lm_pending pending;          // the decode step under way
    lm_lookup *lookup;           // owned; NULL: no drafts
    bool lookup_is_on;           // drafts whatever they cost
    uint32_t n_draft;            // tokens of the draft of the step under way, 0: none
    uint32_t n_out_before;       // tokens drawn before it
    const lm_token *forced;      // borrowed, [n_forced]: what is drawn first
    size_t n_forced;
    uint32_t n_drawn;    // tokens taken from the outbox, the end token included
    uint32_t n_told;     // tokens that another generation drew and told
    uint32_t n_seen;     // n_told and those drawn that were appended to the session
    uint32_t n_base;     // tokens of the session when it began
    lm_text_buffer text; // of the event being made
    lm_finish finish;    // NONE while it goes on
    bool is_over;        // the last event was given
    uint64_t start_ns;
};

// Plans the memory of one session. Creates the arenas in `memory` without allocating.
bool lm_session_memory_plan(lm_session_memory *memory, lm_gpu *gpu, const lm_config *config,
                            uint32_t ctx_tokens, lm_kv_type kv, lm_error *err);
void lm_session_memory_finish(lm_session_memory *memory);

// What a plan is made for.
typedef struct lm_wish {
    const lm_opened *opened; // borrowed
    uint32_t ctx_tokens;
    uint32_t n_sessions;
    lm_kv_type kv;
} lm_wish;

// The wish behind the parameters of a model. Checks them.
bool lm_wish_init(lm_wish *wish, const lm_opened *opened, const lm_model_params *params,
                  lm_error *err);

// Makes the plan of an opened model.
bool lm_plan_opened(lm_device *device, const lm_wish *wish, lm_plan *plan, lm_error *err);

// What may be taken on the device now: what is free, less a margin and what is kept for sessions.
uint64_t lm_available_bytes(const lm_device *device);

// Evaluates what the session holds but has not evaluated, or, if everything is, its last token
// again, so that the logits on the device follow the last token. At most one submit; *done says
// whether that was all.
bool lm_session_catch_up(lm_session *session, bool *done, lm_error *err);

// Ends what lm_session_check() began.
void lm_session_end_check(lm_session *session);

// Empties the session after a failure.
void lm_session_clear(lm_session *session);

#endif
