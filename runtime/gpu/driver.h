// Who made a device and its driver, and which version that is, in words that people write.

#ifndef LM_GPU_DRIVER_H
#define LM_GPU_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// "25.1.3" is {{25, 1, 3, 0}}. Comparing is comparing number by number.
typedef struct lm_driver_version {
    uint32_t at[4];
} lm_driver_version;

// Takes VkPhysicalDeviceProperties.driverVersion apart, which every vendor packs in its own way.
// `driver_id` is a VkDriverId; `info` is its driverInfo, where software drivers of Mesa have the
// version that they do not give as a number.
lm_driver_version lm_driver_version_of(uint32_t driver_id, uint32_t packed, const char *info);

// Reads "25", "25.1" ... "1.2.3.4". False for anything else.
bool lm_driver_version_parse(const char *text, size_t size, lm_driver_version *version);

// Below 0, 0 or above 0.
int lm_driver_version_compare(const lm_driver_version *a, const lm_driver_version *b);

// Writes the version as `lemnos devices` shows it.
void lm_driver_version_format(const lm_driver_version *version, char *text, size_t size);

// The word for a VkDriverId, such as "radv"; "unknown" for one that is not in our list.
const char *lm_driver_name(uint32_t driver_id);

// Its reverse; a whole number is taken as the id itself.
bool lm_driver_parse(const char *text, size_t size, uint32_t *driver_id);

// "AMD" for 0x1002; NULL for a vendor that is not in our list.
const char *lm_vendor_name(uint32_t vendor_id);

// Its reverse in any case; "0x1002" is taken as the id itself.
bool lm_vendor_parse(const char *text, size_t size, uint32_t *vendor_id);

// Reads "0x" and one to eight digits.
bool lm_hex_parse(const char *text, size_t size, uint32_t *number);

#endif
