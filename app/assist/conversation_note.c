// A conversation as JSON:
//
//     {"chat": 1, "system": TEXT, "turns": [{"question": TEXT, "answer": TEXT}, ...]}
//
// TEXT is a string, or {"hex": "00ff"} where the bytes are no UTF-8 or hold a zero, which strings
// of cJSON cannot. "system" is absent where it is the default.

#include "conversation.h"

#include "tokenizer/utf8.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

// ---- writing ------------------------------------------------------------------------------------

static bool is_plain(lm_text text)
{
    for (size_t i = 0; i < text.size;) {
        uint32_t code_point;
        const size_t n = lm_utf8_decode((lm_text){text.at + i, text.size - i}, &code_point);
        if (n == 0 || code_point == 0)
            return false;
        i += n;
    }
    return true;
}

static cJSON *hex_item(lm_text text)
{
    static const char digits[] = "0123456789abcdef";
    cJSON *item = cJSON_CreateObject();
    char *hex = malloc(2 * text.size + 1);
    bool ok = item && hex;
    for (size_t i = 0; ok && i < text.size; i++) {
        hex[2 * i] = digits[(unsigned char)text.at[i] >> 4];
        hex[2 * i + 1] = digits[(unsigned char)text.at[i] & 15];
    }
    if (ok) {
        hex[2 * text.size] = 0;
        ok = cJSON_AddStringToObject(item, "hex", hex) != NULL;
    }
    free(hex);
    if (!ok)
        cJSON_Delete(item);
    return ok ? item : NULL;
}

// The texts of a conversation are followed by a zero byte.
static bool add_text(cJSON *object, const char *key, lm_text text)
{
    cJSON *item = NULL;
    if (is_plain(text)) {
        char *copy = strndup(text.size ? text.at : "", text.size);
        item = copy ? cJSON_CreateString(copy) : NULL;
        free(copy);
    } else {
        item = hex_item(text);
    }
    if (item && cJSON_AddItemToObject(object, key, item))
        return true;
    cJSON_Delete(item);
    return false;
}

static bool fill(cJSON *json, const lm_conversation *c)
{
    bool is_default;
    const lm_text system = lm_conversation_system(c, &is_default);
    cJSON *turns;
    if (!json || !cJSON_AddNumberToObject(json, "chat", 1) ||
        !(is_default || add_text(json, "system", system)) ||
        !(turns = cJSON_AddArrayToObject(json, "turns")))
        return false;
    for (size_t i = 0; i < lm_conversation_n_turns(c); i++) {
        cJSON *turn = cJSON_CreateObject();
        if (!turn || !cJSON_AddItemToArray(turns, turn)) {
            cJSON_Delete(turn);
            return false;
        }
        if (!add_text(turn, "question", lm_conversation_question(c, i)) ||
            !add_text(turn, "answer", lm_conversation_answer_to(c, i)))
            return false;
    }
    return true;
}

bool lm_conversation_write(const lm_conversation *c, char **note, size_t *size, lm_error *err)
{
    cJSON *json = cJSON_CreateObject();
    char *text = fill(json, c) ? cJSON_PrintUnformatted(json) : NULL;
    cJSON_Delete(json);
    *note = text ? strdup(text) : NULL; // cJSON may have an allocator of its own
    cJSON_free(text);
    if (!*note)
        return lm_fail(err, LM_NO_MEMORY, "out of memory writing a conversation");
    *size = strlen(*note);
    return true;
}

// ---- reading ------------------------------------------------------------------------------------

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The bytes that `hex` spells; false where it is no such spelling.
static bool read_hex(const char *hex, char **text, size_t *size)
{
    const size_t n = strlen(hex);
    char *bytes = n % 2 == 0 ? malloc(n / 2 + 1) : NULL;
    bool ok = bytes != NULL;
    for (size_t i = 0; ok && i < n / 2; i++) {
        const int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);
        ok = high >= 0 && low >= 0;
        if (ok)
            bytes[i] = (char)(high << 4 | low);
    }
    if (!ok) {
        free(bytes);
        return false;
    }
    *text = bytes;
    *size = n / 2;
    return true;
}

// *owned is the caller's to free(); NULL where the text is the item's own.
static bool read_text(const cJSON *object, const char *key, char **owned, lm_text *text,
                      lm_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    *owned = NULL;
    if (cJSON_IsString(item)) {
        *text = lm_text_of(item->valuestring);
        return true;
    }
    const cJSON *hex = cJSON_GetObjectItemCaseSensitive(item, "hex");
    if (!cJSON_IsString(hex) || !read_hex(hex->valuestring, owned, &text->size))
        return lm_fail(err, LM_BAD_FILE, "its '%s' is no text", key);
    text->at = *owned;
    return true;
}

static bool read_turn(lm_conversation *c, const cJSON *turn, lm_error *err)
{
    char *owned_question = NULL, *owned_answer = NULL;
    lm_text question, answer;
    const bool ok = read_text(turn, "question", &owned_question, &question, err) &&
                    read_text(turn, "answer", &owned_answer, &answer, err) &&
                    lm_conversation_ask(c, question, err) && lm_conversation_answer(c, answer, err);
    free(owned_question);
    free(owned_answer);
    return ok;
}

static bool read_all(lm_conversation *c, const cJSON *json, lm_error *err)
{
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(json, "chat");
    const cJSON *turns = cJSON_GetObjectItemCaseSensitive(json, "turns");
    if (!cJSON_IsNumber(version) || !cJSON_IsArray(turns))
        return lm_fail(err, LM_BAD_FILE, "it is no chat");
    if (version->valuedouble != 1)
        return lm_fail(err, LM_BAD_FILE, "its version is %g; known is 1", version->valuedouble);
    if (cJSON_GetObjectItemCaseSensitive(json, "system")) {
        char *owned = NULL;
        lm_text system;
        const bool ok = read_text(json, "system", &owned, &system, err) &&
                        lm_conversation_set_system(c, &system, err);
        free(owned);
        if (!ok)
            return false;
    }
    size_t n = 0;
    const cJSON *turn;
    cJSON_ArrayForEach(turn, turns)
    {
        n++;
        if (!read_turn(c, turn, err))
            return lm_fail_while(err, "turn %zu", n);
    }
    return true;
}

static bool is_blank(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at == end;
}

lm_conversation *lm_conversation_read(lm_text note, lm_error *err)
{
    lm_conversation *c = lm_conversation_create(err);
    const char *end = NULL;
    cJSON *json = c ? cJSON_ParseWithLengthOpts(note.at, note.size, &end, false) : NULL;
    bool ok = json != NULL;
    if (c && (!json || !is_blank(end, note.at + note.size)))
        ok = lm_fail(err, LM_BAD_FILE, "it is no chat: no JSON");
    ok = ok && read_all(c, json, err);
    cJSON_Delete(json);
    if (!ok)
        lm_conversation_destroy(&c);
    return c;
}
