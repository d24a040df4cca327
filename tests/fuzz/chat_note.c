// A conversation as a saved session keeps it: what is read and written again is the same.

#include "fuzz/support/fuzz.h"

#include "assist/conversation.h"

#include <stdlib.h>

static void require_same(const lm_conversation *a, const lm_conversation *b)
{
    bool a_default, b_default;
    const lm_text a_system = lm_conversation_system(a, &a_default);
    const lm_text b_system = lm_conversation_system(b, &b_default);
    bool same = a_default == b_default && lm_text_equal(a_system, b_system);
    const size_t n = lm_conversation_n_turns(a);
    same = same && n == lm_conversation_n_turns(b);
    for (size_t i = 0; same && i < n; i++)
        same = lm_text_equal(lm_conversation_question(a, i), lm_conversation_question(b, i)) &&
               lm_text_equal(lm_conversation_answer_to(a, i), lm_conversation_answer_to(b, i));
    fuzz_require(same, "what is written and read again is the same");
}

void fuzz_one(const uint8_t *data, size_t size)
{
    lm_error err = {0};
    lm_conversation *c = lm_conversation_read((lm_text){(const char *)data, size}, &err);
    if (!c) {
        fuzz_require_sentence(&err);
        return;
    }
    fuzz_accept();
    char *note = NULL;
    size_t n = 0;
    if (lm_conversation_write(c, &note, &n, &err)) {
        lm_conversation *again = lm_conversation_read((lm_text){note, n}, &err);
        fuzz_require(again != NULL, "what was written can be read");
        require_same(c, again);
        lm_conversation_destroy(&again);
    }
    free(note);
    lm_conversation_destroy(&c);
}
