#include "command.h"
#include "input.h"
#include "json.h"
#include "model_choice.h"

#include "tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>

struct encoded {
    const lm_tokenizer *tok;
    const lm_token *tokens;
    size_t n_tokens;
};

static bool print_ids(const struct encoded *e, lm_error *err)
{
    for (size_t i = 0; i < e->n_tokens; i++) {
        if (!cli_print(err, i ? " %d" : "%d", e->tokens[i]))
            return false;
    }
    return cli_print(err, "\n");
}

// One token a line, so a control character of a spelling is shown as \x0a.
static bool print_spelling(lm_text spelling, lm_error *err)
{
    size_t from = 0;
    for (size_t i = 0; i < spelling.size; i++) {
        const unsigned char byte = (unsigned char)spelling.at[i];
        if (byte >= 0x20 && byte != 0x7f)
            continue;
        if (!cli_write((lm_text){spelling.at + from, i - from}, err) ||
            !cli_print(err, "\\x%02x", byte))
            return false;
        from = i + 1;
    }
    return cli_write((lm_text){spelling.at + from, spelling.size - from}, err);
}

static bool print_lines(const struct encoded *e, lm_error *err)
{
    for (size_t i = 0; i < e->n_tokens; i++) {
        if (!cli_print(err, "%7d  ", e->tokens[i]) ||
            !print_spelling(lm_tokenizer_spelling(e->tok, e->tokens[i]), err) ||
            !cli_print(err, "\n"))
            return false;
    }
    return true;
}

static bool print_json(const struct encoded *e, lm_error *err)
{
    cJSON *json = cJSON_CreateObject();
    bool complete = cli_json_add_number(json, "n_tokens", (double)e->n_tokens) &&
                    cli_json_add_tokens(json, "ids", e->tokens, e->n_tokens);
    cJSON *spellings = cli_json_add_array(json, "spellings");
    for (size_t i = 0; complete && i < e->n_tokens; i++) {
        cJSON *item = cli_json_text(lm_tokenizer_spelling(e->tok, e->tokens[i]));
        complete = item && spellings && cJSON_AddItemToArray(spellings, item);
    }
    const bool ok = cli_json_print(json, complete, err);
    cJSON_Delete(json);
    return ok;
}

static bool print_tokens(const struct encoded *e, const cli_options *options, lm_error *err)
{
    const bool ok = options->json  ? print_json(e, err)
                    : options->ids ? print_ids(e, err)
                                   : print_lines(e, err);
    return ok && cli_flush(err);
}

static bool tokenize(const cli_options *options, lm_text text, lm_error *err)
{
    cli_model_choice choice;
    lm_token *tokens = NULL;
    size_t n_tokens = 0;
    if (!cli_model_choose(&choice, options, NULL, err))
        return false;
    lm_tokenizer *tok = lm_model_read_tokenizer(&choice.params, err);
    if (!tok)
        return false;
    cli_model_announce(&choice);
    const unsigned flags =
        (options->no_bos ? 0u : LM_ENCODE_BOS) | (options->special ? LM_ENCODE_SPECIAL : 0u);
    const bool ok = lm_tokenizer_encode(tok, text, flags, &tokens, &n_tokens, err) &&
                    print_tokens(&(struct encoded){tok, tokens, n_tokens}, options, err);
    if (ok)
        fprintf(stderr, "%s tokens\n", cli_human_count(n_tokens).text);
    free(tokens);
    lm_tokenizer_destroy(&tok);
    return ok;
}

cli_exit cli_tokenize(const cli_options *options)
{
    if ((options->n_args == 1) == (options->input != NULL))
        return cli_usage("'tokenize' needs either a TEXT or -f FILE");
    char *owned = NULL;
    lm_text text;
    lm_error err;
    if (options->input) {
        if (!cli_input_read(options->input, &owned, &text.size, &err))
            return cli_fail(&err);
        text.at = owned;
    } else {
        text = lm_text_of(options->args[0]);
    }
    const bool ok = tokenize(options, text, &err);
    free(owned);
    return ok ? CLI_OK : cli_fail(&err);
}
