// Lemnos: code models of the llama architecture on any Vulkan device.
//
// Four things: a *device* runs a *model* (immutable weights), a *session* is one mutable timeline
// of tokens with its KV cache on that model, a *generation* continues a session token by token.
//
//     lm_device *device = lm_device_open(&(lm_device_params){0}, &err);
//     lm_model *model = lm_model_open(device, &(lm_model_params){.path = "model.gguf"}, &err);
//     lm_session *session = lm_session_create(model, &(lm_session_params){0}, &err);
//     lm_session_sync(session, tokens, n_tokens, &err);
//     lm_generation *gen = lm_generation_begin(session, &(lm_generation_params){0}, &err);
//     lm_event event;
//     while (lm_generation_next(gen, &event, &err) && !event.finish)
//         fwrite(event.text, 1, event.text_bytes, stdout);
//     lm_generation_end(&gen);
//
// Ownership: whoever creates destroys, in the reverse order: a device outlives its models, a model
// its sessions, a session its generation. Every destroy takes the address of the pointer, tolerates
// NULL and half-built objects, and waits for the device's work.
// Threads: one device and everything on it belongs to one thread at a time. The exceptions are
// lm_session_cancel() and the progress callback, as said there.
// Errors: a function that fails returns false or NULL and fills `err` with one sentence. The
// library never prints, never exits and keeps no state outside these objects.

#ifndef LM_H
#define LM_H

#include "base/error.h"
#include "lm_check.h"
#include "lm_features.h"
#include "lm_lookup.h"
#include "lm_sampling.h"
#include "lm_score.h"
#include "lm_session_file.h"
#include "ops/kv_type.h"

#include <stddef.h>
#include <stdint.h>

typedef struct lm_device lm_device;
typedef struct lm_model lm_model;
typedef struct lm_session lm_session;
typedef struct lm_generation lm_generation;

// ---- devices --------------------------------------------------------------------------------

typedef enum lm_device_kind {
    LM_DEVICE_DISCRETE,
    LM_DEVICE_INTEGRATED,
    LM_DEVICE_VIRTUAL,
    LM_DEVICE_SOFTWARE,
} lm_device_kind;

#define LM_MAX_MATRIX_SHAPES 16

// One cooperative-matrix shape that the driver enumerates: A [m][k] times B [k][n].
typedef struct lm_matrix_shape {
    uint32_t m, n, k;
    char types[24]; // "f16*f16+f32"
} lm_matrix_shape;

// What is known of a Vulkan device, whether or not it can run Lemnos.
typedef struct lm_device_info {
    char name[256];
    char vendor[32];         // "NVIDIA", "AMD", "Intel", ..., or "0x1234"
    uint32_t vendor_id;      // PCI id, or a number that Khronos gave
    char driver[128];        // "lavapipe Mesa 25.0.7 (LLVM 15.0.6)"
    char uuid[37];           // deviceUUID, lower case with hyphens
    uint32_t vulkan_version; // as VK_MAKE_API_VERSION
    lm_device_kind kind;
    uint64_t memory_bytes;      // sum of the heaps that a compute buffer may use
    uint64_t memory_free_bytes; // of these, what the driver or the system says is free now
    uint32_t subgroup_min, subgroup_max, subgroup_used;
    bool f16, int8, int_dot;                   // options the device offers
    lm_feature_info features[LM_MAX_FEATURES]; // what is off among them, and why
    uint32_t n_features;
    char driver_version[32]; // "25.0.7", as quirk tables compare it
    char quirks[128];        // the entries that hold here: "quirks.txt:12"; "": none
    char quirk_warning[384]; // what is wrong with the tables, one sentence; "" if nothing
    lm_matrix_shape matrix_shapes[LM_MAX_MATRIX_SHAPES];
    uint32_t n_matrix_shapes;
    bool usable;      // meets the floor
    bool safe;        // opened with params.safe: no optional path at all
    bool chosen;      // what lm_device_open() takes when nothing is asked for
    char reason[256]; // why it is not usable, or why it is or is not chosen; one sentence
} lm_device_info;

// Lists all devices. *infos is the caller's to free(). Fails with LM_UNSUPPORTED and a sentence
// that says what to install where there is no Vulkan loader or no driver.
bool lm_devices_list(lm_device_info **infos, size_t *n_infos, lm_error *err);

typedef struct lm_device_params {
    const char *device;    // UUID or a part of the name, any case; NULL: the best one
    const char *cache_dir; // where compiled pipelines are kept; NULL: nowhere
    bool validation;       // load the Khronos validation layer; its messages become errors
    bool safe;             // none of the optional paths, a barrier before every op; also LM_SAFE=1
    bool measuring;        // for lm_device_measure(): also with arithmetic that no path uses
    const char *fault;     // for tests: what shall go wrong, see gpu/fault.h; NULL: nothing
} lm_device_params;

// Fails with LM_UNSUPPORTED (no loader, no driver, no usable or no such device).
lm_device *lm_device_open(const lm_device_params *params, lm_error *err);
void lm_device_close(lm_device **device);

const lm_device_info *lm_device_get_info(const lm_device *device);

// The warning that opening or closing left behind, such as an unusable cache; "" if none.
const char *lm_device_warning(const lm_device *device);

// Bytes of device memory that are allocated now, by everything on this device.
uint64_t lm_device_memory_used(const lm_device *device);

// ---- models ---------------------------------------------------------------------------------

// Called while a model loads, on the thread that loads. Returning false cancels.
typedef bool (*lm_progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);

#define LM_MAX_MODELS   2 // on one device at a time: a base and an instruct model
#define LM_MAX_SESSIONS 4 // on one device at a time, of all its models

typedef struct lm_model_params {
    const char *path;      // a GGUF file, or NULL for a synthetic model
    const char *synthetic; // a shape: a name of the family or a JSON file; used when path is NULL
    const char *format;    // of the synthetic weights: "F16", "Q8_0", ...; NULL: Q8_0
    uint32_t ctx_tokens;   // longest context a session will ask for; 0: min(model's, 4096)
    uint32_t n_sessions;   // sessions of that length to keep memory for, at most 4; 0: 1
    lm_kv_type kv;         // plan for a session with this KV cache
    uint64_t file_stamp;   // of the file that is meant (lm_model_info): another one, which has been
                           // changed meanwhile, is LM_BAD_FILE; 0: any
    lm_progress progress;  // may be NULL
    void *progress_user;
} lm_model_params;

typedef struct lm_model_info {
    char name[64];
    char format[32]; // of most weights, "Q8_0"
    uint32_t n_layer, n_embd, n_ff, n_head, n_head_kv, head_dim, n_vocab, n_ctx_train;
    double rope_base, rope_factor;
    bool tied;
    bool qkv_bias;
    uint64_t n_params;
    uint64_t file_bytes; // 0 for a synthetic model
    uint64_t file_stamp; // of size, time and header; 0 for a synthetic model
    char warning[192];   // what may be wrong with the file, one sentence; "" if nothing
} lm_model_info;

// Where the device memory of a model and its sessions goes. Exact: the sum of what is allocated
// later equals total_bytes.
typedef struct lm_plan {
    uint64_t weights_bytes;
    uint64_t kv_bytes;      // of all sessions planned for, as the next two
    uint64_t scratch_bytes; // activations, tables, state
    uint64_t staging_bytes; // host-visible rings
    uint64_t total_bytes;
    uint64_t available_bytes; // free on the device, less the margin and what is kept for sessions
    uint32_t ctx_tokens;      // planned for, each session
    uint32_t ctx_tokens_fit;  // the largest context that fits, 0 if not even one token does
    uint32_t n_sessions;
    bool fits;
} lm_plan;

// Plans `params` on the device, beside what is there already, without loading weights.
bool lm_model_plan(lm_device *device, const lm_model_params *params, lm_plan *plan, lm_error *err);

// Plans several models, at most LM_MAX_MODELS with at most LM_MAX_SESSIONS sessions, to be opened
// in this order, all at a time. In plans[n_models], `fits` and `ctx_tokens_fit` leave room for the
// others; `total` is their sum, without contexts.
bool lm_models_plan(lm_device *device, const lm_model_params *params, size_t n_models,
                    lm_plan *plans, lm_plan *total, lm_error *err);

// What a file or a shape holds, without a device. *summary, if not NULL, becomes a text with
// metadata and tensors, the caller's to free().
bool lm_model_inspect(const lm_model_params *params, lm_model_info *info, char **summary,
                      lm_error *err);

// The tokenizer alone, without a device or weights; a file may hold nothing but a vocabulary. The
// caller destroys it with lm_tokenizer_destroy().
lm_tokenizer *lm_model_read_tokenizer(const lm_model_params *params, lm_error *err);

// Writes a synthetic model (params->synthetic, params->format) as a GGUF file.
bool lm_model_write_synthetic(const lm_model_params *params, const char *path, lm_error *err);

// Loads, and keeps memory for the sessions planned: no other model or session gets it. Fails with
// LM_BAD_FILE, LM_UNSUPPORTED, LM_NO_MEMORY (with the plan and the largest context that fits),
// LM_BAD_ARGUMENT (a third model), LM_CANCELLED, LM_DEVICE_LOST.
lm_model *lm_model_open(lm_device *device, const lm_model_params *params, lm_error *err);
void lm_model_close(lm_model **model);

const lm_model_info *lm_model_get_info(const lm_model *model);
const lm_tokenizer *lm_model_tokenizer(const lm_model *model);
uint64_t lm_model_load_ns(const lm_model *model);

// ---- sessions -------------------------------------------------------------------------------

typedef struct lm_session_params {
    uint32_t ctx_tokens; // capacity; 0: the model's ctx_tokens; at most that
    lm_kv_type kv;       // of the KV cache
} lm_session_params;

typedef struct lm_session_stats {
    uint32_t n_tokens;  // held now
    uint64_t evaluated; // tokens put through the model since creation, prompt and generated
    uint64_t reused;    // prompt tokens that sync found already there
    uint64_t submits;
    uint64_t prefill_ns, prefill_tokens; // of the last sync, up to its first token
    uint64_t decode_ns, decode_tokens;   // of the last generation
    uint64_t first_token_ns;             // from the start of sync to the first token
    uint64_t logits_hash;                // FNV-1a 64 over the bits of all logits used for sampling
    lm_lookup_stats lookup;              // of the last generation
} lm_session_stats;

// Fails with LM_BAD_ARGUMENT for more tokens than the model was opened for and for a fifth session
// of the device, with LM_NO_MEMORY where more is asked for than was planned and is free.
lm_session *lm_session_create(lm_model *model, const lm_session_params *params, lm_error *err);
void lm_session_destroy(lm_session **session);

// Makes the session hold exactly `tokens`, evaluating as little as possible: the longest prefix
// shared with what it already holds is kept, the rest is computed. Blocks.
//
// On failure the session is empty but usable. Fails with LM_BAD_ARGUMENT if n_tokens is 0 or leaves
// no room in the context or a token is outside the vocabulary, LM_CANCELLED if lm_session_cancel()
// was called meanwhile, LM_BAD_NUMBERS, LM_DEVICE_LOST.
bool lm_session_sync(lm_session *session, const lm_token *tokens, size_t n_tokens, lm_error *err);

// The same in slices, for an owner that has other work: begin states the tokens, and step returns
// after at most one submit. *done becomes true when the session holds them all. Between two steps
// other sessions of the device may do whatever they like: so a completion overtakes a chat.
bool lm_session_sync_begin(lm_session *session, const lm_token *tokens, size_t n_tokens,
                           lm_error *err);
bool lm_session_sync_step(lm_session *session, bool *done, lm_error *err);

// Makes the session hold `n_tokens` invented tokens without evaluating them: the KV cache is filled
// with pseudo-random values. To measure at a depth that would take too long to reach; what is
// generated after it means nothing. Fails like lm_session_sync().
bool lm_session_fill(lm_session *session, uint32_t n_tokens, lm_error *err);

// Logits for the token after the last one: f32 [n_vocab], unnormalised, on the host; NULL before
// the first sync. Borrowed until the session changes.
const float *lm_session_logits(lm_session *session, lm_error *err);

// Asks whatever runs on this session to stop at the next submit. May be called from any thread and
// from a signal handler. Cleared by the next sync or generation_begin.
void lm_session_cancel(lm_session *session);

lm_session_stats lm_session_get_stats(const lm_session *session);

// The tokens held: the last sync and what was generated since. Borrowed until the session changes.
const lm_token *lm_session_tokens(const lm_session *session, size_t *n_tokens);

// ---- generations ----------------------------------------------------------------------------

typedef enum lm_finish {
    LM_FINISH_NONE = 0, // goes on
    LM_FINISH_END,      // the model ended the text
    LM_FINISH_STOP,     // a stop text appeared; it and what follows are not returned as text, but
                        // the session keeps their tokens: sync to drop them
    LM_FINISH_LENGTH,   // max_tokens reached
    LM_FINISH_CONTEXT,  // the context is full
    LM_FINISH_CANCELLED,
    LM_FINISH_REPETITION, // the text only repeated itself, and end_repetition was asked for
} lm_finish;

// "end", "stop", "length", "context", "cancelled", "repetition"
const char *lm_finish_name(lm_finish finish);

#define LM_MAX_STOPS      16
#define LM_MAX_STOP_BYTES 256 // so much text at most is held back

typedef struct lm_generation_params {
    uint32_t max_tokens;      // 0: until the context is full
    lm_sampling sampling;     // its biases are borrowed until lm_generation_begin() returns
    uint32_t n_logprobs;      // tell log-probabilities of this many tokens, 0 to LM_MAX_LOGPROBS
    const char *const *stops; // texts that end it, none empty; borrowed until its end
    size_t n_stops;
    bool ignore_end;         // go on after end tokens, for benchmarks
    bool end_repetition;     // end where a repetition is found, instead of only telling
    lm_lookup_params lookup; // drafts from what is there already; off unless asked for
    // For measurements and tests: what is drawn first, whatever the logits say; they are evaluated,
    // judged as drafts and booked as if the model had said it. Greedy only; borrowed until the end.
    const lm_token *forced;
    size_t n_forced;
    // The last so many tokens of the session are the beginning of this generation: another one with
    // the same parameters drew and told them, before its device was lost, say. They count as its
    // own and are not told again.
    uint32_t n_told;
} lm_generation_params;

#define LM_MAX_REPEATED 16

// A text that only repeats itself. Its model may be at its end, or its device may compute wrong.
typedef struct lm_repetition {
    lm_token tokens[LM_MAX_REPEATED];
    uint32_t n_tokens; // that come again and again, with nothing between them; 0: none found
    uint32_t n_times;  // so often when it was found: 64 at least, more where there is no letter
} lm_repetition;

typedef struct lm_event {
    const char *text;  // new text, whole UTF-8 characters only, not terminated; borrowed until next
    size_t text_bytes; // may be 0: no text became final yet
    uint32_t n_tokens; // new tokens behind it
    const lm_token_logprobs *logprobs; // [n_tokens], borrowed until next; NULL if not asked for
    const lm_repetition *repetition;   // NULL but in the event in which the first one is found;
                                       // borrowed until the generation's end
    lm_finish finish;                  // LM_FINISH_NONE while it goes on
} lm_event;

// Starts to continue a session that sync has filled. One generation per session at a time.
lm_generation *lm_generation_begin(lm_session *session, const lm_generation_params *params,
                                   lm_error *err);

// Returns after at most one submit. After the event whose `finish` is set there are no more.
bool lm_generation_next(lm_generation *gen, lm_event *event, lm_error *err);

// Ends it at any time; the session keeps the tokens returned so far and can go on.
void lm_generation_end(lm_generation **gen);

#endif
