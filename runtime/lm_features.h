// The optional paths of a device and the tables that switch some of them off.

#ifndef LM_FEATURES_H
#define LM_FEATURES_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define LM_MAX_FEATURES 16

// A path beyond the floor that every device meets, see runtime/gpu/features.h.
typedef struct lm_feature_info {
    char name[24]; // "matrix", as tables and LM_OFF have it
    bool used;     // false: reserved, it makes no difference yet
    bool offered;  // by the device and its driver
    bool off;
    char off_by[16]; // "its speed", "a quirk", "the self-test", "the user", "safe mode"; or ""
    char why[192];   // it is off; "" where it is not
} lm_feature_info;

// An entry of a quirk table.
typedef struct lm_quirk_info {
    char table[64]; // the file's name, without folders
    uint32_t line;
    char text[1032]; // the line, without comment
} lm_quirk_info;

// All entries in force, in their order: of the table that ships with Lemnos, of the user's in the
// folder for settings, and of the file that LM_QUIRKS names; LM_QUIRKS=none: of no table. *infos is
// the caller's to free(). What is wrong with the tables is one sentence in `warning`, "" if
// nothing. Fails with LM_NO_MEMORY.
bool lm_quirks_list(lm_quirk_info **infos, size_t *n_infos, char *warning, size_t warning_size,
                    lm_error *err);

#endif
