// What is known to be wrong with some devices and drivers: a table that is data, not code.
//
// A table is text, one entry a line, as docs/quirks.md explains:
//
//     vendor=intel driver=anv before=25.2 device="*Arc*" off=matrix see=https://...
//
// Tables are added one after the other, those that ship first; later entries win, and one can
// switch on again what an earlier one switched off. A line that makes no sense is left out and
// becomes the warning; all others stay in force.
// Ownership: whoever creates a table destroys it.
// Threads: one thread at a time.

#ifndef LM_GPU_QUIRKS_H
#define LM_GPU_QUIRKS_H

#include "base/error.h"
#include "gpu/instance.h"

#include <stddef.h>
#include <stdint.h>

typedef struct lm_quirk {
    char source[64]; // what the table is called: the last part of its path
    uint32_t line;   // in it, from 1
    char *text;      // owned: the line as it stands there, without comment

    // Which devices: all that is given must match.
    uint32_t vendor, device, driver, kind; // kind: a VkPhysicalDeviceType
    bool has_vendor, has_device, has_driver, has_kind;
    char name[64]; // pattern with * and ? for the device's name, any case; "": any
    lm_driver_version from, before;
    bool has_from, has_before;

    // What follows.
    uint32_t off, on; // bits of lm_feature
    char limits[128]; // for lm_limits_lower(); "": none
    char see[160];    // the public report; "": none
} lm_quirk;

// Fails with LM_NO_MEMORY.
lm_quirks *lm_quirks_create(lm_error *err);
void lm_quirks_destroy(lm_quirks **quirks);

// Adds the entries of a table. `path` names it in warnings. Fails with LM_NO_MEMORY only.
bool lm_quirks_add(lm_quirks *quirks, const char *path, const char *text, size_t size,
                   lm_error *err);

// Remembers what went wrong with a table as a whole. The first such sentence or bad line is the
// warning; how many more there were stands behind it.
void lm_quirks_warn(lm_quirks *quirks, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// One sentence, "" if nothing is wrong.
const char *lm_quirks_warning(const lm_quirks *quirks);

size_t lm_quirks_count(const lm_quirks *quirks);

// In the order of adding; borrowed until the next is added.
const lm_quirk *lm_quirks_get(const lm_quirks *quirks, size_t index);

bool lm_quirk_matches(const lm_quirk *quirk, const lm_adapter *adapter);

// Switches paths of the adapter off and on and lowers its limits, and notes in adapter->quirks
// which entries did. Needs identity, driver and limits of the adapter, nothing else: an entry can
// keep us from asking a driver what it crashes on.
void lm_quirks_apply(const lm_quirks *quirks, lm_adapter *adapter);

#endif
