#include "support/vocab_file.h"
#include "gguf/write.h"
#include "tokenizer/byte_symbols.h"
#include "tokenizer/utf8.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_TOKENS   1024
#define MAX_SPELLING 300

enum { NORMAL = 1, CONTROL = 3, USER_DEFINED = 4 };

struct list {
    char spellings[MAX_TOKENS][MAX_SPELLING];
    lm_text texts[MAX_TOKENS];
    int32_t types[MAX_TOKENS];
    size_t n;
};

static void add(struct list *list, lm_text spelling, int32_t type)
{
    if (list->n == MAX_TOKENS || spelling.size > MAX_SPELLING) {
        fprintf(stderr, "vocab_file: more than %d tokens or %d bytes\n", MAX_TOKENS, MAX_SPELLING);
        abort();
    }
    memcpy(list->spellings[list->n], spelling.at, spelling.size);
    list->texts[list->n] = (lm_text){list->spellings[list->n], spelling.size};
    list->types[list->n++] = type;
}

static bool was_added_later(int byte)
{
    return byte == 0xc0 || byte == 0xc1 || byte >= 0xf5;
}

static void add_symbols(struct list *list, const vocab_params *params, bool later)
{
    const int32_t later_type = params->later_type ? params->later_type : USER_DEFINED;
    for (int byte = 0; byte < 256; byte++) {
        if ((was_added_later(byte) && !params->all_bytes) != later)
            continue;
        if (params->missing_byte != 0 && byte == params->missing_byte)
            continue;
        char symbol[4];
        const size_t size = lm_utf8_encode(lm_byte_symbol((unsigned char)byte), symbol);
        add(list, (lm_text){symbol, size}, later ? later_type : NORMAL);
    }
}

static size_t add_merged(struct list *list, const char *const *merges, lm_text *texts)
{
    size_t n = 0;
    for (; merges && merges[n]; n++) {
        char joined[MAX_SPELLING];
        const int size = snprintf(joined, sizeof joined, "%.*s%s", (int)strcspn(merges[n], " "),
                                  merges[n], strchr(merges[n], ' ') + 1);
        add(list, (lm_text){joined, (size_t)size}, NORMAL);
        texts[n] = lm_text_of(merges[n]);
    }
    return n;
}

// With the types that files made by older converters have.
static void add_control(struct list *list, const vocab_params *params)
{
    add(list, lm_text_of("<｜begin▁of▁sentence｜>"), CONTROL);
    add(list, lm_text_of("<｜end▁of▁sentence｜>"), CONTROL);
    if (!params->no_hole)
        add(list, lm_text_of("<｜fim▁hole｜>"), USER_DEFINED);
    add(list, lm_text_of("<｜fim▁begin｜>"), USER_DEFINED);
    add(list, lm_text_of("<｜fim▁end｜>"), USER_DEFINED);
    add(list, lm_text_of("<pad>"), USER_DEFINED);
    add(list, lm_text_of("<|EOT|>"), USER_DEFINED);
    if (params->added)
        add(list, lm_text_of(params->added), USER_DEFINED);
}

static void add_padding(struct list *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char spelling[32];
        const int size = snprintf(spelling, sizeof spelling, "[PAD%zu]", list->n);
        add(list, (lm_text){spelling, (size_t)size}, USER_DEFINED);
    }
}

static uint32_t find(const struct list *list, const char *spelling)
{
    for (size_t i = 0; i < list->n; i++)
        if (lm_text_equal(list->texts[i], lm_text_of(spelling)))
            return (uint32_t)i;
    return UINT32_MAX;
}

static void write_keys(lm_gguf_writer *writer, const vocab_params *params, struct list *list)
{
    lm_text merges[MAX_TOKENS];
    add_symbols(list, params, false);
    size_t n_merges = add_merged(list, params->merges, merges);
    add_symbols(list, params, true);
    add_control(list, params);
    add_padding(list, params->n_padding);
    if (params->bad_merge)
        merges[n_merges++] = lm_text_of(params->bad_merge);
    if (params->last_type)
        list->types[list->n - 1] = params->last_type;

    const char *model = params->model ? params->model : "gpt2";
    const char *pre = params->pre ? params->pre : "deepseek-coder";
    const char *eos = params->eos ? params->eos : "<|EOT|>";
    if (model[0])
        lm_gguf_write_text(writer, "tokenizer.ggml.model", lm_text_of(model));
    if (pre[0])
        lm_gguf_write_text(writer, "tokenizer.ggml.pre", lm_text_of(pre));
    if (!params->no_tokens)
        lm_gguf_write_texts(writer, "tokenizer.ggml.tokens", list->texts, list->n);
    if (!params->no_types)
        lm_gguf_write_i32s(writer, "tokenizer.ggml.token_type", list->types,
                           list->n - params->missing_types);
    if (!params->no_merges)
        lm_gguf_write_texts(writer, "tokenizer.ggml.merges", merges, n_merges);
    lm_gguf_write_u32(writer, "tokenizer.ggml.eos_token_id", find(list, eos));
    if (params->bos_id)
        lm_gguf_write_u32(writer, "tokenizer.ggml.bos_token_id", params->bos_id);
    if (params->name)
        lm_gguf_write_text(writer, "general.name", lm_text_of(params->name));
    if (params->chat_template)
        lm_gguf_write_text(writer, "tokenizer.chat_template", lm_text_of(params->chat_template));
    if (params->no_bos)
        lm_gguf_write_bool(writer, "tokenizer.ggml.add_bos_token", false);
}

bool vocab_file_init(vocab_file *file, const vocab_params *params)
{
    *file = (vocab_file){0};
    struct list *list = calloc(1, sizeof *list);
    if (!list)
        return false;
    lm_gguf_writer writer = {0};
    write_keys(&writer, params, list);
    free(list);

    lm_error err;
    size_t size;
    if (!lm_gguf_writer_finish(&writer, &file->data, &size, &err) ||
        !(file->gguf = lm_gguf_open_memory("small vocabulary", file->data, size, &err))) {
        fprintf(stderr, "vocab_file: %s\n", err.message);
        vocab_file_finish(file);
        return false;
    }
    return true;
}

void vocab_file_finish(vocab_file *file)
{
    lm_gguf_close(&file->gguf);
    free(file->data);
    *file = (vocab_file){0};
}
