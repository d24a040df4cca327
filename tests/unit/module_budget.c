// The list of modules keeps its budget, and what is embedded is SPIR-V.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "modules.h"

#define MAX_MODULES     160
#define MAX_TOTAL_BYTES (5u << 20)
#define SPIRV_MAGIC     0x07230203u
#define SPIRV_VERSION   0x00010500u // of Vulkan 1.2

static void budget_holds(void **state)
{
    (void)state;
    size_t bytes = 0;
    for (size_t i = 0; i < LM_MODULE_COUNT; i++)
        bytes += lm_spirv_modules[i].n_words * sizeof(uint32_t);
    assert_in_range(LM_MODULE_COUNT, 1, MAX_MODULES);
    assert_in_range(bytes, 1, MAX_TOTAL_BYTES);
}

static void every_module_is_spirv(void **state)
{
    (void)state;
    for (size_t i = 0; i < LM_MODULE_COUNT; i++) {
        const lm_spirv *module = &lm_spirv_modules[i];
        assert_non_null(module->name);
        assert_true(module->n_words > 5);
        assert_int_equal(module->words[0], SPIRV_MAGIC);
        assert_int_equal(module->words[1], SPIRV_VERSION);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budget_holds),
        cmocka_unit_test(every_module_is_spirv),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
