// Where quirk tables are read from.

#ifndef LM_GEN_QUIRK_TABLES_H
#define LM_GEN_QUIRK_TABLES_H

#include "gpu/quirks.h"

// The table that ships with Lemnos, the user's, and the file that LM_QUIRKS names, in this order.
// One that cannot be read is a warning. The caller destroys it. Fails with LM_NO_MEMORY.
lm_quirks *lm_quirk_tables_read(lm_error *err);

#endif
