// The file that keeps what the self-test has found, with the checksum as it is and once more with
// a right one.

#include "fuzz/support/fuzz.h"

#include "selftest/record.h"

#include <stdlib.h>

// As the seeds have it.
static lm_record_header make_device(void)
{
    lm_record_header device = {.vendor = 0x10005,
                               .device = 0,
                               .driver_version = 0x1900007,
                               .vulkan_version = 0x403000,
                               .limits_hash = 0xfedcba9876543210,
                               .modules_hash = 0x0123456789abcdef};
    memcpy(device.magic, "lmtests1", sizeof device.magic);
    memset(device.device_uuid, 0x11, sizeof device.device_uuid);
    memset(device.driver_uuid, 0x22, sizeof device.driver_uuid);
    return device;
}

static void read_file(const uint8_t *file, size_t size)
{
    const lm_record_header device = make_device();
    const void *entries = NULL;
    size_t n = 0;
    if (!lm_record_file_is_good(&device, file, size, &entries, &n))
        return;
    fuzz_require(memcmp(file, &device, offsetof(lm_record_header, n_entries)) == 0,
                 "a file is taken only on its own device");
    for (size_t i = 0; i < n; i++) {
        const lm_record_entry entry = lm_record_entry_in(entries, i);
        fuzz_require(entry.kind >= LM_RECORD_PASSED && entry.kind < LM_RECORD_KINDS,
                     "an entry is of a kind that there is");
        fuzz_require_printable(entry.op);
        fuzz_require_printable(entry.text);
    }
    fuzz_accept();
}

void fuzz_one(const uint8_t *data, size_t size)
{
    lm_record_header header;
    read_file(data, size);
    uint8_t *sealed = malloc(size + 1);
    if (sealed && size >= sizeof header) {
        memcpy(sealed, data, size);
        memcpy(&header, data, sizeof header);
        const size_t n = (size - sizeof header) / sizeof(lm_record_entry);
        lm_record_header_seal(&header, data + sizeof header, n);
        memcpy(sealed, &header, sizeof header);
        read_file(sealed, size);
    }
    free(sealed);
}
