#include "command.h"
#include "json.h"

#include "lm.h"

#include <stdlib.h>
#include <string.h>

static bool print_table(const lm_quirk_info *infos, size_t n_infos, lm_error *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < n_infos; i++)
        ok = cli_print(err, "%s:%u: %s\n", infos[i].table, infos[i].line, infos[i].text);
    return ok && cli_flush(err);
}

static bool print_json(const lm_quirk_info *infos, size_t n_infos, lm_error *err)
{
    cJSON *array = cJSON_CreateArray();
    bool complete = array != NULL;
    for (size_t i = 0; complete && i < n_infos; i++) {
        cJSON *item = cJSON_CreateObject();
        complete = item && cJSON_AddItemToArray(array, item) &&
                   cli_json_add_text(item, "table", lm_text_of(infos[i].table)) &&
                   cli_json_add_number(item, "line", infos[i].line) &&
                   cli_json_add_text(item, "text", lm_text_of(infos[i].text));
    }
    const bool ok = cli_json_print(array, complete, err);
    cJSON_Delete(array);
    return ok;
}

cli_exit cli_quirks(const cli_options *options)
{
    lm_quirk_info *infos;
    size_t n_infos;
    char warning[400];
    lm_error err;
    if (!lm_quirks_list(&infos, &n_infos, warning, sizeof warning, &err))
        return cli_fail(&err);
    if (warning[0])
        cli_say("warning: %s", warning);
    const bool ok =
        options->json ? print_json(infos, n_infos, &err) : print_table(infos, n_infos, &err);
    free(infos);
    return ok ? CLI_OK : cli_fail(&err);
}
