#include "line_editor.h"

#include "interrupt.h"
#include "output.h"

#include "base/place.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#define HISTORY_ENTRIES  500
#define MAX_ENTRY_BYTES  ((size_t)16 << 10) // a longer text is not kept: the file is written often
#define MAX_PASTED_CHARS ((size_t)4 << 20)

// What a terminal sends around a pasted text once it was asked to.
#define PASTE_ON  "\033[?2004h"
#define PASTE_OFF "\033[?2004l"
#define PASTE_END L"\033[201~"

#define CURSOR_UP   "\033[A"
#define CLEAR_BELOW "\r\033[J"

struct cli_line_editor {
    EditLine *el;            // owned
    History *history;        // owned
    FILE *shown;             // borrowed
    const char *prompt;      // borrowed, while a line is read
    char history_path[4096]; // "" where none is kept
    bool marks_pastes;       // the terminal can, as it can clear and move the cursor
    bool had_text;           // where Ctrl-C interrupted a line
};

static cli_line_editor *editor_of(EditLine *el)
{
    cli_line_editor *editor = NULL;
    el_get(el, EL_CLIENTDATA, &editor);
    return editor;
}

static char *show_prompt(EditLine *el)
{
    return (char *)editor_of(el)->prompt;
}

// ---- reading characters -------------------------------------------------------------------------

// For signals that shall only end a read: what they mean is looked up then.
static void wake(int number)
{
    (void)number;
}

// The window has another size, or the program was in the background and the shell has used the
// terminal: both are made good in either case. libedit draws anew where the cursor is, so that has
// to be the beginning of the text.
static void restore(EditLine *el)
{
    cli_line_editor *editor = editor_of(el);
    const LineInfoW *line = el_wline(el);
    for (const wchar_t *at = line->buffer; editor->marks_pastes && at < line->cursor; at++)
        if (*at == L'\n')
            fputs(CURSOR_UP, editor->shown);
    if (editor->marks_pastes)
        fputs(CLEAR_BELOW, editor->shown);
    fflush(editor->shown);
    el_resize(el);
    el_set(el, EL_PREP_TERM, 0);
    el_set(el, EL_PREP_TERM, 1);
    el_set(el, EL_REFRESH);
}

// A Ctrl-C that arrives just before the wait does not end it, so the flag is looked at now and
// then.
#define LOOK_MS 100

// libedit's own reader needs two Ctrl-C to give up, hence this one. Returns 1, 0 at the end of the
// input, or -1.
static int read_char(EditLine *el, wchar_t *character)
{
    mbstate_t state = {0};
    for (;;) {
        char byte;
        struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
        const int n_ready = poll(&ready, 1, LOOK_MS);
        if (cli_interrupted()) {
            const LineInfoW *line = el_wline(el);
            editor_of(el)->had_text = line->lastchar > line->buffer;
            return -1;
        }
        if (n_ready < 0 && errno == EINTR)
            restore(el);
        else if (n_ready < 0)
            return -1;
        if (n_ready <= 0)
            continue;
        const ssize_t n = read(STDIN_FILENO, &byte, 1);
        if (n <= 0)
            return 0; // a terminal that is gone fails
        const size_t size = mbrtowc(character, &byte, 1, &state);
        if (size == (size_t)-2) // begins a character
            continue;
        if (size == (size_t)-1)
            *character = 0xfffd;
        return 1;
    }
}

// Reads up to the mark at the end of a pasted text. Terminals send a carriage return for a line
// break.
static wchar_t *read_paste(EditLine *el)
{
    static const wchar_t mark[] = PASTE_END;
    const size_t mark_size = sizeof mark / sizeof *mark - 1;
    size_t size = 0, room = 256;
    wchar_t *text = malloc((room + 1) * sizeof *text);
    while (text) {
        wchar_t character;
        if (el_wgetc(el, &character) != 1) {
            free(text);
            return NULL;
        }
        if (size == room) {
            room *= 2;
            wchar_t *larger =
                room <= MAX_PASTED_CHARS ? realloc(text, (room + 1) * sizeof *text) : NULL;
            if (!larger) {
                free(text);
                return NULL;
            }
            text = larger;
        }
        if (character == L'\n' && size > 0 && text[size - 1] == L'\r')
            size--;
        text[size++] = character;
        if (size >= mark_size && wmemcmp(text + size - mark_size, mark, mark_size) == 0) {
            text[size - mark_size] = 0;
            break;
        }
    }
    for (wchar_t *at = text; at && *at; at++)
        if (*at == L'\r')
            *at = L'\n';
    return text;
}

static unsigned char insert_paste(EditLine *el, int key)
{
    (void)key;
    wchar_t *text = read_paste(el);
    if (!text)
        return CC_ERROR;
    const int inserted = el_winsertstr(el, text);
    const bool is_empty = text[0] == 0;
    free(text);
    return inserted == 0 || is_empty ? CC_REFRESH : CC_ERROR;
}

static unsigned char insert_line_break(EditLine *el, int key)
{
    (void)key;
    return el_winsertstr(el, L"\n") == 0 ? CC_REFRESH : CC_ERROR;
}

// ---- history ------------------------------------------------------------------------------------

static void load_history(cli_line_editor *editor)
{
    lm_error err;
    HistEvent event;
    char *path = editor->history_path;
    const size_t size = sizeof editor->history_path;
    const char name[] = "/chat_history";
    if (!lm_place_state(path, size - sizeof name, &err)) {
        cli_say("warning: the history of lines is not kept: %s", err.message);
        path[0] = 0;
        return;
    }
    memcpy(path + strlen(path), name, sizeof name);
    history(editor->history, &event, H_LOAD, path);
}

static bool write_history(cli_line_editor *editor, const char *path)
{
    HistEvent event;
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!file) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    const bool ok = history(editor->history, &event, H_SAVE_FP, file) >= 0;
    return fclose(file) == 0 && ok;
}

// Whole or not at all, and after every line: a program that is killed should not take it along.
static void save_history(cli_line_editor *editor)
{
    char temporary[sizeof editor->history_path + 32];
    if (editor->history_path[0] == 0)
        return;
    snprintf(temporary, sizeof temporary, "%s.part-%ld", editor->history_path, (long)getpid());
    if (write_history(editor, temporary) && rename(temporary, editor->history_path) == 0)
        return;
    cli_say("warning: the history of lines is not kept: cannot write %s: %s", editor->history_path,
            strerror(errno));
    unlink(temporary);
    editor->history_path[0] = 0;
}

void cli_line_editor_remember(cli_line_editor *editor, lm_text text)
{
    HistEvent event;
    if (text.size == 0 || text.size > MAX_ENTRY_BYTES || memchr(text.at, 0, text.size))
        return;
    char *entry = strndup(text.at, text.size);
    if (entry && history(editor->history, &event, H_ENTER, entry) >= 0)
        save_history(editor);
    free(entry);
}

// ---- life ---------------------------------------------------------------------------------------

// Numbers stay as they are: LC_NUMERIC is not touched.
static void use_utf8(void)
{
    if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8");
}

static void bind_keys(cli_line_editor *editor)
{
    static const char *const bindings[][2] = {
        {"\\e[200~", "lemnos-paste"},   {"\\e^M", "lemnos-line-break"},
        {"\\e^J", "lemnos-line-break"}, {"^R", "em-inc-search-prev"},
        {"^W", "ed-delete-prev-word"},  {"\\e[3~", "ed-delete-next-char"},
        {"\\e[1~", "ed-move-to-beg"},   {"\\e[H", "ed-move-to-beg"},
        {"\\eOH", "ed-move-to-beg"},    {"\\e[4~", "ed-move-to-end"},
        {"\\e[F", "ed-move-to-end"},    {"\\eOF", "ed-move-to-end"},
        {"\\e[1;5D", "ed-prev-word"},   {"\\e[1;5C", "em-next-word"},
    };
    EditLine *el = editor->el;
    el_set(el, EL_EDITOR, "emacs");
    // The narrow function copies these texts and never frees the copies.
    el_wset(el, EL_ADDFN, L"lemnos-paste", L"Insert a pasted text", insert_paste);
    el_wset(el, EL_ADDFN, L"lemnos-line-break", L"Insert a line break", insert_line_break);
    for (size_t i = 0; i < sizeof bindings / sizeof *bindings; i++)
        el_set(el, EL_BIND, bindings[i][0], bindings[i][1], NULL);
    el_source(el, NULL);
}

cli_line_editor *cli_line_editor_create(lm_error *err)
{
    cli_line_editor *editor = calloc(1, sizeof *editor);
    if (!editor) {
        lm_fail(err, LM_NO_MEMORY, "out of memory for a line editor");
        return NULL;
    }
    use_utf8();
    const char *terminal = getenv("TERM");
    HistEvent event;
    editor->marks_pastes = terminal && terminal[0] && strcmp(terminal, "dumb") != 0;
    editor->shown = isatty(STDOUT_FILENO) == 1 ? stdout : stderr;
    editor->history = history_init();
    editor->el = el_init("lemnos", stdin, editor->shown, stderr);
    if (!editor->history || !editor->el) {
        lm_fail(err, LM_UNSUPPORTED, "cannot edit lines on this terminal");
        cli_line_editor_destroy(&editor);
        return NULL;
    }
    history(editor->history, &event, H_SETSIZE, HISTORY_ENTRIES);
    history(editor->history, &event, H_SETUNIQUE, 1);
    el_set(editor->el, EL_CLIENTDATA, editor);
    el_set(editor->el, EL_PROMPT, show_prompt);
    el_set(editor->el, EL_GETCFN, read_char);
    el_set(editor->el, EL_HIST, history, editor->history);
    bind_keys(editor);
    load_history(editor);
    return editor;
}

void cli_line_editor_destroy(cli_line_editor **editor)
{
    cli_line_editor *it = *editor;
    if (!it)
        return;
    if (it->el)
        el_end(it->el);
    if (it->history)
        history_end(it->history);
    free(it);
    *editor = NULL;
}

// ---- a line -------------------------------------------------------------------------------------

static void show(cli_line_editor *editor, const char *text)
{
    fputs(text, editor->shown);
    fflush(editor->shown);
}

cli_line cli_line_editor_read(cli_line_editor *editor, const char *prompt, lm_text *line)
{
    struct sigaction on_wake = {.sa_handler = wake}, old_size, old_continue;
    sigemptyset(&on_wake.sa_mask);
    sigaction(SIGWINCH, &on_wake, &old_size);
    sigaction(SIGCONT, &on_wake, &old_continue);
    cli_interrupt_begin_line();
    editor->prompt = prompt;
    editor->had_text = false;
    // libedit shows the prompt first: a Ctrl-D typed right then would be the driver's and be lost.
    el_set(editor->el, EL_PREP_TERM, 1);
    if (editor->marks_pastes)
        show(editor, PASTE_ON);
    int size = 0;
    const char *text = el_gets(editor->el, &size);
    if (editor->marks_pastes)
        show(editor, PASTE_OFF);
    const bool interrupted = cli_interrupted();
    sigaction(SIGWINCH, &old_size, NULL);
    sigaction(SIGCONT, &old_continue, NULL);
    if (interrupted) {
        show(editor, "^C\n");
        return editor->had_text ? CLI_LINE_INTERRUPTED : CLI_LINE_CLEARED;
    }
    if (!text || size <= 0) {
        show(editor, "\n");
        return CLI_LINE_END;
    }
    *line = (lm_text){text, (size_t)size - (text[size - 1] == '\n')};
    return CLI_LINE_READ;
}
