#include "chat_input.h"

#include "interrupt.h"
#include "line_editor.h"
#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES   ((size_t)64 << 20) // of a message; far beyond any context
#define BLOCK_MARK  "\"\"\""
#define PROMPT      "> "
#define MORE_PROMPT "... "

struct buffer {
    char *at; // owned
    size_t size, room;
};

struct cli_chat_input {
    cli_line_editor *editor; // owned; NULL for a script
    struct buffer line;      // of a script
    struct buffer message;
    size_t n_lines; // read so far
    size_t first;   // the line on which the message began
};

// ---- life ---------------------------------------------------------------------------------------

cli_chat_input *cli_chat_input_create(bool is_terminal, lm_error *err)
{
    cli_chat_input *input = calloc(1, sizeof *input);
    if (!input) {
        lm_fail(err, LM_NO_MEMORY, "out of memory for a chat");
        return NULL;
    }
    if (is_terminal && !(input->editor = cli_line_editor_create(err)))
        cli_chat_input_destroy(&input);
    return input;
}

void cli_chat_input_destroy(cli_chat_input **input)
{
    cli_chat_input *it = *input;
    if (!it)
        return;
    cli_line_editor_destroy(&it->editor);
    free(it->line.at);
    free(it->message.at);
    free(it);
    *input = NULL;
}

size_t cli_chat_input_line(const cli_chat_input *input)
{
    return input->first;
}

// ---- lines --------------------------------------------------------------------------------------

static bool append(struct buffer *buffer, lm_text text, lm_error *err)
{
    if (text.size > MAX_BYTES - buffer->size)
        return lm_fail(err, LM_BAD_ARGUMENT, "a message may have at most %zu bytes", MAX_BYTES);
    if (buffer->size + text.size > buffer->room) {
        const size_t room = 2 * (buffer->size + text.size) + 64;
        char *larger = realloc(buffer->at, room);
        if (!larger)
            return lm_fail(err, LM_NO_MEMORY, "out of memory for a message");
        buffer->at = larger;
        buffer->room = room;
    }
    if (text.size > 0)
        memcpy(buffer->at + buffer->size, text.at, text.size);
    buffer->size += text.size;
    return true;
}

enum line { READ, END, BROKEN_OFF, FAILED };

// A line of a script, without its end, which may be that of another system.
static enum line read_script(cli_chat_input *input, lm_text *line, lm_error *err)
{
    int c;
    cli_interrupt_end(); // a script that waits for more is no reason to wait
    input->line.size = 0;
    errno = 0;
    while ((c = getc(stdin)) != EOF && c != '\n') {
        const char byte = (char)c;
        if (!append(&input->line, (lm_text){&byte, 1}, err))
            return FAILED;
    }
    if (c == EOF && ferror(stdin)) {
        lm_fail(err, LM_BAD_FILE, "cannot read standard input: %s", strerror(errno));
        return FAILED;
    }
    if (c == EOF && input->line.size == 0)
        return END;
    *line = (lm_text){input->line.at, input->line.size};
    if (line->size > 0 && line->at[line->size - 1] == '\r')
        line->size--;
    return READ;
}

// BROKEN_OFF: Ctrl-C on a terminal.
static enum line read_line(cli_chat_input *input, const char *prompt, lm_text *line, lm_error *err)
{
    input->n_lines++;
    if (!input->editor)
        return read_script(input, line, err);
    switch (cli_line_editor_read(input->editor, prompt, line)) {
    case CLI_LINE_READ:
        return READ;
    case CLI_LINE_END:
        return END;
    case CLI_LINE_CLEARED:
        if (strcmp(prompt, PROMPT) == 0)
            cli_say("Ctrl-D or /exit ends the chat");
        return BROKEN_OFF;
    case CLI_LINE_INTERRUPTED:
        break;
    }
    return BROKEN_OFF;
}

// ---- messages -----------------------------------------------------------------------------------

static bool is_blank(lm_text text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] != ' ' && text.at[i] != '\t' && text.at[i] != '\n')
            return false;
    return true;
}

static bool is_block_mark(lm_text line)
{
    const size_t size = strlen(BLOCK_MARK);
    return line.size >= size && memcmp(line.at, BLOCK_MARK, size) == 0 &&
           is_blank((lm_text){line.at + size, line.size - size});
}

// Appends lines up to the second mark.
static enum line read_block(cli_chat_input *input, lm_error *err)
{
    lm_text line;
    for (bool is_first = true;; is_first = false) {
        const enum line how = read_line(input, MORE_PROMPT, &line, err);
        if (how == END && !input->editor) {
            lm_fail(err, LM_BAD_ARGUMENT, "the message that " BLOCK_MARK " begins has no end");
            return FAILED;
        }
        if (how != READ)
            return how == END ? BROKEN_OFF : how;
        if (is_block_mark(line))
            return READ;
        if ((!is_first && !append(&input->message, lm_text_of("\n"), err)) ||
            !append(&input->message, line, err))
            return FAILED;
    }
}

static bool goes_on(lm_text line)
{
    return line.size > 0 && line.at[line.size - 1] == '\\';
}

// Appends `line` and, while lines end in a backslash, the next ones.
static enum line read_rest(cli_chat_input *input, lm_text line, lm_error *err)
{
    while (goes_on(line)) {
        line.size--;
        if (!append(&input->message, line, err) || !append(&input->message, lm_text_of("\n"), err))
            return FAILED;
        line = (lm_text){0};
        const enum line how = read_line(input, MORE_PROMPT, &line, err);
        if (how == FAILED || how == BROKEN_OFF)
            return how;
    }
    return append(&input->message, line, err) ? READ : FAILED;
}

static enum line read_message(cli_chat_input *input, lm_error *err)
{
    lm_text line;
    input->message.size = 0;
    const enum line how = read_line(input, PROMPT, &line, err);
    input->first = input->n_lines;
    if (how != READ)
        return how;
    return is_block_mark(line) ? read_block(input, err) : read_rest(input, line, err);
}

static bool is_command(lm_text text)
{
    return text.size > 0 && text.at[0] == '/' && !(text.size > 1 && text.at[1] == '/') &&
           !memchr(text.at, '\n', text.size);
}

cli_message cli_chat_input_next(cli_chat_input *input, lm_text *text, lm_error *err)
{
    for (;;) {
        const enum line how = read_message(input, err);
        if (how == END)
            return CLI_MESSAGE_END;
        if (how == FAILED)
            return CLI_MESSAGE_FAILED;
        *text = (lm_text){input->message.at, input->message.size};
        if (how == BROKEN_OFF || is_blank(*text))
            continue;
        if (input->editor)
            cli_line_editor_remember(input->editor, *text);
        if (is_command(*text))
            return CLI_MESSAGE_COMMAND;
        if (text->size > 1 && text->at[0] == '/' && text->at[1] == '/')
            *text = (lm_text){text->at + 1, text->size - 1};
        return CLI_MESSAGE_READ;
    }
}

bool cli_chat_input_ask(cli_chat_input *input, const char *question)
{
    lm_text line;
    if (!input->editor || cli_line_editor_read(input->editor, question, &line) != CLI_LINE_READ)
        return false;
    return line.size > 0 && (line.at[0] == 'y' || line.at[0] == 'Y');
}
