// A GGUF file in memory with a small vocabulary, built like DeepSeek's: byte symbols, merged
// tokens, the 13 symbols that were added later, control tokens, rows of padding.

#ifndef LM_TESTS_SUPPORT_VOCAB_FILE_H
#define LM_TESTS_SUPPORT_VOCAB_FILE_H

#include "gguf/gguf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Zero is a good file without merges and padding; the rest breaks it in one place.
typedef struct vocab_params {
    const char *const *merges; // "left right" each, ends with NULL
    const char *added;         // one more added token
    size_t n_padding;          // rows [PAD<id>]
    bool all_bytes;            // 256 byte symbols and none added later
    bool no_bos;               // add_bos_token is false
    bool no_types;             // no token_type
    const char *eos;           // the spelling of the token that eos_token_id names; <|EOT|>
    const char *name;          // general.name
    const char *chat_template; // tokenizer.chat_template
    // ---- broken files
    const char *model;     // instead of "gpt2"; "" leaves the key out
    const char *pre;       // instead of "deepseek-coder"; "" leaves the key out
    const char *bad_merge; // one more merge that makes no token of its own
    int missing_byte;      // no symbol for this byte; 0 breaks nothing
    int32_t later_type;    // of the 13 symbols that were added later
    size_t missing_types;  // so many types fewer than tokens
    int32_t last_type;     // the type of the last token
    uint32_t bos_id;       // bos_token_id
    bool no_tokens;
    bool no_merges;
    bool no_hole; // no <｜fim▁hole｜>
} vocab_params;

typedef struct vocab_file {
    void *data;    // owned
    lm_gguf *gguf; // owned, reads data
} vocab_file;

// Prints why and returns false where the file could not be made.
bool vocab_file_init(vocab_file *file, const vocab_params *params);
void vocab_file_finish(vocab_file *file);

#endif
