#include "support/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gguf/gguf.h"
#include "support/device.h"
#include "support/golden.h"
#include "support/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void model_must(bool ok, const lm_error *err)
{
    if (!ok)
        fail_msg("%s: %s", lm_status_name(err->status), err->message);
}

lm_device *model_device_open(void)
{
    lm_error err = {0};
    const char *driver = getenv("LM_TEST_DEVICE");
    const lm_device_params params = {
        // llvmpipe is what lavapipe calls itself
        .device = driver && strcmp(driver, "lavapipe") == 0 ? "llvmpipe" : driver,
        .validation = lm_test_validation(),
    };
    lm_device *device = lm_device_open(&params, &err);
    model_must(device != NULL, &err);
    return device;
}

void model_device_close(lm_device **device)
{
    if (*device)
        assert_int_equal(lm_device_memory_used(*device), 0);
    lm_device_close(device);
}

void model_shape_path(const char *shape, char path[4096])
{
    if (strcmp(shape, "tiny") == 0 || strcmp(shape, "biased") == 0 || strcmp(shape, "wide") == 0)
        snprintf(path, 4096, LM_SOURCE_DIR "/tests/model/%s.json", shape);
    else
        golden_shape_path(shape, path, 4096);
}

lm_model *model_open(lm_device *device, const char *shape, lm_format format, uint32_t ctx_tokens)
{
    lm_error err = {0};
    char path[4096];
    model_shape_path(shape, path);
    const lm_model_params params = {
        .synthetic = path, .format = lm_format_name(format), .ctx_tokens = ctx_tokens};
    lm_model *model = lm_model_open(device, &params, &err);
    model_must(model != NULL, &err);
    return model;
}

void model_write_changed(const char *path, const char *shape, lm_format format, const char *tensor,
                         uint64_t offset, const void *bytes, size_t size)
{
    lm_error err = {0};
    char shape_path[4096];
    model_shape_path(shape, shape_path);
    const lm_model_params params = {.synthetic = shape_path, .format = lm_format_name(format)};
    model_must(lm_model_write_synthetic(&params, path, &err), &err);
    lm_gguf *gguf = lm_gguf_open(path, &err);
    model_must(gguf != NULL, &err);
    const lm_gguf_tensor *found = lm_gguf_find(gguf, tensor);
    assert_non_null(found);
    assert_true(offset + size <= found->size_bytes);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)(found->offset + offset), SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, size, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    lm_gguf_close(&gguf);
}

lm_config model_config(const char *shape)
{
    lm_error err = {0};
    lm_config config;
    char path[4096];
    model_shape_path(shape, path);
    model_must(lm_config_from_shape(&config, path, &err), &err);
    return config;
}

lm_session *model_session(lm_model *model, uint32_t ctx_tokens, lm_kv_type kv)
{
    lm_error err = {0};
    const lm_session_params params = {.ctx_tokens = ctx_tokens, .kv = kv};
    lm_session *session = lm_session_create(model, &params, &err);
    model_must(session != NULL, &err);
    return session;
}

void model_sync(lm_session *session, const lm_token *tokens, size_t n_tokens)
{
    lm_error err = {0};
    model_must(lm_session_sync(session, tokens, n_tokens, &err), &err);
}

const float *model_logits(lm_session *session)
{
    lm_error err = {0};
    const float *logits = lm_session_logits(session, &err);
    model_must(logits != NULL, &err);
    return logits;
}

void model_add_event(model_text *text, const lm_event *event)
{
    assert_in_range(text->text_bytes + event->text_bytes, 0, sizeof text->text - 1);
    if (event->text_bytes > 0)
        memcpy(text->text + text->text_bytes, event->text, event->text_bytes);
    text->text_bytes += event->text_bytes;
    text->text[text->text_bytes] = 0;
    text->n_tokens += event->n_tokens;
    text->n_events++;
    text->finish = event->finish;
}

model_text model_generate(lm_session *session, const lm_generation_params *params)
{
    lm_error err = {0};
    model_text text = {0};
    lm_generation *gen = lm_generation_begin(session, params, &err);
    model_must(gen != NULL, &err);
    while (text.finish == LM_FINISH_NONE) {
        lm_event event;
        model_must(lm_generation_next(gen, &event, &err), &err);
        model_add_event(&text, &event);
    }
    lm_generation_end(&gen);
    return text;
}

void model_prompt(lm_token *tokens, size_t n_tokens, uint32_t n_vocab, uint64_t seed)
{
    test_random random = {seed};
    for (size_t i = 0; i < n_tokens; i++)
        tokens[i] = (lm_token)test_random_below(&random, n_vocab);
}
