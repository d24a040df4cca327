// The one thing that is read in a chat template, which else is only recognised (model_kind.h): the
// system text. The templates of the family state it as a literal behind the test whether a system
// message was found:
//     {%- if not ns.found -%}
//     {{'You are ...\n'}}

#ifndef LM_TOKENIZER_CHAT_TEMPLATE_H
#define LM_TOKENIZER_CHAT_TEMPLATE_H

#include "base/error.h"
#include "base/text.h"

// *text, the caller's to free(), becomes the system text that `jinja` states, its escapes resolved;
// NULL where it states none in this form. Fails with LM_NO_MEMORY only.
bool lm_chat_template_system(lm_text jinja, char **text, lm_error *err);

#endif
