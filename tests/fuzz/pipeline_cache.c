// The header check that stands between a file of pipelines and the driver, with the checksum as it
// is and once more with a right one.

#include "fuzz/support/fuzz.h"

#include "gpu/pipeline_cache.h"

#include <stdlib.h>

// As the seeds have it.
static lm_pipeline_header make_device(void)
{
    lm_pipeline_header device = {.vendor = 0x10005,
                                 .device = 0,
                                 .driver_version = 0x1900007,
                                 .subgroup_size = 8,
                                 .modules_hash = 0x0123456789abcdef};
    memcpy(device.magic, "lmpipes1", sizeof device.magic);
    memset(device.driver_uuid, 0x11, sizeof device.driver_uuid);
    memset(device.cache_uuid, 0x22, sizeof device.cache_uuid);
    return device;
}

static void read_file(const uint8_t *file, size_t size)
{
    const lm_pipeline_header device = make_device();
    const void *data = NULL;
    size_t n = 0;
    if (!lm_pipeline_file_is_good(&device, file, size, &data, &n))
        return;
    fuzz_require(memcmp(file, &device, offsetof(lm_pipeline_header, size)) == 0,
                 "a file is taken only on its own device");
    fuzz_require((const uint8_t *)data == file + sizeof device && n == size - sizeof device,
                 "the driver is shown what follows the header");
    fuzz_accept();
}

void fuzz_one(const uint8_t *data, size_t size)
{
    lm_pipeline_header header;
    read_file(data, size);
    uint8_t *sealed = malloc(size + 1);
    if (sealed && size >= sizeof header) {
        memcpy(sealed, data, size);
        memcpy(&header, data, sizeof header);
        lm_pipeline_header_seal(&header, data + sizeof header, size - sizeof header);
        memcpy(sealed, &header, sizeof header);
        read_file(sealed, size);
    }
    free(sealed);
}
