#include "support/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

static bool listed(const char *list, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',') {
        if (strcspn(at, ",") == length && strncmp(at, word, length) == 0)
            return true;
    }
    return false;
}

const char *lm_test_require_device(void)
{
    static char why[512];
    const char *device = variable("LM_TEST_DEVICE");
    const char *manifest = variable("VK_DRIVER_FILES");

    if (!*device || access(manifest, R_OK) == 0)
        return NULL;
    snprintf(why, sizeof why, "%s is not here: no driver manifest '%s'", device, manifest);
    if (listed(variable("LM_REQUIRE_DEVICES"), device)) {
        fprintf(stderr, "failed: LM_REQUIRE_DEVICES lists %s, but %s\n", device, why);
        exit(EXIT_FAILURE);
    }
    return why;
}

int lm_test_skip(const char *why)
{
    printf("skipped: %s\n", why);
    return LM_TEST_SKIPPED;
}

const char *lm_test_profile(void)
{
    return variable("LM_TEST_PROFILE");
}

bool lm_test_validation(void)
{
    return strcmp(variable("LM_VALIDATION"), "1") == 0;
}
