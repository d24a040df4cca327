// Is it a base model or does it answer? A file does not say, but several of its keys tell. The
// first of these that does decides:
//
// 1. eos is <|EOT|>: instruct. Only those end a text with it; but files from before the published
//    models were corrected name <｜end▁of▁sentence｜>, so the opposite proves nothing.
// 2. general.name, general.basename or general.finetune contains "instruct" or "chat", in any case:
//    instruct; "base": base.
// 3. tokenizer.chat_template exists: instruct. The last of the keys, because a base model's
//    tokenizer may carry one as well.
// 4. Otherwise base.
//
// What answers has a template of its own where tokenizer.chat_template exists and does not contain
// "### Instruction:".

#ifndef LM_TOKENIZER_MODEL_KIND_H
#define LM_TOKENIZER_MODEL_KIND_H

#include "gguf/gguf.h"
#include "tokenizer/tokenizer.h"

// *why becomes what decided, for a sentence, a literal.
lm_model_kind lm_model_kind_of(const lm_gguf *gguf, const lm_special_tokens *specials,
                               const char **why);

#endif
