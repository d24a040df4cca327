#include "tokenizer/code_budget.h"
#include "tokenizer/prompt.h"
#include "tokenizer/prompt_parts.h"

#include <stdlib.h>

// Two empty lines, and the end of the last line.
static const char after_file[] = "\n\n\n";

// What goes into the prompt, chosen before anything is put together.
struct choice {
    const lm_tokenizer *tok;
    const lm_code_params *params; // its texts are never NULL
    char *comment;                // owned; with the file's own path, "" for none
    lm_text prefix, suffix;
    size_t first_file;
};

// ---- refusals -----------------------------------------------------------------------------------

static bool check_infill(const lm_tokenizer *tok, const lm_code_params *params, lm_error *err)
{
    const lm_special_tokens s = lm_tokenizer_specials(tok);
    const char *why;
    if (lm_tokenizer_model_kind(tok, &why) != LM_MODEL_BASE && !params->any_model)
        return lm_fail(err, LM_UNSUPPORTED,
                       "this is a model that answers (%s), and those have not learned to fill "
                       "holes; load the base model of the same size, or ask it to continue the "
                       "text before the hole",
                       why);
    const char *missing = s.fim_begin < 0  ? "<｜fim▁begin｜>"
                          : s.fim_hole < 0 ? "<｜fim▁hole｜>"
                          : s.fim_end < 0  ? "<｜fim▁end｜>"
                                           : NULL;
    if (missing)
        return lm_fail(err, LM_UNSUPPORTED,
                       "the vocabulary has no token %s to mark a hole; load a base model of "
                       "DeepSeek-Coder (not v1.5), or let this one continue the text before the "
                       "hole",
                       missing);
    return true;
}

static bool has_bos(const lm_tokenizer *tok)
{
    const lm_special_tokens s = lm_tokenizer_specials(tok);
    return s.add_bos && s.bos >= 0;
}

// ---- the budget ---------------------------------------------------------------------------------

static lm_text without_newlines_behind(lm_text text)
{
    while (text.size > 0 && (text.at[text.size - 1] == '\n' || text.at[text.size - 1] == '\r'))
        text.size--;
    return text;
}

static bool count_file(const lm_tokenizer *tok, const lm_code_file *file, size_t *n, lm_error *err)
{
    char *comment;
    size_t parts[3] = {0};
    if (!lm_path_comment(file->path, &comment, err))
        return false;
    const bool ok = lm_count_tokens(tok, lm_text_of(comment), &parts[0], err) &&
                    lm_count_tokens(tok, without_newlines_behind(file->text), &parts[1], err) &&
                    lm_count_tokens(tok, lm_text_of(after_file), &parts[2], err);
    free(comment);
    *n = parts[0] + parts[1] + parts[2];
    return ok;
}

// The files at the end of the list that fit into `room` together: *first is the first of them, and
// *n_tokens what they take.
static bool fit_files(const struct choice *c, size_t room, size_t *first, size_t *n_tokens,
                      lm_error *err)
{
    const lm_code_params *p = c->params;
    *n_tokens = 0;
    for (*first = p->n_files; *first > 0; (*first)--) {
        const lm_code_file *file = &p->files[*first - 1];
        size_t n;
        if (!count_file(c->tok, file, &n, err))
            return false;
        if (n > room - *n_tokens)
            return true;
        *n_tokens += n;
    }
    return true;
}

// Shares `room` between prefix and suffix. *left is what neither takes.
static bool fit_code(struct choice *c, size_t room, size_t *left, lm_error *err)
{
    const lm_code_params *p = c->params;
    const size_t suffix_share = room / 4;
    lm_code_fit before;
    lm_code_fit behind = {.complete = true};
    const bool infill = p->shape == LM_CODE_INFILL;
    if (!lm_code_fit_end(c->tok, p->prefix, room, &before, err) ||
        (infill && !lm_code_fit_beginning(c->tok, p->suffix, room, &behind, err)))
        return false;
    if (before.n_tokens + behind.n_tokens > room || !before.complete || !behind.complete) {
        const bool short_suffix = behind.complete && behind.n_tokens <= suffix_share;
        const bool short_prefix = before.complete && before.n_tokens <= room - suffix_share;
        const size_t suffix_room = short_prefix ? room - before.n_tokens : suffix_share;
        const size_t prefix_room = short_suffix ? room - behind.n_tokens : room - suffix_share;
        if ((!short_prefix && !lm_code_fit_end(c->tok, p->prefix, prefix_room, &before, err)) ||
            (infill && !short_suffix &&
             !lm_code_fit_beginning(c->tok, p->suffix, suffix_room, &behind, err)))
            return false;
    }
    c->prefix = before.kept;
    c->suffix = behind.kept;
    *left = room - before.n_tokens - behind.n_tokens;
    return true;
}

static bool fit(struct choice *c, lm_error *err)
{
    const lm_code_params *p = c->params;
    size_t fixed;
    size_t n_files;
    c->prefix = p->prefix;
    c->suffix = p->shape == LM_CODE_INFILL ? p->suffix : (lm_text){"", 0};
    if (p->max_tokens == 0)
        return true;
    if (!lm_count_tokens(c->tok, lm_text_of(c->comment), &fixed, err))
        return false;
    fixed += has_bos(c->tok) + (p->shape == LM_CODE_INFILL ? 3u : 0u);
    if (p->max_tokens <= fixed)
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "max_tokens %zu leaves no room for code: special tokens and the path take "
                       "%zu",
                       p->max_tokens, fixed);
    const size_t room = p->max_tokens - fixed;
    size_t left;
    return fit_files(c, room / 4, &c->first_file, &n_files, err) &&
           fit_code(c, room - n_files, &left, err) &&
           fit_files(c, n_files + left, &c->first_file, &n_files, err);
}

// ---- putting together ---------------------------------------------------------------------------

static bool add_file(lm_prompt *prompt, const lm_code_file *file, lm_error *err)
{
    char *comment;
    if (!lm_path_comment(file->path, &comment, err))
        return false;
    lm_prompt_add(prompt, lm_text_of(comment));
    lm_prompt_add(prompt, without_newlines_behind(file->text));
    lm_prompt_add(prompt, lm_text_of(after_file));
    free(comment);
    return true;
}

static bool put_together(const struct choice *c, lm_prompt *prompt, lm_error *err)
{
    const lm_code_params *p = c->params;
    const lm_special_tokens s = lm_tokenizer_specials(c->tok);
    const bool infill = p->shape == LM_CODE_INFILL;
    if (has_bos(c->tok))
        lm_prompt_add_special(prompt, c->tok, s.bos);
    if (infill)
        lm_prompt_add_special(prompt, c->tok, s.fim_begin);
    for (size_t i = c->first_file; i < p->n_files; i++)
        if (!add_file(prompt, &p->files[i], err))
            return false;
    lm_prompt_add(prompt, lm_text_of(c->comment));
    lm_prompt_add(prompt, c->prefix);
    if (infill) {
        lm_prompt_add_special(prompt, c->tok, s.fim_hole);
        lm_prompt_add(prompt, c->suffix);
        lm_prompt_add_special(prompt, c->tok, s.fim_end);
    }
    prompt->cut = (lm_code_cut){.prefix_bytes = p->prefix.size - c->prefix.size,
                                .suffix_bytes = infill ? p->suffix.size - c->suffix.size : 0,
                                .n_files = c->first_file};
    return lm_prompt_encode(prompt, c->tok, err);
}

lm_prompt *lm_prompt_code(const lm_tokenizer *tok, const lm_code_params *params, lm_error *err)
{
    lm_code_params given = *params;
    struct choice c = {.tok = tok, .params = &given};
    if (!given.prefix.at)
        given.prefix.at = "";
    if (!given.suffix.at)
        given.suffix.at = "";
    if (params->shape == LM_CODE_INFILL && !check_infill(tok, params, err))
        return NULL;
    lm_prompt *prompt = NULL;
    bool ok = params->path ? lm_path_comment(params->path, &c.comment, err)
                           : (c.comment = calloc(1, 1)) != NULL ||
                                 lm_fail(err, LM_NO_MEMORY, "no memory for a prompt");
    ok = ok && fit(&c, err) && (prompt = lm_prompt_create(err)) != NULL &&
         put_together(&c, prompt, err);
    free(c.comment);
    if (!ok)
        lm_prompt_destroy(&prompt);
    return prompt;
}
