// A table of quirks, and what it does to a device.

#include "fuzz/support/fuzz.h"

#include "gpu/quirks.h"
#include "support/adapter.h"

#include <string.h>

static void apply(const lm_quirks *quirks)
{
    lm_adapter adapter = test_adapter();
    const lm_limits before = adapter.limits;
    lm_quirks_apply(quirks, &adapter);
    const lm_limits *after = &adapter.limits;
    fuzz_require(after->block_bytes <= before.block_bytes &&
                     after->group_invocations <= before.group_invocations &&
                     after->group_count <= before.group_count &&
                     after->shared_bytes <= before.shared_bytes,
                 "a table lowers limits only");
    fuzz_require(after->shared_bytes >= lm_limits_floor.shared_bytes &&
                     after->group_invocations >= lm_limits_floor.group_invocations,
                 "a table leaves what the kernels need");
    fuzz_require(memchr(adapter.quirks, 0, sizeof adapter.quirks) != NULL, "the list has an end");
    for (lm_feature i = 0; i < LM_N_FEATURES; i++)
        fuzz_require(memchr(adapter.features.reason[i].why, 0, 192) != NULL, "a reason has an end");
}

void fuzz_one(const uint8_t *data, size_t size)
{
    lm_error err = {0};
    lm_quirks *quirks = lm_quirks_create(&err);
    if (!quirks || !lm_quirks_add(quirks, "/some/where/t.txt", (const char *)data, size, &err)) {
        lm_quirks_destroy(&quirks);
        return;
    }
    fuzz_require_printable(lm_quirks_warning(quirks));
    for (size_t i = 0; i < lm_quirks_count(quirks); i++) {
        const lm_quirk *quirk = lm_quirks_get(quirks, i);
        for (const char *c = quirk->text; *c; c++)
            fuzz_require((*c >= 0x20 && *c < 0x7f) || *c == '\t', "an entry can be shown");
        fuzz_require(quirk->off || quirk->on || quirk->limits[0], "an entry changes something");
        fuzz_require((quirk->off & quirk->on) == 0, "an entry does not contradict itself");
        fuzz_require((quirk->off | quirk->on) < 1u << LM_N_FEATURES, "features are known");
    }
    if (lm_quirks_count(quirks) > 0 && !lm_quirks_warning(quirks)[0])
        fuzz_accept();
    apply(quirks);
    lm_quirks_destroy(&quirks);
}
