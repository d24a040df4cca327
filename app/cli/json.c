#include "json.h"

#include "output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The length of the well-formed UTF-8 character at the start of `at`, or 0 (RFC 3629: no
// surrogates, nothing overlong, nothing above U+10FFFF).
static size_t character_size(const unsigned char *at, size_t size)
{
    if (at[0] < 0x80)
        return 1;
    if (at[0] < 0xc2 || at[0] > 0xf4)
        return 0;
    const size_t n = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    if (size < n)
        return 0;
    const unsigned char low = at[0] == 0xe0 ? 0xa0 : at[0] == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = at[0] == 0xed ? 0x9f : at[0] == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    return n;
}

// Appends one ASCII byte as JSON has it; at most 6 bytes. Returns the new end.
static char *put_ascii(char *to, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    static const char from[] = "\"\\\n\t\r";
    static const char into[] = "\"\\ntr";
    const char *known = byte ? strchr(from, byte) : NULL;
    if (known) {
        *to++ = '\\';
        *to++ = into[known - from];
    } else if (byte < 0x20 || byte == 0x7f) {
        memcpy(to, "\\u00", 4);
        to[4] = digits[byte >> 4];
        to[5] = digits[byte & 15];
        to += 6;
    } else {
        *to++ = (char)byte;
    }
    return to;
}

cJSON *cli_json_text(lm_text text)
{
    if (text.size > SIZE_MAX / 8)
        return NULL;
    char *literal = malloc(text.size * 6 + 3);
    if (!literal)
        return NULL;
    char *to = literal;
    *to++ = '"';
    const unsigned char *at = (const unsigned char *)text.at;
    for (size_t i = 0; i < text.size;) {
        const size_t n = character_size(at + i, text.size - i);
        if (n == 0) {
            memcpy(to, "\xef\xbf\xbd", 3);
            to += 3;
            i++;
        } else if (n == 1) {
            to = put_ascii(to, at[i++]);
        } else {
            memcpy(to, at + i, n);
            to += n;
            i += n;
        }
    }
    *to++ = '"';
    *to = 0;
    cJSON *item = cJSON_CreateRaw(literal);
    free(literal);
    return item;
}

static bool add(cJSON *object, const char *key, cJSON *item)
{
    if (object && item && cJSON_AddItemToObject(object, key, item))
        return true;
    cJSON_Delete(item);
    return false;
}

bool cli_json_add_text(cJSON *object, const char *key, lm_text text)
{
    return add(object, key, cli_json_text(text));
}

bool cli_json_add_number(cJSON *object, const char *key, double number)
{
    return add(object, key, cJSON_CreateNumber(number));
}

bool cli_json_add_bool(cJSON *object, const char *key, bool value)
{
    return add(object, key, cJSON_CreateBool(value));
}

bool cli_json_add_hex(cJSON *object, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "0x%016llx", (unsigned long long)value);
    return add(object, key, cJSON_CreateString(text));
}

bool cli_json_add_tokens(cJSON *object, const char *key, const lm_token *tokens, size_t n_tokens)
{
    cJSON *array = cli_json_add_array(object, key);
    bool ok = array != NULL;
    for (size_t i = 0; ok && i < n_tokens; i++) {
        cJSON *item = cJSON_CreateNumber(tokens[i]);
        ok = item && cJSON_AddItemToArray(array, item);
    }
    return ok;
}

cJSON *cli_json_add_object(cJSON *parent, const char *key)
{
    cJSON *item = cJSON_CreateObject();
    return add(parent, key, item) ? item : NULL;
}

cJSON *cli_json_add_array(cJSON *parent, const char *key)
{
    cJSON *item = cJSON_CreateArray();
    return add(parent, key, item) ? item : NULL;
}

bool cli_json_print(const cJSON *json, bool complete, lm_error *err)
{
    char *text = complete && json ? cJSON_PrintUnformatted(json) : NULL;
    if (!text)
        return lm_fail(err, LM_NO_MEMORY, "out of memory making JSON");
    const bool ok = cli_print(err, "%s\n", text) && cli_flush(err);
    cJSON_free(text);
    return ok;
}
