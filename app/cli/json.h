// JSON that cJSON does not give by itself.

#ifndef CLI_JSON_H
#define CLI_JSON_H

#include "base/error.h"
#include "base/text.h"
#include "lm.h"

#include <cjson/cJSON.h>

// A JSON string of any bytes: what is no UTF-8 becomes U+FFFD, a zero byte becomes \u0000 (cJSON's
// own strings end there). NULL where memory is short.
cJSON *cli_json_text(lm_text text);

// Adds to an object. False where memory is short or `object` is NULL.
bool cli_json_add_text(cJSON *object, const char *key, lm_text text);
bool cli_json_add_number(cJSON *object, const char *key, double number); // exact below 2^53
bool cli_json_add_bool(cJSON *object, const char *key, bool value);
bool cli_json_add_hex(cJSON *object, const char *key, uint64_t value); // "0x0123456789abcdef"
bool cli_json_add_tokens(cJSON *object, const char *key, const lm_token *tokens, size_t n_tokens);

// Adds an empty object or array and returns it, borrowed; NULL where memory is short.
cJSON *cli_json_add_object(cJSON *parent, const char *key);
cJSON *cli_json_add_array(cJSON *parent, const char *key);

// Prints the tree as one line on stdout and flushes. `complete` false: memory ran short while it
// was built, which is the error then.
bool cli_json_print(const cJSON *json, bool complete, lm_error *err);

#endif
