#include "bench/keys.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

#define MOST_BYTES ((size_t)16 << 20) // of a trace

// Where the parser is.
struct reader {
    bench_keys *keys;
    lm_text rest;
    size_t line;     // its number
    size_t filled;   // of the pool
    bench_key *open; // whose lines follow; NULL: none
};

static bool fail_at(const struct reader *r, lm_error *err, const char *what)
{
    return lm_fail(err, LM_BAD_FILE, "%s: line %zu %s", r->keys->path, r->line, what);
}

static bench_key *add(struct reader *r, bench_key_kind kind, lm_error *err)
{
    bench_keys *keys = r->keys;
    if (keys->n == BENCH_KEYS_MAX) {
        lm_fail(err, LM_BAD_FILE, "%s: line %zu is beyond %d keys", keys->path, r->line,
                BENCH_KEYS_MAX);
        return NULL;
    }
    if (keys->n == keys->room) {
        const size_t room = keys->room * 2 + 64;
        bench_key *larger = realloc(keys->keys, room * sizeof *larger);
        if (!larger) {
            lm_fail(err, LM_NO_MEMORY, "out of memory reading %s", keys->path);
            return NULL;
        }
        keys->keys = larger;
        keys->room = room;
    }
    bench_key *key = &keys->keys[keys->n++];
    *key = (bench_key){.kind = kind, .at_line = r->line};
    r->open = NULL;
    return key;
}

// Everything in the pool is no longer than what it came from.
static lm_text keep(struct reader *r, lm_text text)
{
    char *at = r->keys->pool + r->filled;
    memcpy(at, text.at, text.size);
    r->filled += text.size;
    return (lm_text){at, text.size};
}

static bool take_number(lm_text *text, uint32_t most, uint32_t *number)
{
    uint64_t value = 0;
    size_t n = 0;
    while (n < text->size && text->at[n] >= '0' && text->at[n] <= '9' && value <= most)
        value = value * 10 + (uint64_t)(text->at[n++] - '0');
    text->at += n;
    text->size -= n;
    *number = (uint32_t)value;
    return n > 0 && value <= most;
}

static bool take_char(lm_text *text, char c)
{
    if (text->size == 0 || text->at[0] != c)
        return false;
    text->at++;
    text->size--;
    return true;
}

static bool read_open(struct reader *r, lm_text name, lm_error *err)
{
    bench_key *key = add(r, BENCH_KEY_OPEN, err);
    if (!key)
        return false;
    if (!take_char(&name, ' ') || name.size == 0 || memchr(name.at, 0, name.size))
        return fail_at(r, err, "opens a file without a name");
    key->name = keep(r, name).at;
    r->keys->pool[r->filled++] = 0; // in the place of the "="
    key->text = (lm_text){r->keys->pool + r->filled, 0};
    r->open = key;
    return true;
}

static bool read_move(struct reader *r, lm_text text, lm_error *err)
{
    bench_key *key = add(r, BENCH_KEY_MOVE, err);
    if (!key)
        return false;
    if (take_char(&text, ' ') && take_number(&text, 1000000, &key->line) && key->line > 0 &&
        take_char(&text, ':') && take_number(&text, 1000000, &key->column) && key->column > 0 &&
        text.size == 0)
        return true;
    return fail_at(r, err, "is no '@ LINE:COLUMN', both from 1 to 1000000");
}

static bool read_erase(struct reader *r, lm_text text, lm_error *err)
{
    uint32_t gap, n;
    if (!take_char(&text, ' ') || !take_number(&text, 60000, &gap) || !take_char(&text, ' ') ||
        !take_number(&text, 1000, &n) || n == 0 || text.size > 0)
        return fail_at(r, err, "is no '- MS TIMES', MS up to 60000 and TIMES from 1 to 1000");
    for (uint32_t i = 0; i < n; i++) {
        bench_key *key = add(r, BENCH_KEY_ERASE, err);
        if (!key)
            return false;
        key->gap_ms = gap;
    }
    return true;
}

// One character of what is typed: a part of the pool.
static bool take_typed(struct reader *r, lm_text *text, lm_text *typed)
{
    static const char spelled[] = "nts\\", meant[] = "\n\t \\";
    if (text->at[0] == '\\') {
        const char *which = text->size > 1 ? memchr(spelled, text->at[1], 4) : NULL;
        if (!which)
            return false;
        *typed = keep(r, (lm_text){&meant[which - spelled], 1});
        text->at += 2;
        text->size -= 2;
        return true;
    }
    size_t n = 1;
    while (n < text->size && ((unsigned char)text->at[n] & 0xc0u) == 0x80u)
        n++;
    *typed = keep(r, (lm_text){text->at, n});
    text->at += n;
    text->size -= n;
    return true;
}

static bool read_type(struct reader *r, lm_text text, lm_error *err)
{
    uint32_t gap;
    if (!take_char(&text, ' ') || !take_number(&text, 60000, &gap) || !take_char(&text, ' ') ||
        text.size == 0)
        return fail_at(r, err, "is no '+ MS TEXT', MS up to 60000");
    while (text.size > 0) {
        bench_key *key = add(r, BENCH_KEY_TYPE, err);
        if (!key)
            return false;
        key->gap_ms = gap;
        if (!take_typed(r, &text, &key->text))
            return fail_at(r, err, "has a \\ that is none of \\n, \\t, \\s and \\\\");
    }
    return true;
}

static bool read_line(struct reader *r, lm_text line, lm_error *err)
{
    const lm_text rest = {line.at + 1, line.size - (line.size > 0)};
    if (line.size == 0)
        return true;
    if (line.at[0] == '=')
        return read_open(r, rest, err);
    if (r->keys->n == 0)
        return true; // a comment
    switch (line.at[0]) {
    case '|':
        if (!r->open)
            return fail_at(r, err, "is a line of a file that is not just opened");
        keep(r, rest);
        r->keys->pool[r->filled++] = '\n'; // in the place of the bar
        r->open->text.size += rest.size + 1;
        return true;
    case '@':
        return read_move(r, rest, err);
    case '+':
        return read_type(r, rest, err);
    case '-':
        return read_erase(r, rest, err);
    case '?':
        if (rest.size > 0)
            return fail_at(r, err, "has something behind its '?'");
        return add(r, BENCH_KEY_WAIT, err) != NULL;
    default:
        return fail_at(r, err, "begins with none of = | @ + - ?");
    }
}

bool bench_keys_parse(bench_keys *keys, const char *path, lm_text trace, lm_error *err)
{
    *keys = (bench_keys){.path = strdup(path), .pool = malloc(trace.size + 1)};
    if (!keys->path || !keys->pool)
        return lm_fail(err, LM_NO_MEMORY, "out of memory reading %s", path);
    struct reader r = {.keys = keys, .rest = trace};
    while (r.rest.size > 0) {
        const char *newline = memchr(r.rest.at, '\n', r.rest.size);
        const size_t size = newline ? (size_t)(newline - r.rest.at) : r.rest.size;
        const bool cr = size > 0 && r.rest.at[size - 1] == '\r';
        r.line++;
        if (!read_line(&r, (lm_text){r.rest.at, size - cr}, err))
            return false;
        const size_t step = size + (newline != NULL);
        r.rest = (lm_text){r.rest.at + step, r.rest.size - step};
    }
    if (keys->n == 0)
        return lm_fail(err, LM_BAD_FILE, "%s is no trace of keystrokes: no line opens a file",
                       path);
    return true;
}

bool bench_keys_read(bench_keys *keys, const char *path, lm_error *err)
{
    *keys = (bench_keys){0};
    size_t size;
    char *text;
    if (!lm_file_read_all(path, -1, MOST_BYTES, &text, &size, err))
        return false;
    const bool ok = bench_keys_parse(keys, path, (lm_text){text, size}, err);
    free(text);
    return ok;
}

void bench_keys_finish(bench_keys *keys)
{
    free(keys->path);
    free(keys->pool);
    free(keys->keys);
    *keys = (bench_keys){0};
}

// ---- the editor -----------------------------------------------------------------------------

static bool put_text(bench_editor *it, lm_text text, lm_error *err)
{
    if (!it->text || text.size > it->room - it->size) {
        const size_t room = (it->size + text.size) * 2 + 256;
        char *larger = realloc(it->text, room);
        if (!larger)
            return lm_fail(err, LM_NO_MEMORY, "out of memory for the text of a trace");
        it->text = larger;
        it->room = room;
    }
    memmove(it->text + it->cursor + text.size, it->text + it->cursor, it->size - it->cursor);
    if (text.size > 0)
        memcpy(it->text + it->cursor, text.at, text.size);
    it->size += text.size;
    it->cursor += text.size;
    return true;
}

static size_t next_char(const bench_editor *it, size_t at)
{
    do
        at++;
    while (at < it->size && ((unsigned char)it->text[at] & 0xc0u) == 0x80u);
    return at;
}

static bool move(bench_editor *it, uint32_t line, uint32_t column)
{
    size_t at = 0;
    for (uint32_t i = 1; i < line; i++) {
        const char *newline = at < it->size ? memchr(it->text + at, '\n', it->size - at) : NULL;
        if (!newline)
            return false;
        at = (size_t)(newline + 1 - it->text);
    }
    for (uint32_t i = 1; i < column; i++) {
        if (at >= it->size || it->text[at] == '\n')
            return false;
        at = next_char(it, at);
    }
    it->cursor = at;
    return true;
}

static void erase(bench_editor *it)
{
    size_t from = it->cursor - 1;
    while (from > 0 && ((unsigned char)it->text[from] & 0xc0u) == 0x80u)
        from--;
    memmove(it->text + from, it->text + it->cursor, it->size - it->cursor);
    it->size -= it->cursor - from;
    it->cursor = from;
}

bool bench_editor_apply(bench_editor *it, const bench_keys *keys, const bench_key *key,
                        lm_error *err)
{
    switch (key->kind) {
    case BENCH_KEY_OPEN:
        it->size = it->cursor = 0;
        it->name = key->name;
        if (!put_text(it, key->text, err))
            return false;
        it->cursor = 0;
        return true;
    case BENCH_KEY_MOVE:
        if (move(it, key->line, key->column))
            return true;
        return lm_fail(err, LM_BAD_FILE, "%s: line %zu goes to %u:%u, which '%s' does not have",
                       keys->path, key->at_line, key->line, key->column, it->name);
    case BENCH_KEY_TYPE:
        return put_text(it, key->text, err);
    case BENCH_KEY_ERASE:
        if (it->cursor == 0)
            return lm_fail(err, LM_BAD_FILE, "%s: line %zu erases at the beginning of '%s'",
                           keys->path, key->at_line, it->name);
        erase(it);
        return true;
    case BENCH_KEY_WAIT:
        break;
    }
    return true;
}

void bench_editor_finish(bench_editor *it)
{
    free(it->text);
    *it = (bench_editor){0};
}

bool bench_keys_check(const bench_keys *keys, lm_error *err)
{
    bench_editor editor = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < keys->n; i++)
        ok = bench_editor_apply(&editor, keys, &keys->keys[i], err);
    bench_editor_finish(&editor);
    return ok;
}
