#include "gpu/quirks.h"

#include "base/shown.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ENTRIES    4096
#define MAX_LINE_BYTES 1024

struct lm_quirks {
    lm_quirk *entries; // owned
    size_t n_entries, room;
    char warning[320];
    uint32_t n_more; // sentences that the warning does not hold
    char shown[384]; // the warning and how many more
};

lm_quirks *lm_quirks_create(lm_error *err)
{
    lm_quirks *it = calloc(1, sizeof *it);
    if (!it)
        lm_fail(err, LM_NO_MEMORY, "out of memory for the quirk table");
    return it;
}

void lm_quirks_destroy(lm_quirks **quirks)
{
    lm_quirks *it = *quirks;
    if (!it)
        return;
    for (size_t i = 0; i < it->n_entries; i++)
        free(it->entries[i].text);
    free(it->entries);
    free(it);
    *quirks = NULL;
}

void lm_quirks_warn(lm_quirks *it, const char *fmt, ...)
{
    if (it->warning[0]) {
        it->n_more++;
        snprintf(it->shown, sizeof it->shown, "%s; and %u more of the kind", it->warning,
                 it->n_more);
        return;
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(it->warning, sizeof it->warning, fmt, args);
    va_end(args);
    snprintf(it->shown, sizeof it->shown, "%s", it->warning);
}

const char *lm_quirks_warning(const lm_quirks *it)
{
    return it->shown;
}

size_t lm_quirks_count(const lm_quirks *it)
{
    return it->n_entries;
}

const lm_quirk *lm_quirks_get(const lm_quirks *it, size_t index)
{
    return &it->entries[index];
}

// ---- reading a line -----------------------------------------------------------------------------

// A key and its value, pieces of the line.
struct word {
    const char *key, *value;
    size_t key_size, value_size;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

// What is shown to people, in lists and reasons, is printable.
static bool is_plain(const struct word *word)
{
    for (size_t i = 0; i < word->value_size; i++)
        if (word->value[i] < 0x20 || word->value[i] > 0x7e)
            return false;
    return true;
}

// Takes the next KEY=VALUE or KEY="VALUE" off the line. False at its end; then *why is "" or what
// is wrong with it.
static bool next_word(const char **at, const char *end, struct word *word, const char **why)
{
    *why = "";
    while (*at < end && is_blank(**at))
        ++*at;
    if (*at == end || **at == '#')
        return false;
    word->key = *at;
    while (*at < end && **at != '=' && !is_blank(**at))
        ++*at;
    word->key_size = (size_t)(*at - word->key);
    if (*at == end || **at != '=' || word->key_size == 0) {
        *why = "is no KEY=VALUE";
        return false;
    }
    ++*at;
    const bool quoted = *at < end && **at == '"';
    *at += quoted;
    word->value = *at;
    while (*at < end && (quoted ? **at != '"' : !is_blank(**at)))
        ++*at;
    word->value_size = (size_t)(*at - word->value);
    if (quoted && *at == end)
        *why = "lacks the closing quote";
    else if (word->value_size == 0)
        *why = "has an empty value";
    *at += quoted && *at < end;
    if (*at < end && !is_blank(**at) && !**why)
        *why = "has something behind its value";
    return !**why;
}

static bool copy_value(char *to, size_t room, const struct word *word)
{
    if (word->value_size >= room || memchr(word->value, 0, word->value_size))
        return false;
    memcpy(to, word->value, word->value_size);
    to[word->value_size] = 0;
    return true;
}

static bool parse_kind(const struct word *word, uint32_t *kind)
{
    static const char *const kinds[] = {"other", "integrated", "discrete", "virtual", "software"};
    for (uint32_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strlen(kinds[i]) == word->value_size &&
            memcmp(kinds[i], word->value, word->value_size) == 0) {
            *kind = i; // in the order of VkPhysicalDeviceType
            return true;
        }
    return false;
}

static bool parse_features(const struct word *word, uint32_t *bits)
{
    char list[256];
    lm_features features = {0};
    if (!copy_value(list, sizeof list, word) ||
        !lm_features_turn_list_off(&features, list, LM_OFF_QUIRK, "", NULL))
        return false;
    *bits = features.off;
    return true;
}

static bool parse_limits(lm_quirk *quirk, const struct word *word)
{
    lm_limits any = {.block_bytes = UINT64_MAX,
                     .group_invocations = UINT32_MAX,
                     .group_subgroups = UINT32_MAX,
                     .group_count = UINT32_MAX,
                     .shared_bytes = UINT32_MAX,
                     .push_bytes = UINT32_MAX};
    return copy_value(quirk->limits, sizeof quirk->limits, word) &&
           lm_limits_lower(&any, quirk->limits, NULL);
}

static bool parse_see(lm_quirk *quirk, const struct word *word)
{
    return copy_value(quirk->see, sizeof quirk->see, word) &&
           strncmp(quirk->see, "https://", 8) == 0;
}

// "device" is an id or a pattern of the name.
static bool parse_device(lm_quirk *quirk, const struct word *word)
{
    quirk->has_device = lm_hex_parse(word->value, word->value_size, &quirk->device);
    return quirk->has_device || copy_value(quirk->name, sizeof quirk->name, word);
}

enum key { VENDOR, DEVICE, DRIVER, KIND, FROM, BEFORE, OFF, ON, LIMITS, SEE, N_KEYS };

static const char *const keys[N_KEYS] = {"vendor", "device", "driver", "kind",   "from",
                                         "before", "off",    "on",     "limits", "see"};

static bool take(lm_quirk *quirk, enum key key, const struct word *word)
{
    const char *value = word->value;
    const size_t size = word->value_size;
    switch (key) {
    case VENDOR:
        return quirk->has_vendor = lm_vendor_parse(value, size, &quirk->vendor);
    case DEVICE:
        return parse_device(quirk, word);
    case DRIVER:
        return quirk->has_driver = lm_driver_parse(value, size, &quirk->driver);
    case KIND:
        return quirk->has_kind = parse_kind(word, &quirk->kind);
    case FROM:
        return quirk->has_from = lm_driver_version_parse(value, size, &quirk->from);
    case BEFORE:
        return quirk->has_before = lm_driver_version_parse(value, size, &quirk->before);
    case OFF:
        return parse_features(word, &quirk->off);
    case ON:
        return parse_features(word, &quirk->on);
    case LIMITS:
        return parse_limits(quirk, word);
    case SEE:
        return parse_see(quirk, word);
    case N_KEYS:
        break;
    }
    return false;
}

static enum key find_key(const struct word *word)
{
    for (enum key i = 0; i < N_KEYS; i++)
        if (strlen(keys[i]) == word->key_size && memcmp(keys[i], word->key, word->key_size) == 0)
            return i;
    return N_KEYS;
}

// False, with the sentence in *err*, where the line makes no sense. *used is where its comment
// begins or its end.
static bool parse_line(lm_quirk *quirk, const char *line, size_t size, size_t *used, lm_error *err)
{
    const char *at = line;
    const char *why = "";
    struct word word = {0};
    uint32_t seen = 0;
    while (next_word(&at, line + size, &word, &why)) {
        const enum key key = find_key(&word);
        if (key == N_KEYS)
            return lm_fail(err, LM_BAD_FILE, "'%s' is no known key",
                           lm_show((lm_text){word.key, word.key_size}).text);
        if (seen & (uint32_t)1 << key)
            return lm_fail(err, LM_BAD_FILE, "'%s' stands there twice", keys[key]);
        seen |= (uint32_t)1 << key;
        if (!is_plain(&word) || !take(quirk, key, &word))
            return lm_fail(err, LM_BAD_FILE, "'%s' cannot be a value of '%s'",
                           lm_show((lm_text){word.value, word.value_size}).text, keys[key]);
    }
    if (*why)
        return lm_fail(err, LM_BAD_FILE, "'%s' %s",
                       lm_show((lm_text){word.key, word.key_size}).text, why);
    *used = (size_t)(at - line);
    if (seen && !(seen & (1u << OFF | 1u << ON | 1u << LIMITS)))
        return lm_fail(err, LM_BAD_FILE, "it says nothing of off, on or limits");
    if (quirk->off & quirk->on)
        return lm_fail(err, LM_BAD_FILE, "it switches the same off and on");
    return true;
}

// ---- adding tables ------------------------------------------------------------------------------

static bool append(lm_quirks *it, const lm_quirk *quirk, const char *line, size_t size,
                   lm_error *err)
{
    if (it->n_entries == it->room) {
        const size_t room = it->room ? 2 * it->room : 32;
        lm_quirk *larger = realloc(it->entries, room * sizeof *larger);
        if (!larger)
            return lm_fail(err, LM_NO_MEMORY, "out of memory for %zu quirks", room);
        it->entries = larger;
        it->room = room;
    }
    while (size > 0 && is_blank(line[size - 1]))
        size--;
    lm_quirk *entry = &it->entries[it->n_entries];
    *entry = *quirk;
    entry->text = malloc(size + 1);
    if (!entry->text)
        return lm_fail(err, LM_NO_MEMORY, "out of memory for a quirk");
    memcpy(entry->text, line, size);
    entry->text[size] = 0;
    it->n_entries++;
    return true;
}

static bool add_line(lm_quirks *it, const char *source, uint32_t number, const char *line,
                     size_t size, lm_error *err)
{
    lm_quirk quirk = {.line = number};
    lm_error why = {0};
    size_t used = 0;
    snprintf(quirk.source, sizeof quirk.source, "%s", source);
    while (size > 0 && is_blank(*line)) {
        line++;
        size--;
    }
    if (size > 0 && line[size - 1] == '\r')
        size--;
    if (size > MAX_LINE_BYTES)
        lm_quirks_warn(it, "%s line %u is left out: it has more than %d bytes", source, number,
                       MAX_LINE_BYTES);
    else if (!parse_line(&quirk, line, size, &used, &why))
        lm_quirks_warn(it, "%s line %u is left out: %.160s", source, number, why.message);
    else if (used > 0 && (quirk.off | quirk.on || quirk.limits[0]))
        return append(it, &quirk, line, used, err);
    return true;
}

bool lm_quirks_add(lm_quirks *it, const char *path, const char *text, size_t size, lm_error *err)
{
    const char *slash = strrchr(path, '/');
    const char *source = slash ? slash + 1 : path;
    const char *end = text + size;
    for (uint32_t number = 1; text < end; number++) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        if (!line_end)
            line_end = end;
        if (it->n_entries == MAX_ENTRIES) {
            lm_quirks_warn(it, "%s is left out from line %u on: more than %d entries", source,
                           number, MAX_ENTRIES);
            return true;
        }
        if (!add_line(it, source, number, text, (size_t)(line_end - text), err))
            return false;
        text = line_end + (line_end < end);
    }
    return true;
}

// ---- matching -----------------------------------------------------------------------------------

// Whether the whole text matches a pattern with * (anything) and ? (one byte), in any case. After a
// mismatch only the last * can take one byte more, so it ends after pattern times text steps.
static bool name_matches(const char *pattern, const char *text)
{
    const char *star = NULL;
    const char *resume = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            resume = text;
        } else if (*pattern == '?' ||
                   tolower((unsigned char)*pattern) == tolower((unsigned char)*text)) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == 0;
}

bool lm_quirk_matches(const lm_quirk *quirk, const lm_adapter *adapter)
{
    const VkPhysicalDeviceProperties *properties = &adapter->properties;
    const lm_driver_version *version = &adapter->driver_version;
    return (!quirk->has_vendor || quirk->vendor == properties->vendorID) &&
           (!quirk->has_device || quirk->device == properties->deviceID) &&
           (!quirk->name[0] || name_matches(quirk->name, properties->deviceName)) &&
           (!quirk->has_driver || quirk->driver == adapter->driver_id) &&
           (!quirk->has_kind || quirk->kind == (uint32_t)properties->deviceType) &&
           (!quirk->has_from || lm_driver_version_compare(version, &quirk->from) >= 0) &&
           (!quirk->has_before || lm_driver_version_compare(version, &quirk->before) < 0);
}

static void note(lm_adapter *adapter, const lm_quirk *quirk)
{
    const size_t used = strlen(adapter->quirks);
    snprintf(adapter->quirks + used, sizeof adapter->quirks - used, "%s%.40s:%u", used ? ", " : "",
             quirk->source, quirk->line);
}

void lm_quirks_apply(const lm_quirks *it, lm_adapter *adapter)
{
    for (size_t i = 0; i < it->n_entries; i++) {
        const lm_quirk *quirk = &it->entries[i];
        if (!lm_quirk_matches(quirk, adapter))
            continue;
        note(adapter, quirk);
        for (lm_feature feature = 0; feature < LM_N_FEATURES; feature++) {
            const uint32_t bit = (uint32_t)1 << feature;
            if (quirk->on & bit)
                lm_features_turn_on(&adapter->features, feature);
            if (quirk->off & bit)
                lm_features_turn_off(&adapter->features, feature, LM_OFF_QUIRK, "%s:%u %s",
                                     quirk->source, quirk->line, quirk->see);
        }
        if (quirk->limits[0])
            lm_limits_lower(&adapter->limits, quirk->limits, NULL); // was tried when it was read
    }
}
