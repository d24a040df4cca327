#include "gpu/driver.h"

#include "gpu/vulkan.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

// VkDriverId; the newer ones by number, because Vulkan headers of Debian 12 lack them.
static const struct {
    uint32_t id;
    const char *name;
} drivers[] = {
    {1, "amd"},       {2, "amdvlk"},    {3, "radv"},        {4, "nvidia"},   {5, "intel"},
    {6, "anv"},       {7, "img"},       {8, "qualcomm"},    {9, "arm"},      {10, "swiftshader"},
    {12, "broadcom"}, {13, "lavapipe"}, {14, "moltenvk"},   {17, "vivante"}, {18, "turnip"},
    {19, "v3dv"},     {20, "panvk"},    {21, "samsung"},    {22, "venus"},   {23, "dozen"},
    {24, "nvk"},      {25, "powervr"},  {26, "honeykrisp"},
};

static const struct {
    uint32_t id;
    const char *name;
} vendors[] = {{0x1002, "AMD"},      {0x10de, "NVIDIA"},     {0x8086, "Intel"}, {0x106b, "Apple"},
               {0x13b5, "Arm"},      {0x5143, "Qualcomm"},   {0x10005, "Mesa"}, {0x1ae0, "Google"},
               {0x14e4, "Broadcom"}, {0x1010, "Imagination"}};

lm_driver_version lm_driver_version_of(uint32_t driver_id, uint32_t packed, const char *info)
{
    unsigned a = 0, b = 0, c = 0;
    switch (driver_id) {
    case VK_DRIVER_ID_NVIDIA_PROPRIETARY:
        return (lm_driver_version){
            {packed >> 22, packed >> 14 & 0xffu, packed >> 6 & 0xffu, packed & 0x3fu}};
    case VK_DRIVER_ID_INTEL_PROPRIETARY_WINDOWS:
        return (lm_driver_version){{packed >> 14, packed & 0x3fffu}};
    case VK_DRIVER_ID_MESA_LLVMPIPE:
        // It calls itself version 1, whatever the Mesa.
        if (sscanf(info, "Mesa %4u.%4u.%4u", &a, &b, &c) >= 2)
            return (lm_driver_version){{a, b, c}};
        break;
    default:
        break;
    }
    return (lm_driver_version){{packed >> 22, packed >> 12 & 0x3ffu, packed & 0xfffu}};
}

bool lm_driver_version_parse(const char *text, size_t size, lm_driver_version *version)
{
    *version = (lm_driver_version){0};
    size_t at = 0;
    for (size_t part = 0; part < 4; part++) {
        const size_t start = at;
        for (; at < size && isdigit((unsigned char)text[at]); at++) {
            if (at - start == 9)
                return false;
            version->at[part] = version->at[part] * 10 + (uint32_t)(text[at] - '0');
        }
        if (at == start)
            return false;
        if (at == size)
            return true;
        if (text[at++] != '.')
            return false;
    }
    return false;
}

int lm_driver_version_compare(const lm_driver_version *a, const lm_driver_version *b)
{
    for (size_t i = 0; i < 4; i++)
        if (a->at[i] != b->at[i])
            return a->at[i] < b->at[i] ? -1 : 1;
    return 0;
}

void lm_driver_version_format(const lm_driver_version *version, char *text, size_t size)
{
    const uint32_t *at = version->at;
    if (at[3])
        snprintf(text, size, "%u.%u.%u.%u", at[0], at[1], at[2], at[3]);
    else
        snprintf(text, size, "%u.%u.%u", at[0], at[1], at[2]);
}

static bool same_word(const char *word, const char *text, size_t size)
{
    if (strlen(word) != size)
        return false;
    for (size_t i = 0; i < size; i++)
        if (tolower((unsigned char)word[i]) != tolower((unsigned char)text[i]))
            return false;
    return true;
}

const char *lm_driver_name(uint32_t driver_id)
{
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++)
        if (drivers[i].id == driver_id)
            return drivers[i].name;
    return "unknown";
}

bool lm_driver_parse(const char *text, size_t size, uint32_t *driver_id)
{
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++)
        if (same_word(drivers[i].name, text, size)) {
            *driver_id = drivers[i].id;
            return true;
        }
    *driver_id = 0;
    for (size_t i = 0; i < size; i++) {
        if (!isdigit((unsigned char)text[i]) || i == 9)
            return false;
        *driver_id = *driver_id * 10 + (uint32_t)(text[i] - '0');
    }
    return size > 0;
}

const char *lm_vendor_name(uint32_t vendor_id)
{
    for (size_t i = 0; i < sizeof vendors / sizeof *vendors; i++)
        if (vendors[i].id == vendor_id)
            return vendors[i].name;
    return NULL;
}

bool lm_vendor_parse(const char *text, size_t size, uint32_t *vendor_id)
{
    for (size_t i = 0; i < sizeof vendors / sizeof *vendors; i++)
        if (same_word(vendors[i].name, text, size)) {
            *vendor_id = vendors[i].id;
            return true;
        }
    return lm_hex_parse(text, size, vendor_id);
}

bool lm_hex_parse(const char *text, size_t size, uint32_t *number)
{
    if (size < 3 || size > 10 || text[0] != '0' || (text[1] != 'x' && text[1] != 'X'))
        return false;
    *number = 0;
    for (size_t i = 2; i < size; i++) {
        const char c = (char)tolower((unsigned char)text[i]);
        if (!isxdigit((unsigned char)c))
            return false;
        *number = *number * 16 + (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return true;
}
