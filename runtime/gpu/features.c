#include "gpu/features.h"

#include "base/shown.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[LM_N_FEATURES] = {
    [LM_FEATURE_HALF_UNPACK] = "half_unpack",
    [LM_FEATURE_FEW_BARRIERS] = "few_barriers",
    [LM_FEATURE_COMPUTE_QUEUE] = "compute_queue",
    [LM_FEATURE_MEMORY_BUDGET] = "memory_budget",
    [LM_FEATURE_TIMESTAMPS] = "timestamps",
    [LM_FEATURE_STORED_PIPELINES] = "stored_pipelines",
    [LM_FEATURE_LAST_GROUP] = "last_group",
    [LM_FEATURE_FUSED] = "fused",
    [LM_FEATURE_F16] = "f16",
    [LM_FEATURE_INT_DOT] = "int_dot",
    [LM_FEATURE_MATRIX] = "matrix",
    [LM_FEATURE_UNIFORM_LOADS] = "uniform_loads",
};

static uint32_t bit(lm_feature feature)
{
    return (uint32_t)1 << feature;
}

bool lm_features_on(const lm_features *features, lm_feature feature)
{
    return (features->offered & ~features->off & bit(feature)) != 0;
}

bool lm_features_offered(const lm_features *features, lm_feature feature)
{
    return (features->offered & bit(feature)) != 0;
}

void lm_features_offer(lm_features *features, lm_feature feature)
{
    features->offered |= bit(feature);
}

void lm_features_turn_off(lm_features *features, lm_feature feature, lm_off_by by, const char *fmt,
                          ...)
{
    if (features->off & bit(feature))
        return;
    features->off |= bit(feature);
    features->reason[feature].by = by;
    va_list args;
    va_start(args, fmt);
    vsnprintf(features->reason[feature].why, sizeof features->reason[feature].why, fmt, args);
    va_end(args);
}

void lm_features_turn_all_off(lm_features *features, lm_off_by by, const char *why)
{
    for (lm_feature feature = 0; feature < LM_N_FEATURES; feature++)
        lm_features_turn_off(features, feature, by, "%s", why);
}

void lm_features_turn_on(lm_features *features, lm_feature feature)
{
    const lm_off_by by = features->reason[feature].by;
    if (by != LM_OFF_QUIRK && by != LM_OFF_SPEED)
        return;
    features->off &= ~bit(feature);
    features->reason[feature].by = LM_OFF_NOT;
    features->reason[feature].why[0] = 0;
}

// All names, for a sentence.
static void list_names(char *text, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < LM_N_FEATURES && used < size; i++) {
        const int n = snprintf(text + used, size - used, "%s%s", i ? ", " : "", names[i]);
        used += n > 0 ? (size_t)n : 0;
    }
}

bool lm_features_turn_list_off(lm_features *features, const char *list, lm_off_by by,
                               const char *why, lm_error *err)
{
    while (*list) {
        const size_t size = strcspn(list, ",");
        lm_feature feature;
        if (size == 3 && memcmp(list, "all", 3) == 0) {
            lm_features_turn_all_off(features, by, why);
        } else if (lm_feature_parse(list, size, &feature)) {
            lm_features_turn_off(features, feature, by, "%s", why);
        } else {
            char known[256];
            list_names(known, sizeof known);
            return lm_fail(err, LM_BAD_ARGUMENT, "'%s' is no optional path; known are %s, and all",
                           lm_show((lm_text){list, size}).text, known);
        }
        list += size + (list[size] == ',');
    }
    return true;
}

const char *lm_feature_name(lm_feature feature)
{
    return feature < LM_N_FEATURES ? names[feature] : "unknown";
}

bool lm_feature_parse(const char *name, size_t size, lm_feature *feature)
{
    for (lm_feature i = 0; i < LM_N_FEATURES; i++)
        if (strlen(names[i]) == size && memcmp(names[i], name, size) == 0) {
            *feature = i;
            return true;
        }
    return false;
}

bool lm_feature_is_used(lm_feature feature)
{
    return feature != LM_FEATURE_F16 && feature != LM_FEATURE_INT_DOT;
}

const char *lm_off_by_name(lm_off_by by)
{
    switch (by) {
    case LM_OFF_NOT:
        break;
    case LM_OFF_SPEED:
        return "its speed";
    case LM_OFF_QUIRK:
        return "a quirk";
    case LM_OFF_SELF_TEST:
        return "the self-test";
    case LM_OFF_USER:
        return "the user";
    case LM_OFF_SAFE:
        return "safe mode";
    }
    return "";
}
