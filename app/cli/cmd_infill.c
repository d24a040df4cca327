#include "command.h"
#include "filler.h"
#include "infill_request.h"
#include "input.h"
#include "interrupt.h"
#include "json.h"

#include "assist/hole.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_MAX_TOKENS 128

// What both forms of the command own.
struct work {
    const cli_options *options;
    cli_engine engine;
    lm_tokenizer *tokenizer;
    cli_hole hole; // for JSON lines, what they do not say
    // Of the form FILE:LINE:COL
    lm_hole_place place; // its column is where the hole is
    char *name;          // of the file
    char *text;
    lm_code_file *files; // [n_files], their texts are owned
    char **file_texts;
    lm_prompt *prompt;
    cli_filling filling;
    // Of the form with JSON lines
    cli_input_line line;
    bool any_failed;
};

static void finish(struct work *w)
{
    cli_engine_close(&w->engine);
    lm_tokenizer_destroy(&w->tokenizer);
    lm_prompt_destroy(&w->prompt);
    cli_filling_finish(&w->filling);
    cli_input_line_finish(&w->line);
    for (size_t i = 0; w->file_texts && i < w->options->n_repo_files; i++)
        free(w->file_texts[i]);
    free(w->file_texts);
    free(w->files);
    free(w->text);
    free(w->name);
}

// Chooses the model, and completes the hole by what the options say.
static bool choose(struct work *w, lm_error *err)
{
    if (!cli_engine_choose(&w->engine, w->options, err))
        return false;
    w->tokenizer = cli_engine_read_tokenizer(&w->engine, err);
    w->hole.shape = w->options->shape;
    w->hole.only_prefix = w->options->only_prefix;
    w->hole.any_model = w->options->any_model;
    w->hole.generation = cli_engine_generation(&w->engine, DEFAULT_MAX_TOKENS);
    return w->tokenizer && cli_engine_goes_on(err);
}

static lm_prompt *make_prompt(const struct work *w, const cli_hole *hole, lm_error *err)
{
    return cli_filler_prompt(w->tokenizer, w->engine.choice.params.ctx_tokens, hole, err);
}

static bool add_left_out(cJSON *json, const lm_code_cut *cut)
{
    cJSON *left_out = cli_json_add_object(json, "left_out");
    return cli_json_add_number(left_out, "prefix_bytes", (double)cut->prefix_bytes) &&
           cli_json_add_number(left_out, "suffix_bytes", (double)cut->suffix_bytes) &&
           cli_json_add_number(left_out, "files", (double)cut->n_files);
}

static bool add_filling(cJSON *json, const cli_filling *filling, const cli_report *report)
{
    return cli_report_add_answer(json, report) &&
           cli_json_add_text(json, "reason", lm_text_of(cli_filling_reason(filling))) &&
           add_left_out(json, &filling->cut);
}

// ---- FILE:LINE:COL ------------------------------------------------------------------------------

// A zero byte is in no source file, but in every program, picture and UTF-16 text.
static bool read_code(const char *name, char **text, size_t *size, lm_error *err)
{
    if (!cli_input_read(name, text, size, err))
        return false;
    const char *zero = memchr(*text, 0, *size);
    if (!zero)
        return true;
    return lm_fail(err, LM_BAD_FILE, "%s is no source code: byte %zu of %zu is zero", name,
                   (size_t)(zero - *text) + 1, *size);
}

static bool read_repo_files(struct work *w, lm_error *err)
{
    const cli_options *options = w->options;
    const size_t n = options->n_repo_files;
    w->files = calloc(n + 1, sizeof *w->files);
    w->file_texts = calloc(n + 1, sizeof *w->file_texts);
    if (!w->files || !w->file_texts)
        return lm_fail(err, LM_NO_MEMORY, "out of memory reading files");
    for (size_t i = 0; i < n; i++) {
        const char *name = options->repo_files[i];
        lm_text *text = &w->files[i].text;
        if (!read_code(name, &w->file_texts[i], &text->size, err))
            return false;
        text->at = w->file_texts[i];
        w->files[i].path = name;
    }
    w->hole.files = w->files;
    w->hole.n_files = n;
    return true;
}

static bool read_hole(struct work *w, lm_error *err)
{
    size_t size;
    w->name = strndup(w->place.file.at, w->place.file.size);
    if (!w->name)
        return lm_fail(err, LM_NO_MEMORY, "out of memory reading the hole's place");
    if (!read_code(w->name, &w->text, &size, err))
        return false;
    w->hole.path = w->name;
    if (!lm_hole_split((lm_text){w->text, size}, &w->place, &w->hole.prefix, &w->hole.suffix,
                       &w->place.column, err))
        return lm_fail_while(err, "%s", w->name);
    return read_repo_files(w, err);
}

static void say_left_out(const struct work *w)
{
    const lm_code_cut *cut = &w->filling.cut;
    if (cut->prefix_bytes + cut->suffix_bytes + cut->n_files == 0)
        return;
    fprintf(stderr,
            "left out, as the context is too short: %s bytes at the beginning, %s at the end, %zu "
            "of %zu other files\n",
            cli_human_count(cut->prefix_bytes).text, cli_human_count(cut->suffix_bytes).text,
            cut->n_files, w->hole.n_files);
}

static bool add_place(cJSON *json, const struct work *w)
{
    cJSON *hole = cli_json_add_object(json, "hole");
    return cli_json_add_text(hole, "file", lm_text_of(w->name)) &&
           cli_json_add_number(hole, "line", (double)w->place.line) &&
           cli_json_add_number(hole, "column", (double)w->place.column);
}

static bool tell(struct work *w, lm_error *err)
{
    const cli_report report = cli_filling_report(&w->filling);
    cli_engine_show_warning(&w->engine);
    cli_engine_warn_of_repetition(&w->engine, &w->filling.written);
    cli_report_figures(&report, w->options->verbose);
    if (w->options->verbose) {
        fprintf(stderr, "hole at line %zu, column %zu; %s\n", w->place.line, w->place.column,
                cli_filling_reason(&w->filling));
        say_left_out(w);
    }
    if (!w->options->json)
        return true;
    cJSON *json = cJSON_CreateObject();
    const bool complete = json && add_filling(json, &w->filling, &report) && add_place(json, w) &&
                          cli_report_add_origin(json, &report);
    const bool ok = cli_json_print(json, complete, err);
    cJSON_Delete(json);
    return ok;
}

static bool fill_one(struct work *w, lm_error *err)
{
    w->hole.streams = !w->options->json;
    w->prompt = make_prompt(w, &w->hole, err);
    return w->prompt && cli_engine_open(&w->engine, err) &&
           cli_filler_fill(&w->engine, &w->hole, w->prompt, &w->filling, err);
}

static cli_exit infill_file(struct work *w)
{
    lm_error err;
    if (!lm_hole_parse(w->options->args[0], &w->place, &err))
        return cli_usage("%s", err.message);
    bool ok = read_hole(w, &err) && choose(w, &err) && fill_one(w, &err);
    const cli_answer *kept = &w->filling.kept;
    if (w->hole.streams && kept->text_size > 0)
        ok = cli_end_line(kept->text[kept->text_size - 1], ok ? &err : NULL) && ok;
    if (!ok && w->options->json)
        cli_report_json_failed((lm_text){kept->text, kept->text_size}, &err);
    ok = ok && tell(w, &err);
    if (!ok)
        return cli_fail(&err);
    return w->filling.finish == LM_FINISH_CANCELLED ? CLI_INTERRUPTED : CLI_OK;
}

// ---- JSON lines ---------------------------------------------------------------------------------

static bool add_id(cJSON *json, const cJSON *id)
{
    if (!id)
        return true;
    return cJSON_IsString(id) ? cli_json_add_text(json, "id", lm_text_of(id->valuestring))
                              : cli_json_add_number(json, "id", id->valuedouble);
}

static bool print_answer(struct work *w, const cJSON *id, const lm_error *failed, lm_error *err)
{
    cJSON *json = cJSON_CreateObject();
    bool complete = json && add_id(json, id);
    if (failed) {
        const lm_text text = {w->filling.kept.text, w->filling.kept.text_size};
        complete = complete && cli_json_add_text(json, "error", lm_text_of(failed->message)) &&
                   (text.size == 0 || cli_json_add_text(json, "text", text));
    } else {
        const cli_report report = cli_filling_report(&w->filling);
        complete = complete && add_filling(json, &w->filling, &report);
        if (w->options->verbose)
            cli_report_figures(&report, false);
    }
    const bool ok = cli_json_print(json, complete, err);
    cJSON_Delete(json);
    return ok;
}

// A request that fails is an answer, and the next one is read: false only where nothing can go on.
static bool answer_line(struct work *w, lm_error *err)
{
    cli_infill_request request = {0};
    lm_error why = {.status = LM_OK};
    cli_interrupt_begin();
    bool ok = !w->line.is_long || lm_fail(&why, LM_BAD_ARGUMENT, "the line is longer than 64 MiB");
    ok = ok &&
         cli_infill_request_parse(&request, (lm_text){w->line.text, w->line.size}, &w->hole, &why);
    lm_prompt *prompt = ok ? make_prompt(w, &request.hole, &why) : NULL;
    ok = prompt && cli_filler_fill(&w->engine, &request.hole, prompt, &w->filling, &why);
    w->any_failed = w->any_failed || !ok;
    const bool printed = print_answer(w, request.id, ok ? NULL : &why, err);
    lm_prompt_destroy(&prompt);
    cli_infill_request_finish(&request);
    cli_filling_finish(&w->filling);
    if (printed && !ok && why.status == LM_DEVICE_LOST) {
        *err = why;
        return false;
    }
    return printed;
}

// At a terminal Ctrl-C ends the program while it waits for a line. Whoever keeps it at the other
// end of a pipe may interrupt an answer that has just ended, and that is for nobody else.
static bool next_line(struct work *w, bool *end, lm_error *err)
{
    const bool on_terminal = isatty(STDIN_FILENO) == 1;
    if (on_terminal)
        cli_interrupt_end();
    else
        cli_interrupt_ignore();
    return cli_input_next_line(&w->line, end, err);
}

static bool is_blank(const cli_input_line *line)
{
    return line->text[strspn(line->text, " \t\r")] == 0 && !memchr(line->text, 0, line->size);
}

static bool answer_lines(struct work *w, lm_error *err)
{
    for (;;) {
        bool end;
        if (!next_line(w, &end, err))
            return false;
        if (end)
            return true;
        if (!is_blank(&w->line) && !answer_line(w, err))
            return false;
    }
}

// A model that fills no holes is refused before anybody asks it to.
static bool check_model(struct work *w, lm_error *err)
{
    w->prompt = make_prompt(w, &w->hole, err);
    return w->prompt != NULL;
}

static cli_exit infill_lines(struct work *w)
{
    lm_error err;
    if (w->options->n_repo_files > 0)
        return cli_usage("-r needs FILE:LINE: a JSON object has its own 'files'");
    const bool ok = choose(w, &err) && check_model(w, &err) && cli_engine_open(&w->engine, &err) &&
                    answer_lines(w, &err);
    if (!ok)
        return cli_fail(&err);
    return w->any_failed ? CLI_FAILED : CLI_OK;
}

cli_exit cli_infill(const cli_options *options)
{
    struct work w = {.options = options};
    const bool from_lines = strcmp(options->args[0], "-") == 0;
    const cli_exit code = from_lines ? infill_lines(&w) : infill_file(&w);
    finish(&w);
    return code;
}
