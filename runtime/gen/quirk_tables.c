#include "gen/quirk_tables.h"

#include "base/file.h"
#include "base/place.h"
#include "lm_features.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE     "quirks.txt"
#define MAX_BYTES ((size_t)1 << 20)

static bool add_file(lm_quirks *quirks, const char *path, lm_error *err)
{
    char *text = NULL;
    size_t size = 0;
    lm_error why = {0};
    if (!lm_file_read_all(path, -1, MAX_BYTES, &text, &size, &why)) {
        lm_quirks_warn(quirks, "a quirk table is left out: %.200s", why.message);
        return true;
    }
    const bool ok = lm_quirks_add(quirks, path, text, size, err);
    free(text);
    return ok;
}

lm_quirks *lm_quirk_tables_read(lm_error *err)
{
    lm_quirks *quirks = lm_quirks_create(err);
    if (!quirks)
        return NULL;
    const char *chosen = getenv("LM_QUIRKS");
    if (chosen && strcmp(chosen, "none") == 0)
        return quirks;
    char path[4096];
    lm_error why = {0};
    bool ok = true;
    if (lm_place_asset(TABLE, path, sizeof path, &why))
        ok = add_file(quirks, path, err);
    else
        lm_quirks_warn(quirks, "no quirk table: %.200s", why.message);
    if (ok && lm_place_settings(TABLE, path, sizeof path) && lm_file_exists(path))
        ok = add_file(quirks, path, err);
    if (ok && chosen && chosen[0])
        ok = add_file(quirks, chosen, err);
    if (!ok)
        lm_quirks_destroy(&quirks);
    return quirks;
}

bool lm_quirks_list(lm_quirk_info **infos, size_t *n_infos, char *warning, size_t warning_size,
                    lm_error *err)
{
    lm_quirks *quirks = lm_quirk_tables_read(err);
    if (!quirks)
        return false;
    *n_infos = lm_quirks_count(quirks);
    *infos = calloc(*n_infos + 1, sizeof **infos);
    for (size_t i = 0; *infos && i < *n_infos; i++) {
        const lm_quirk *quirk = lm_quirks_get(quirks, i);
        lm_quirk_info *info = &(*infos)[i];
        info->line = quirk->line;
        snprintf(info->table, sizeof info->table, "%s", quirk->source);
        snprintf(info->text, sizeof info->text, "%s", quirk->text);
    }
    snprintf(warning, warning_size, "%s", lm_quirks_warning(quirks));
    lm_quirks_destroy(&quirks);
    return *infos || lm_fail(err, LM_NO_MEMORY, "out of memory listing %zu quirks", *n_infos);
}
