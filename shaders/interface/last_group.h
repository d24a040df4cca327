// What last_group.comp and runtime/selftest/case_groups.c agree on. Read by both compilers.
#include "interface/between.h"

#define LAST_GROUP_VALUES 256 // of a part

struct last_group_args {
    LM_PTR(u32_in) from;                // in   [LAST_GROUP_VALUES]
    LM_PTR(u32_between_inout) parts;    // [n_rows][n_parts][LAST_GROUP_VALUES]
    LM_PTR(u32_between_inout) counters; // [n_rows], 0 before and after
    LM_PTR(u32_out) to;                 // out  [n_rows][LAST_GROUP_VALUES]: the sums of the parts
    uint n_parts;
    uint round; // makes the parts of each dispatch others
};
