// Devices, models and sessions through lm.h for tests: whatever fails ends the test with the
// sentence of the error.

#ifndef LM_TESTS_SUPPORT_MODEL_H
#define LM_TESTS_SUPPORT_MODEL_H

#include "gguf/format.h"
#include "lm.h"
#include "model/config.h"

// Fails the test with the sentence of `err` unless `ok`.
void model_must(bool ok, const lm_error *err);

// The device that the environment asks for (support/device.h), under validation if it says so.
lm_device *model_device_open(void);

// Closes it and everything that the test holds of it must be closed before: fails where device
// memory is still in use.
void model_device_close(lm_device **device);

// The path of a shape's JSON file: of a golden one, "mha", "gqa7" or "mqa32", of "biased", which is
// gqa7 with biases, or of "tiny", whose steps take a software device a millisecond or two.
void model_shape_path(const char *shape, char path[4096]);

lm_config model_config(const char *shape);

// A synthetic model of such a shape. ctx_tokens as in lm_model_params.
lm_model *model_open(lm_device *device, const char *shape, lm_format format, uint32_t ctx_tokens);

// Writes the synthetic model as a GGUF file in which other bytes stand `offset` bytes into a
// tensor.
void model_write_changed(const char *path, const char *shape, lm_format format, const char *tensor,
                         uint64_t offset, const void *bytes, size_t size);

lm_session *model_session(lm_model *model, uint32_t ctx_tokens, lm_kv_type kv);

void model_sync(lm_session *session, const lm_token *tokens, size_t n_tokens);

// Borrowed until the session changes: f32 [n_vocab].
const float *model_logits(lm_session *session);

// What a whole generation gave.
typedef struct model_text {
    char text[8192]; // terminated
    size_t text_bytes;
    uint32_t n_tokens; // as the events said
    uint32_t n_events;
    lm_finish finish;
} model_text;

// Runs a generation to its end.
model_text model_generate(lm_session *session, const lm_generation_params *params);

// Adds what an event says to `text`.
void model_add_event(model_text *text, const lm_event *event);

// Tokens of a fixed pseudo-random sequence below n_vocab: the same for the same seed.
void model_prompt(lm_token *tokens, size_t n_tokens, uint32_t n_vocab, uint64_t seed);

#endif
