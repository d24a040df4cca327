// A model file: its header, what the model asks of it, and the bytes of its tensors.

#include "fuzz/support/fuzz.h"

#include "base/shown.h"
#include "gguf/gguf.h"
#include "model/fingerprint.h"
#include "model/source.h"

#include <stdio.h>

#define MAX_ASKED 16 // elements of an array

static void ask_for_elements(const lm_gguf *gguf, const char *key, uint64_t n)
{
    lm_text text;
    int64_t whole;
    double real;
    for (uint64_t i = 0; i <= n && i < MAX_ASKED; i++) {
        const bool is_text = lm_gguf_get_text_at(gguf, key, i, &text);
        const bool is_whole = lm_gguf_get_i64_at(gguf, key, i, &whole);
        const bool is_real = lm_gguf_get_f64_at(gguf, key, i, &real);
        fuzz_require(is_text + is_whole + is_real <= 1, "a value is of one kind");
        fuzz_require(i < n || !(is_text || is_whole || is_real), "an array ends after its count");
        if (is_text)
            fuzz_touch(text);
    }
}

static void ask_for_keys(const lm_gguf *gguf)
{
    for (size_t i = 0; i < lm_gguf_n_keys(gguf); i++) {
        const lm_text key = lm_gguf_key(gguf, i);
        const lm_text raw = lm_gguf_raw_value(gguf, i);
        char name[256];
        uint64_t whole, n;
        double real;
        bool flag;
        lm_text text;
        fuzz_require_printable(lm_show(key).text);
        fuzz_require(raw.size >= 5, "a value has a type and bytes");
        fuzz_touch(raw);
        if (key.size >= sizeof name || memchr(key.at, 0, key.size))
            continue;
        snprintf(name, sizeof name, "%.*s", (int)key.size, key.at);
        fuzz_require(lm_gguf_has(gguf, name), "a key that is listed is found");
        const int kinds = lm_gguf_get_u64(gguf, name, &whole) + lm_gguf_get_f64(gguf, name, &real) +
                          lm_gguf_get_bool(gguf, name, &flag) +
                          lm_gguf_get_text(gguf, name, &text) + lm_gguf_get_count(gguf, name, &n);
        fuzz_require(kinds <= 1, "a value is of one kind");
        if (lm_gguf_get_count(gguf, name, &n))
            ask_for_elements(gguf, name, n);
    }
}

static void read_tensors(const lm_gguf *gguf)
{
    for (size_t i = 0; i < lm_gguf_n_tensors(gguf); i++) {
        const lm_gguf_tensor *tensor = lm_gguf_tensor_at(gguf, i);
        lm_error err = {0};
        uint8_t bytes[16];
        fuzz_require(tensor->name.at[tensor->name.size] == 0, "a name is terminated");
        fuzz_require(memchr(tensor->name.at, 0, tensor->name.size) ||
                         lm_gguf_find(gguf, tensor->name.at) == tensor,
                     "a tensor that is listed is found");
        fuzz_require(tensor->offset <= lm_gguf_file_bytes(gguf) &&
                         tensor->size_bytes <= lm_gguf_file_bytes(gguf) - tensor->offset,
                     "a tensor lies in the file");
        const uint64_t n = tensor->size_bytes < sizeof bytes ? tensor->size_bytes : sizeof bytes;
        fuzz_require(lm_gguf_read(gguf, tensor, tensor->size_bytes - n, bytes, (size_t)n, &err),
                     "the end of a tensor can be read");
        fuzz_require(!lm_gguf_read(gguf, tensor, tensor->size_bytes, bytes, 1, &err),
                     "nothing behind a tensor can be read");
        fuzz_require_sentence(&err);
    }
}

static void make_model(const lm_gguf *gguf)
{
    lm_error err = {0};
    lm_config config;
    if (!lm_config_from_gguf(&config, gguf, &err)) {
        fuzz_require_sentence(&err);
        return;
    }
    lm_config_lost_scaling(&config, gguf);
    lm_source *source = lm_source_from_gguf(gguf, &config, &err);
    uint64_t fingerprint;
    if (source && lm_fingerprint(&config, source, &fingerprint, &err))
        fuzz_accept();
    else
        fuzz_require_sentence(&err);
    lm_source_destroy(&source);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    lm_error err = {0};
    lm_gguf *gguf = lm_gguf_open_memory("the file", data, size, &err);
    if (!gguf) {
        fuzz_require_sentence(&err);
        return;
    }
    ask_for_keys(gguf);
    read_tensors(gguf);
    make_model(gguf);
    lm_gguf_close(&gguf);
    fuzz_require(gguf == NULL, "closing sets to NULL");
}
