// The JSON file that names the sizes of a synthetic model.

#include "fuzz/support/fuzz.h"

#include "model/config.h"

void fuzz_one(const uint8_t *data, size_t size)
{
    lm_error err = {0};
    lm_config config = {0};
    if (!lm_config_from_shape(&config, fuzz_file(0, data, size), &err)) {
        fuzz_require_sentence(&err);
        return;
    }
    fuzz_require(lm_config_check(&config, &err), "a shape that is taken can be run");
    fuzz_require(config.n_head > 0 && config.n_head_kv > 0 && config.n_head % config.n_head_kv == 0,
                 "heads share K and V evenly");
    fuzz_accept();
}
